// SPDX-License-Identifier: Apache-2.0
// Any bytes as what an engine writes: lines of a log file, frames of its logs endpoint, events, the
// progress of a pull. The first byte says which, the second in which pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "docker/events.hpp"
#include "docker/json_file.hpp"
#include "docker/multiplexed.hpp"
#include "docker/pull_progress.hpp"

namespace {

using namespace berth::docker;

template <typename F>
void in_pieces(std::string_view text, std::size_t piece, F feed) {
  while (!text.empty()) {
    if (!feed(text.substr(0, piece))) return;
    text.remove_prefix(std::min(piece, text.size()));
  }
}

// The same records, whatever the pieces.
std::string frames(std::string_view text, std::size_t piece) {
  std::string seen;
  FrameDecoder decoder([&](const LogRecord& record) {
    seen += std::to_string(record.time_ns) + (record.partial ? "p" : "w") +
            std::to_string(record.stream);
    seen += record.text;
  });
  in_pieces(text, piece, [&](std::string_view bytes) { return decoder.feed(bytes); });
  return seen;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 2, size - 2);
  const std::size_t piece = data[1] == 0 ? 1 : data[1];
  switch (data[0] % 4) {
    case 0: {
      LogRecord record;
      std::string scratch;
      if (parse_json_line(text, record, scratch) && record.time_ns < 0) std::abort();
      // The short way and the long one read the same.
      const std::string whole = std::string(text) + "\n";
      LogRecord usual, any;
      TimeReader times;
      if (const std::size_t length = parse_usual_line(whole, usual, times); length > 0) {
        if (whole[length - 1] != '\n') std::abort();
        const std::string_view line = std::string_view(whole).substr(0, length - 1);
        if (!parse_json_line(line, any, scratch) || any.text != usual.text || any.partial ||
            any.stream != usual.stream || any.time_ns != usual.time_ns) {
          std::abort();
        }
      }
      break;
    }
    case 1:
      if (frames(text, piece) != frames(text, text.size() + 1)) std::abort();
      break;
    case 2: {
      EventParser parser([](const Event& event) {
        if (event.id.empty() || event.exit_code < -1 || event.exit_code > 255) std::abort();
      });
      in_pieces(text, piece, [&](std::string_view bytes) { return parser.feed(bytes); });
      break;
    }
    default: {
      PullProgress progress;
      in_pieces(text, piece, [&](std::string_view bytes) { return progress.feed(bytes); });
      progress.finish();
      (void)progress.summary();
    }
  }
  return 0;
}
