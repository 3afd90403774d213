// SPDX-License-Identifier: Apache-2.0
#include "factory/log_lines.hpp"

#include <charconv>

namespace berth::process {

void add_lines(const LogChunk& chunk, sdk::LogBatch& batch) {
  const auto stream = chunk.stream == 2 ? sdk::Stream::kStderr : sdk::Stream::kStdout;
  std::string_view rest = chunk.bytes;
  while (!rest.empty()) {
    const size_t end = rest.find('\n');
    const bool whole = end != std::string_view::npos;
    batch.add(stream, chunk.time_ns, rest.substr(0, end),
              BERTH_LOG_TIME_IS_OURS | (whole ? 0u : BERTH_LOG_PARTIAL_LINE));
    rest.remove_prefix(whole ? end + 1 : rest.size());
  }
}

std::string cursor_text(const LogCursor& cursor) {
  if (cursor.oldest) return "";
  return std::to_string(cursor.offset) + "." + std::to_string(cursor.skip);
}

bool parse_cursor(std::string_view text, LogCursor& cursor) {
  cursor = {};
  if (text.empty()) return true;
  cursor.oldest = false;
  const char* end = text.data() + text.size();
  const auto offset = std::from_chars(text.data(), end, cursor.offset);
  if (offset.ec != std::errc{} || offset.ptr == end || *offset.ptr != '.') return false;
  const auto skip = std::from_chars(offset.ptr + 1, end, cursor.skip);
  return skip.ec == std::errc{} && skip.ptr == end;
}

}  // namespace berth::process
