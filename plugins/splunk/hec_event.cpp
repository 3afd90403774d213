// SPDX-License-Identifier: Apache-2.0
#include "hec_event.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/stream_parser.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <chrono>
#include <utility>

#include "support/json_text.hpp"

namespace berth::splunk {
namespace {

using support::append_json_string;
using support::append_number;

constexpr std::int64_t kSecond = 1'000'000'000;

void append_member(std::string& out, std::string_view key, std::string_view value) {
  out += ",\"";
  out += key;
  out += "\":";
  append_json_string(out, value);
}

// The largest length <= `length` at which no character is split.
std::size_t cut_at_character(std::string_view text, std::size_t length) {
  if (length >= text.size()) return text.size();
  std::size_t cut = length;
  while (cut > 0 && length - cut < 4 && (static_cast<unsigned char>(text[cut]) & 0xc0) == 0x80) {
    --cut;
  }
  return cut == 0 || length - cut == 4 ? length : cut;
}

// What stands before and after the parts that differ from line to line.
struct Frame {
  std::string middle;  // from the time on to the event
  std::string whose;   // within the event
};

Frame make_frame(const Settings& settings, const sdk::ActivationRefView& activation) {
  Frame frame;
  append_member(frame.middle, "host", settings.host);
  append_member(frame.middle, "source", settings.source);
  append_member(frame.middle, "sourcetype", settings.sourcetype);
  append_member(frame.middle, "index", settings.index);
  frame.middle += ",\"event\":{\"" + settings.fields.time + "\":\"";
  append_member(frame.whose, settings.fields.namespace_name, activation.namespace_name);
  append_member(frame.whose, settings.fields.activation_id, activation.activation_id);
  append_member(frame.whose, "action", activation.action);
  append_member(frame.whose, "namespaceId", activation.namespace_id);
  frame.whose += ",\"sequence\":";
  return frame;
}

// Up to the sequence's number.
void begin_event(std::string& out, const Settings& settings, const Frame& frame,
                 std::int64_t time_ns, sdk::Stream stream) {
  out += "{\"time\":";
  append_number(out, static_cast<std::uint64_t>(std::max<std::int64_t>(time_ns / kSecond, 0)));
  out += '.';
  support::append_digits(
      out, static_cast<std::uint64_t>(std::max<std::int64_t>(time_ns % kSecond, 0)), 9);
  out += frame.middle;
  support::append_time(out, time_ns);
  out += "\",\"";
  out += settings.fields.stream;
  out += stream == sdk::Stream::kStderr ? "\":\"stderr\"" : "\":\"stdout\"";
  out += frame.whose;
}

std::uint64_t number_of(const boost::json::object& object, std::string_view key,
                        std::uint64_t otherwise) {
  const auto* value = object.if_contains(key);
  if (value == nullptr) return otherwise;
  if (const auto* number = value->if_int64(); number != nullptr && *number >= 0) {
    return static_cast<std::uint64_t>(*number);
  }
  return otherwise;
}

std::string text_of(const boost::json::object& object, std::string_view key) {
  const auto* value = object.if_contains(key);
  const auto* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

}  // namespace

std::string format_events(const Settings& settings, const sdk::ActivationRefView& activation,
                          sdk::LogLinesView lines, bool final, std::int64_t now_ns) {
  const Frame frame = make_frame(settings, activation);
  std::string out;
  std::size_t size = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::size_t events = 1 + lines[i].text.size() / settings.max_event_bytes;
    size += lines[i].text.size() + events * (frame.middle.size() + frame.whose.size() + 180);
  }
  out.reserve(size + 512);
  if (lines.empty() && final) {
    begin_event(out, settings, frame, now_ns, sdk::Stream::kStdout);
    append_number(out, kEnd);
    out += ",\"final\":true}}";
  }
  std::vector<std::string_view> parts;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const sdk::LogLineView line = lines[i];
    const bool last = final && i + 1 == lines.size();
    std::string_view rest = line.text;
    const std::size_t step = settings.max_event_bytes;
    parts.clear();
    while (rest.size() > step) {
      const std::size_t cut = cut_at_character(rest, step);
      parts.push_back(rest.substr(0, cut));
      rest.remove_prefix(cut);
    }
    parts.push_back(rest);
    for (std::size_t part = 0; part < parts.size(); ++part) {
      begin_event(out, settings, frame, line.time_ns, line.stream);
      append_number(out, line.sequence);
      if (parts.size() > 1) {
        out += ",\"part\":";
        append_number(out, part);
        out += ",\"parts\":";
        append_number(out, parts.size());
      }
      if (last) out += ",\"final\":true";
      out += ",\"";
      out += settings.fields.message;
      out += "\":";
      append_json_string(out, parts[part]);
      out += "}}";
    }
  }
  return out;
}

std::vector<Piece> parse_events(const Settings& settings, std::string_view events,
                                std::string_view namespace_name) {
  std::vector<Piece> pieces;
  while (!events.empty()) {
    boost::json::stream_parser parser;
    boost::system::error_code error;
    const std::size_t used = parser.write_some(events.data(), events.size(), error);
    if (error || !parser.done()) break;
    events.remove_prefix(used);
    const boost::json::value value = parser.release();
    const auto* whole = value.if_object();
    const auto* inner = whole != nullptr ? whole->if_contains("event") : nullptr;
    const auto* event = inner != nullptr ? inner->if_object() : nullptr;
    if (event == nullptr) break;
    if (text_of(*event, settings.fields.namespace_name) != namespace_name) continue;
    Piece piece;
    piece.sequence = number_of(*event, "sequence", kEnd);
    piece.part = static_cast<std::uint32_t>(number_of(*event, "part", 0));
    piece.parts = static_cast<std::uint32_t>(number_of(*event, "parts", 1));
    piece.final = event->contains("final");
    piece.stream = text_of(*event, settings.fields.stream) == "stderr" ? sdk::Stream::kStderr
                                                                       : sdk::Stream::kStdout;
    piece.time_ns = parse_time(text_of(*event, settings.fields.time));
    piece.text = text_of(*event, settings.fields.message);
    pieces.push_back(std::move(piece));
  }
  return pieces;
}

