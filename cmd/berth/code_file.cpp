// SPDX-License-Identifier: Apache-2.0
#include "code_file.hpp"

#include <array>
#include <boost/json/parse.hpp>
#include <filesystem>
#include <system_error>
#include <utility>

#include "base/base64.hpp"
#include "base/json.hpp"
#include "exit_code.hpp"
#include "folder_zip.hpp"
#include "parameters.hpp"

namespace berth::cli {
namespace {

constexpr std::array<std::pair<std::string_view, std::string_view>, 13> kExtensions = {{
    {".py", "python:default"},
    {".js", "nodejs:default"},
    {".cjs", "nodejs:default"},
    {".mjs", "nodejs:default"},
    {".ts", "typescript:default"},
    {".go", "go:default"},
    {".rs", "rust:default"},
    {".rb", "ruby:default"},
    {".php", "php:default"},
    {".java", "java:default"},
    {".jar", "java:default"},
    {".swift", "swift:default"},
    {".bin", "native:default"},
}};

bool is_utf8_text(std::string_view content) {
  if (content.find('\0') != std::string_view::npos) return false;
  std::size_t i = 0;
  while (i < content.size()) {
    const auto byte = static_cast<unsigned char>(content[i]);
    const std::size_t length = byte < 0x80                   ? 1
                               : byte >= 0xc2 && byte < 0xe0 ? 2
                               : byte >= 0xe0 && byte < 0xf0 ? 3
                               : byte >= 0xf0 && byte < 0xf5 ? 4
                                                             : 0;
    if (length == 0 || i + length > content.size()) return false;
    for (std::size_t k = 1; k < length; ++k) {
      if ((static_cast<unsigned char>(content[i + k]) & 0xc0) != 0x80) return false;
    }
    i += length;
  }
  return true;
}

bool is_program(std::string_view content) {
  return content.starts_with(
             "\x7f"
             "ELF") ||
         content.starts_with("#!");
}

}  // namespace

std::string guess_kind(std::string_view file_name, std::string_view content) {
  for (const auto& [extension, kind] : kExtensions) {
    if (file_name.ends_with(extension)) return std::string(kind);
  }
  return is_program(content) ? "native:default" : "";
}

bool is_binary(std::string_view content, std::string_view kind) {
  return kind.starts_with("native") || content.starts_with("PK\x03\x04") || !is_utf8_text(content);
}

Code read_code(const std::string& file, const std::string& kind) {
  std::error_code error;
  const bool is_folder = std::filesystem::is_directory(file, error);
  const std::string content = is_folder ? zip_folder(file) : read_input(file);
  if (content.empty()) throw Exit(ExitCode::kUsage, file + " is empty");
  Code code;
  code.kind = kind;
  if (kind.empty()) code.kind = is_folder ? kind_of_folder(file) : guess_kind(file, content);
  code.binary = is_binary(content, code.kind);
  code.text = code.binary ? base64_encode(content) : content;
  return code;
}

}  // namespace berth::cli
