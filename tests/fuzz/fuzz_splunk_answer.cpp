// SPDX-License-Identifier: Apache-2.0
// Splunk's answer to a search and the events that the spool gives back, put together to pages.
// Nothing may crash, and paging must end.
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "search.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace berth::splunk;
  static const Settings kSettings =
      Settings::parse(R"({"hec_url":"http://h","hec_token":"t"})", "/tmp", "fuzz");
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const Rows rows = read_rows(kSettings, size % 7 == 0 ? 500 : 200, text);
  const auto events = parse_events(kSettings, text, "guest");
  for (std::uint64_t first = 0, page = 0;; ++page) {
    if (page > size) std::abort();
    Assembly assembly(first);
    for (const Piece& piece : rows.pieces) assembly.add(piece);
    for (const Piece& piece : events) assembly.add(piece);
    bool partial = false;
    const auto made = assembly.page(16, false, partial);
    if (made.next_cursor.empty()) break;
    std::uint64_t next = 0;
    std::from_chars(made.next_cursor.data(), made.next_cursor.data() + made.next_cursor.size(),
                    next);
    if (next <= first) std::abort();
    first = next;
  }
  return 0;
}