std::int64_t parse_time(std::string_view text) {
  // "2026-01-02T03:04:05[.digits]Z"
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text.size() < kShape.size()) return 0;
  int parts[6] = {};
  constexpr std::size_t kAt[6][2] = {{0, 4}, {5, 2}, {8, 2}, {11, 2}, {14, 2}, {17, 2}};
  for (std::size_t i = 0; i < 6; ++i) {
    const char* const begin = text.data() + kAt[i][0];
    const char* const end = begin + kAt[i][1];
    const auto [stop, error] = std::from_chars(begin, end, parts[i]);
    if (error != std::errc() || stop != end || parts[i] < 0) return 0;
  }
  using namespace std::chrono;
  const year_month_day date{year(parts[0]), month(static_cast<unsigned>(parts[1])),
                            day(static_cast<unsigned>(parts[2]))};
  // Years that nanoseconds in 64 bits can hold.
  if (!date.ok() || parts[0] < 1678 || parts[0] > 2261) return 0;
  std::int64_t fraction = 0;
  if (text.size() > kShape.size() && text[kShape.size()] == '.') {
    std::int64_t scale = kSecond / 10;
    for (std::size_t i = kShape.size() + 1; i < text.size() && scale > 0; ++i, scale /= 10) {
      if (text[i] < '0' || text[i] > '9') break;
      fraction += (text[i] - '0') * scale;
    }
  }
  const auto time =
      sys_days(date).time_since_epoch() + hours(parts[3]) + minutes(parts[4]) + seconds(parts[5]);
  return nanoseconds(time).count() + fraction;
}

void Assembly::add(Piece piece) {
  known_ = true;
  if (piece.final) {
    final_ = true;
    if (piece.sequence != kEnd) {
      end_known_ = true;
      end_ = piece.sequence + 1;
    }
  }
  if (piece.sequence == kEnd || piece.sequence < first_ || piece.parts == 0 ||
      piece.part >= piece.parts) {
    return;
  }
  Line& line = lines_[piece.sequence];
  // Of two shapes of one line the first wins: they cannot be joined.
  if (!line.parts.empty() && line.parts.begin()->second.parts != piece.parts) return;
  line.parts.try_emplace(piece.part, std::move(piece));
}

bool Assembly::complete() const {
  if (!final_) return false;
  std::uint64_t expected = first_;
  for (const auto& [sequence, line] : lines_) {
    if (sequence != expected || !line.whole()) return false;
    ++expected;
  }
  return !end_known_ || expected >= end_ || first_ >= end_;
}

bool Assembly::front_is_torn() const {
  return !lines_.empty() && !lines_.begin()->second.whole();
}

std::size_t Assembly::Line::bytes() const {
  std::size_t sum = 0;
  for (const auto& [part, piece] : parts) sum += piece.text.size();
  return sum;
}

void Assembly::Line::add_to(sdk::LogPage& page, std::uint64_t sequence) const {
  const Piece& first = parts.begin()->second;
  if (parts.size() == 1) return page.add(first.stream, first.time_ns, sequence, first.text);
  std::string text;
  text.reserve(bytes());
  for (const auto& [part, piece] : parts) text += piece.text;
  page.add(first.stream, first.time_ns, sequence, text);
}

bool Assembly::gap() const {
  std::uint64_t expected = first_;
  for (const auto& [sequence, line] : lines_) {
    if (sequence != expected || !line.whole()) return true;
    ++expected;
  }
  return end_known_ && expected < end_;
}

sdk::LogPage Assembly::tail(std::uint64_t max_bytes) const {
  sdk::LogPage page;
  std::uint64_t expected = first_;
  auto at = lines_.begin();
  for (; at != lines_.end(); ++at, ++expected) {
    const auto& [sequence, line] = *at;
    if (sequence != expected || !line.whole()) break;
    if (!page.empty() && page.bytes() + line.bytes() > max_bytes) break;
    line.add_to(page, sequence);
  }
  const bool all = at == lines_.end() && final_ && (!end_known_ || expected >= end_);
  if (!all) page.next_cursor = std::to_string(expected);
  return page;
}

sdk::LogPage Assembly::page(std::uint64_t max_bytes, bool more, bool& partial) const {
  sdk::LogPage page;
  std::uint64_t expected = first_;
  for (const auto& [sequence, line] : lines_) {
    if (!line.whole()) {
      if (more && sequence == lines_.rbegin()->first) break;
      partial = true;
      continue;
    }
    if (!page.empty() && page.bytes() + line.bytes() > max_bytes) {
      page.next_cursor = std::to_string(expected);
      return page;
    }
    partial |= sequence != expected;
    line.add_to(page, sequence);
    expected = sequence + 1;
  }
  if (more && !page.empty()) page.next_cursor = std::to_string(expected);
  return page;
}

}  // namespace berth::splunk
