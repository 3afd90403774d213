// SPDX-License-Identifier: Apache-2.0
// The parsers of the native runtime on any bytes: no crash, and what each promises about its
// result. The first byte says which: JSON (a member of a valid object is valid itself), HTTP (the
// same requests however the bytes are split), zip (nothing is written outside the directory).
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <sys/stat.h>
#include <vector>

#include "archive.hpp"
#include "http.hpp"
#include "json.hpp"

namespace {

using berth::native::Request;
using berth::native::RequestReader;

void expect(bool condition, const char* what) {
  if (condition) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

void fuzz_json(std::string_view text) {
  std::string error;
  if (!berth::native::validate(text, error)) return;
  expect(berth::native::validate(berth::native::compact(text), error), "compact() spoils a value");
  berth::native::for_each_member(text, [&](std::string_view name, std::string_view value) {
    expect(berth::native::validate(name, error) && name.front() == '"', "a name is no string");
    expect(berth::native::validate(value, error), "a member's value is not valid");
    berth::native::unescape(name);
    if (value.front() == '"') berth::native::unescape(value);
  });
}

// Takes the requests that are whole; true when the reader refuses what follows.
bool take_all(RequestReader& reader, std::vector<std::string>& requests) {
  Request request;
  for (;;) {
    const RequestReader::Outcome outcome = reader.next(request);
    if (outcome != RequestReader::Outcome::kRequest) return outcome == RequestReader::Outcome::kBad;
    requests.push_back(request.method + ' ' + request.path + ' ' + request.body);
  }
}

void fuzz_http(std::string_view bytes) {
  RequestReader whole;
  std::vector<std::string> expected;
  whole.feed(bytes);
  const bool refused = take_all(whole, expected);
  RequestReader split;
  std::vector<std::string> requests;
  bool split_refused = false;
  for (size_t i = 0; i < bytes.size() && !split_refused; ++i) {
    split.feed(bytes.substr(i, 1));
    split_refused = take_all(split, requests);
  }
  expect(requests == expected && split_refused == refused, "the requests depend on the split");
}

void fuzz_zip(std::string_view data) {
  namespace fs = std::filesystem;
  // Never destroyed: the exit handler still needs it.
  static const fs::path& top = *[] {
    std::string name = (fs::temp_directory_path() / "berth-fuzz-XXXXXX").string();
    expect(mkdtemp(name.data()) != nullptr, "no temporary directory");
    std::atexit([] { fs::remove_all(top); });
    return new fs::path(fs::canonical(name));
  }();
  const fs::path inside = top / "a" / "inside";
  fs::create_directories(inside);
  std::string error;
  berth::native::extract_zip(data, inside.string(), error);
  for (const auto& entry : fs::recursive_directory_iterator(inside)) {
    if (!entry.is_symlink()) continue;
    std::error_code loop;
    const std::string target = fs::weakly_canonical(entry.path(), loop).string();
    expect(loop || target.starts_with(inside.string()), "a link leads out of the directory");
  }
  fs::remove_all(inside);
  expect(fs::is_empty(top / "a"), "something was written outside the directory");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view input(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0] % 3) {
    case 0: fuzz_json(input); break;
    case 1: fuzz_http(input); break;
    default: fuzz_zip(input);
  }
  return 0;
}
