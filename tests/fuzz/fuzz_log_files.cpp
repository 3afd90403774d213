// SPDX-License-Identifier: Apache-2.0
// What is read back from disk and from Splunk: lines of the log files, members of compressed ones,
// events of the spool, answers of a search. Nothing may crash; what parses must be whole.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "gzip_blocks.hpp"
#include "json_line.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth::file;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto scanned = scan_line(text);
  const auto parsed = parse_line(text);
  if (scanned && parsed && text.find("\\u") == std::string_view::npos &&
      text.find("activationId") == text.rfind("activationId") && scanned->id != parsed->id) {
    std::abort();  // the index would lead to another activation
  }
  if (parsed) {
    const std::string again = format_time(parsed->time_ns);
    if (parse_time(again) != parsed->time_ns) std::abort();
  }
  std::string unpacked;
  if (GzipBlocks::unpack(text, unpacked) && unpacked.size() > GzipBlocks::kBlockBytes) std::abort();
  return 0;
}
