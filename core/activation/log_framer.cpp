// SPDX-License-Identifier: Apache-2.0
#include "activation/log_framer.hpp"

#include <utility>

#include "activation/utf8.hpp"

namespace berth::activation {

LogFramer::Unfinished& LogFramer::unfinished(plugin::Stream stream) {
  return unfinished_[stream == plugin::Stream::kStderr ? 1 : 0];
}

void LogFramer::feed(const plugin::LogRecord& record, Sink& sink) {
  Unfinished& begun = unfinished(record.stream);
  std::string_view rest = record.bytes;
  for (;;) {
    const std::size_t end = rest.find('\n');
    const bool last = end == std::string_view::npos;
    if (last && record.partial_line) {
      if (rest.empty()) return;
      if (begun.text.empty()) {
        begun.time_ns = record.time_ns;
        begun.time_is_ours = record.time_is_ours;
      }
      begun.text.append(rest);
      // A cut leaves more than a sentinel's length standing, so that it never goes through one.
      while (begun.text.size() > max_line_bytes_ + kSentinel.size()) {
        const std::size_t cut = utf8_cut(begun.text, max_line_bytes_);
        emit(record.stream, begun.time_ns, begun.time_is_ours, begun.text.substr(0, cut), sink);
        begun.text.erase(0, cut);
      }
      return;
    }
    // Some factories hand over the line's end although they need not.
    if (last && rest.empty() && rest.data() != record.bytes.data()) return;
    std::string line;
    std::int64_t time_ns = record.time_ns;
    bool time_is_ours = record.time_is_ours;
    if (!begun.text.empty()) {
      line = std::exchange(begun.text, {});
      line.append(rest.substr(0, end));
      time_ns = begun.time_ns;
      time_is_ours = begun.time_is_ours;
    } else {
      line = std::string(rest.substr(0, end));
    }
    finish_line(record.stream, time_ns, time_is_ours, std::move(line), sink);
    if (last) return;
    rest.remove_prefix(end + 1);
  }
}

void LogFramer::finish_line(plugin::Stream stream, std::int64_t time_ns, bool time_is_ours,
                            std::string text, Sink& sink) {
  std::string_view bare = text;
  if (bare.ends_with('\r')) bare.remove_suffix(1);
  if (!bare.ends_with(kSentinel)) {
    emit(stream, time_ns, time_is_ours, std::move(text), sink);
    return;
  }
  text.resize(bare.size() - kSentinel.size());
  if (!text.empty()) emit(stream, time_ns, time_is_ours, std::move(text), sink);
  sink.on_sentinel(stream);
}

void LogFramer::emit(plugin::Stream stream, std::int64_t time_ns, bool time_is_ours,
                     std::string text, Sink& sink) const {
  while (text.size() > max_line_bytes_) {
    const std::size_t cut = utf8_cut(text, max_line_bytes_);
    sink.on_line(stream, time_ns, time_is_ours, to_utf8(text.substr(0, cut)));
    text.erase(0, cut);
  }
  sink.on_line(stream, time_ns, time_is_ours, to_utf8(std::move(text)));
}

void LogFramer::flush(plugin::Stream stream, Sink& sink) {
  Unfinished& begun = unfinished(stream);
  if (begun.text.empty()) return;
  finish_line(stream, begun.time_ns, begun.time_is_ours, std::exchange(begun.text, {}), sink);
}

void LogFramer::reset() {
  for (Unfinished& begun : unfinished_) begun.text.clear();
}

}  // namespace berth::activation
