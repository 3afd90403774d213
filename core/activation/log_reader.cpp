// SPDX-License-Identifier: Apache-2.0
#include "activation/log_reader.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace berth::activation {
namespace {

using Entry = LogCollector::Entry;
using plugin::Stream;

constexpr std::size_t kStrayBytes = 64 * 1024;
constexpr std::string_view kLost =
    "There was an issue while collecting your logs. Data might be missing.";
constexpr std::string_view kDeveloperError =
    "The action did not initialize or run as expected. Log data might be missing.";

std::size_t index_of(Stream stream) {
  return stream == Stream::kStderr ? 1 : 0;
}

}  // namespace

LogReader::LogReader(std::string container_id, LogAppender& appender, const Clock& clock,
                     const LogCollectorOptions& options)
    : container_id_(std::move(container_id)),
      appender_(appender),
      clock_(clock),
      options_(options),
      framer_(options.max_line_bytes) {}

Entry* LogReader::at(std::size_t position) {
  return position >= first_ && position - first_ < entries_.size()
             ? entries_[position - first_].get()
             : nullptr;
}

void LogReader::begin(const Ticket& entry) {
  entries_.push_back(entry);
  entry->reader = this;
  for (Stray& stray : std::exchange(strays_, {})) {
    add(*entry, stray.stream, stray.time_ns, std::move(stray.text));
  }
  stray_bytes_ = 0;
}

void LogReader::cancel(const Ticket& entry) {
  if (entry->complete) return;
  entry->complete = true;
  entry->reader = nullptr;
  entry->hold.reset();
  const auto found = std::find(entries_.begin(), entries_.end(), entry);
  if (found == entries_.end()) return;
  const std::size_t position = first_ + static_cast<std::size_t>(found - entries_.begin());
  entries_.erase(found);
  for (std::size_t& place : position_) {
    if (place > position) --place;
  }
}

// Promised, or seen: then they are relied on from now on.
bool LogReader::has_sentinels(const Entry& entry) const {
  return entry.sentinelled || (sentinel_seen_[0] && sentinel_seen_[1]);
}

bool LogReader::waits_for_sentinel(const Entry& entry) const {
  return has_sentinels(entry) && entry.how == LogEnd::kNormal;
}

std::chrono::milliseconds LogReader::patience() const {
  if (entries_.empty() || !entries_.front()->ended || waits_for_sentinel(*entries_.front())) {
    return options_.poll;
  }
  return options_.quiet;
}

void LogReader::take(const plugin::LogBatch& batch, SteadyTime issued_at) {
  // Where several have begun, the output that is left does not tell whose sentinels are missing.
  if (std::exchange(reads_oldest_, false) && entries_.size() > 1) lost_track_ = true;
  if (batch.records.empty()) {
    quiet_ = true;
    quiet_since_ = issued_at;
  } else {
    quiet_ = false;
    last_output_ = clock_.steady_now();
  }
  for (const plugin::LogRecord& record : batch.records) framer_.feed(record, *this);
  if (batch.ended) over_ = true;
}

void LogReader::lose_place() {
  cursor.clear();
  reads_oldest_ = true;
  lose();
}

void LogReader::lose() {
  framer_.reset();
  if (Entry* entry = at(std::min(position_[0], position_[1]))) entry->parcel->lost = true;
}

void LogReader::finish() {
  over_ = true;
}

void LogReader::abandon() {
  for (const Ticket& entry : entries_) entry->reader = nullptr;
  entries_.clear();
}

void LogReader::on_line(Stream stream, std::int64_t time_ns, bool time_is_ours, std::string text) {
  if (lost_track_) return;
  std::size_t& position = position_[index_of(stream)];
  Entry* entry = at(position);
  // Without sentinels the time tells whose line it is, once the next one has begun.
  while (entry != nullptr && entry->ended && !has_sentinels(*entry) && !time_is_ours) {
    Entry* next = at(position + 1);
    if (next == nullptr || time_ns < next->begin_ns) break;
    entry = next;
    ++position;
  }
  if (entry != nullptr) {
    add(*entry, stream, time_ns, std::move(text));
    return;
  }
  stray_bytes_ += text.size() + 1;
  if (stray_bytes_ > kStrayBytes) return;
  strays_.push_back({stream, time_ns, std::move(text)});
}

void LogReader::on_sentinel(Stream stream) {
  if (lost_track_) return;
  sentinel_seen_[index_of(stream)] = true;
  std::size_t& position = position_[index_of(stream)];
  Entry* entry = at(position);
  // One that nobody waits for was printed by the function itself.
  if (entry == nullptr) return;
  entry->seen[index_of(stream)] = true;
  ++position;
}

void LogReader::add(Entry& entry, Stream stream, std::int64_t time_ns, std::string text) {
  if (entry.truncated || entry.complete) return;
  const std::uint64_t bytes = text.size() + 1;
  if (entry.used_bytes + bytes > entry.limit_bytes) {
    entry.truncated = true;
    say(entry,
        fmt::format(
            "Logs were truncated because the total bytes size exceeds the limit of {} bytes.",
            entry.limit_bytes));
    return;
  }
  entry.used_bytes += bytes;
  appender_.add(*entry.parcel, stream, time_ns, std::move(text));
  appender_.push(entry.parcel);
}

void LogReader::say(Entry& entry, std::string_view text) {
  const std::int64_t now = clock_.wall_now().time_since_epoch().count();
  appender_.add(*entry.parcel, Stream::kStderr, now, std::string(text));
}

void LogReader::complete(const Ticket& entry, bool lost) {
  // An unfinished line of a stream whose sentinel did not come belongs to it.
  for (const Stream stream : {Stream::kStdout, Stream::kStderr}) {
    std::size_t& position = position_[index_of(stream)];
    if (position > first_) continue;
    framer_.flush(stream, *this);
    position = std::max(position, first_ + 1);
  }
  if (lost || entry->parcel->lost) say(*entry, kLost);
  if (entry->how == LogEnd::kDeveloperError) say(*entry, kDeveloperError);
  entry->complete = true;
  entry->reader = nullptr;
  entry->hold.reset();
  entry->parcel->final = true;
  appender_.push(entry->parcel);
  entries_.pop_front();
  ++first_;
}

void LogReader::hand_over_running(SteadyTime old) {
  for (const Ticket& entry : entries_) {
    if (!entry->ended && !entry->complete && entry->begun_at <= old) {
      appender_.push(entry->parcel, true);
    }
  }
}

bool LogReader::settle() {
  while (wanted()) {
    const Ticket entry = entries_.front();
    if (lost_track_) {
      // Waiting for a sentinel would only keep the container, and its memory, from those that
      // queue.
      complete(entry, true);
      continue;
    }
    const bool all = entry->seen[0] && entry->seen[1];
    if (all) {
      complete(entry, false);
      continue;
    }
    const SteadyTime now = clock_.steady_now();
    if (over_) {
      complete(entry, waits_for_sentinel(*entry));
      continue;
    }
    if (waits_for_sentinel(*entry)) {
      if (now - std::max(entry->ended_at, last_output_) < options_.sentinel_wait) break;
      // From here on nobody can say which sentinel ends what.
      confused_ = true;
      complete(entry, true);
      continue;
    }
    // Somebody else's output has begun: this one's is over.
    const bool passed = position_[0] > first_ && position_[1] > first_;
    const bool was_quiet = quiet_ && quiet_since_ >= entry->ended_at;
    if (!passed && !was_quiet && now - entry->ended_at < options_.quiet_max) break;
    complete(entry, false);
  }
  return !confused_ && !lost_track_;
}

}  // namespace berth::activation
