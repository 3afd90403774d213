// SPDX-License-Identifier: Apache-2.0
#include "folder_zip.hpp"

#include <algorithm>
#include <ctime>
#include <memory>
#include <system_error>
#include <vector>
#include <zip.h>

#include "base/files.hpp"
#include "exit_code.hpp"

namespace berth::cli {
namespace {

namespace fs = std::filesystem;

// berthd takes 48 MB of base64; what is to become that has no more than this before it is packed.
constexpr std::size_t kMaxBytes = 256u << 20;
constexpr std::size_t kMaxFiles = 50'000;
constexpr const char* kMainFile = "__main__.py";

[[noreturn]] void fail(const fs::path& path, const std::string& what) {
  throw Exit(ExitCode::kUsage, path.string() + ' ' + what);
}

bool is_left_out(const fs::path& name) {
  return name == ".git" || name == ".serverless" || name == ".DS_Store";
}

bool has_keys(const fs::path& name) {
  return name == ".wskprops" || name.native().starts_with(".env");
}

// Relative to the folder, in an order of their own.
std::vector<fs::path> files_of(const fs::path& folder, const TakesFile& takes) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, fs::directory_options::skip_permission_denied,
                                         error);
  for (const fs::recursive_directory_iterator end; !error && entry != end; entry.increment(error)) {
    if (is_left_out(entry->path().filename())) {
      entry.disable_recursion_pending();
      continue;
    }
    if (entry->is_directory(error) && !entry->is_symlink(error)) continue;
    fs::path file = entry->path().lexically_relative(folder);
    if (takes ? !takes(file.generic_string()) : has_keys(file.filename())) continue;
    if (entry->is_directory(error)) {
      fail(entry->path(),
           "is a link to a folder, which no zip can hold: put a copy of the folder there, or leave "
           "it out (npm: --install-links)");
    }
    if (!entry->is_regular_file(error)) {
      fail(entry->path(), "is neither a file nor a folder: it cannot be put into a zip");
    }
    files.push_back(std::move(file));
    if (files.size() > kMaxFiles) fail(folder, "has more than 50000 files");
  }
  if (error) fail(folder, "cannot be read: " + error.message());
  std::sort(files.begin(), files.end());
  return files;
}

// Owns what it is made of until it is closed.
class Archive {
 public:
  Archive() {
    zip_error_t error;
    zip_error_init(&error);
    source_ = zip_source_buffer_create(nullptr, 0, 0, &error);
    if (source_ != nullptr) zip_source_keep(source_);
    archive_ = source_ != nullptr ? zip_open_from_source(source_, ZIP_TRUNCATE, &error) : nullptr;
    zip_error_fini(&error);
    if (archive_ == nullptr) throw Exit(ExitCode::kFailed, "no zip can be made");
  }
  ~Archive() {
    if (archive_ != nullptr) zip_discard(archive_);
    zip_source_free(source_);
  }
  Archive(const Archive&) = delete;
  Archive& operator=(const Archive&) = delete;

  // `content` must live until bytes().
  bool add(const std::string& name, const std::string& content, bool runs) {
    zip_source_t* data = zip_source_buffer(archive_, content.data(), content.size(), 0);
    if (data == nullptr) return false;
    const zip_int64_t index = zip_file_add(archive_, name.c_str(), data, ZIP_FL_ENC_UTF_8);
    if (index < 0) {
      zip_source_free(data);
      return false;
    }
    const auto at = static_cast<zip_uint64_t>(index);
    const zip_uint32_t mode = runs ? 0100755 : 0100644;
    return zip_file_set_mtime(archive_, at, epoch(), 0) == 0 &&
           zip_file_set_external_attributes(archive_, at, 0, ZIP_OPSYS_UNIX, mode << 16) == 0;
  }

  // Empty: it could not be made.
  std::string bytes() {
    if (zip_close(archive_) != 0) return {};
    archive_ = nullptr;
    std::string out;
    if (zip_source_open(source_) != 0) return out;
    char piece[65536];
    for (zip_int64_t read = 1; (read = zip_source_read(source_, piece, sizeof piece)) > 0;) {
      out.append(piece, static_cast<std::size_t>(read));
    }
    zip_source_close(source_);
    return out;
  }

 private:
  // The first moment that a zip can tell, on the clock on the wall, which is what it tells.
  static std::time_t epoch() {
    std::tm first{};
    first.tm_year = 80;
    first.tm_mday = 1;
    first.tm_isdst = -1;
    return std::mktime(&first);
  }

  zip_source_t* source_ = nullptr;
  zip_t* archive_ = nullptr;
};

}  // namespace

std::string zip_folder(const fs::path& folder, const TakesFile& takes,
                       const std::string& main_file) {
  const std::vector<fs::path> files = files_of(folder, takes);
  if (files.empty()) fail(folder, "has no file");
  const bool renames = !main_file.empty() && main_file != kMainFile;
  const auto has = [&files](const fs::path& file) {
    return std::binary_search(files.begin(), files.end(), file);
  };
  if (!main_file.empty() && !has(main_file)) fail(folder / main_file, "is not among the files");
  if (renames && has(kMainFile)) {
    fail(folder / kMainFile, "would be in the way of " + main_file +
                                 ", which goes by this name: leave it out or rename it");
  }
  std::vector<std::string> contents;
  contents.reserve(files.size());
  std::size_t together = 0;
  Archive archive;
  for (const fs::path& file : files) {
    const fs::path path = folder / file;
    Result<std::string> content = read_file(path, kMaxBytes - together);
    if (!content) throw Exit(ExitCode::kUsage, content.error().message());
    together += content->size();
    contents.push_back(std::move(*content));
    std::error_code error;
    const bool runs =
        (fs::status(path, error).permissions() & fs::perms::owner_exec) != fs::perms::none;
    bool added = archive.add(file.generic_string(), contents.back(), runs);
    if (added && renames && file.generic_string() == main_file) {
      added = archive.add(kMainFile, contents.back(), runs);
    }
    if (!added) fail(path, "cannot be put into a zip");
  }
  std::string bytes = archive.bytes();
  if (bytes.empty()) fail(folder, "cannot be made into a zip");
  return bytes;
}

std::string kind_of_folder(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / kMainFile, error)) return "python:default";
  for (const char* file : {"package.json", "index.js"}) {
    if (fs::exists(folder / file, error)) return "nodejs:default";
  }
  return "";
}

}  // namespace berth::cli
