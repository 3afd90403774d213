// SPDX-License-Identifier: Apache-2.0
// A function's code from a file or a folder, and the kind its name or first bytes suggest.
// Stateless.
#pragma once

#include <string>
#include <string_view>

namespace berth::cli {

struct Code {
  std::string text;  // as it goes into exec.code: text, or base64
  bool binary = false;
  std::string kind;  // suggested, e.g. "python:default"; empty: nothing does
};

// The kind for a file of that name and content: by extension, else native for a program (ELF, #!).
// Empty if neither tells, as for a zip.
std::string guess_kind(std::string_view file_name, std::string_view content);

// Whether content goes as base64: archives, programs, whatever is no UTF-8 text.
bool is_binary(std::string_view content, std::string_view kind);

// Reads and encodes; a folder goes as a zip. Throws Exit(kUsage) for what cannot be read or is
// empty.
Code read_code(const std::string& file, const std::string& kind);

}  // namespace berth::cli
