// SPDX-License-Identifier: Apache-2.0
// MesosFactory::read_logs: the files stdout and stderr of the task's sandbox, by its agent.
#include "mesos/reading.hpp"

#include <algorithm>
#include <charconv>

namespace berth::mesos {
namespace {

using Clock = std::chrono::steady_clock;

constexpr milliseconds kAnswerAhead{5};
constexpr milliseconds kFirstPause{10};
constexpr milliseconds kLongestPause{250};
constexpr std::uint64_t kPiece = 64u << 10;  // an agent gives no more
// A line longer than this is told in parts.
constexpr std::size_t kLongestLine = 16u << 10;
// An agent tells of nothing: every so many rounds without a byte the file's size is looked at.
constexpr unsigned kRotationRounds = 4;

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

std::string LogCursor::text() const {
  return "m" + std::to_string(offsets[0]) + "." + std::to_string(offsets[1]);
}

bool LogCursor::parse(std::string_view text, LogCursor& to) {
  if (text.empty() || text.front() != 'm') return false;
  const char* end = text.data() + text.size();
  const auto first = std::from_chars(text.data() + 1, end, to.offsets[0]);
  if (first.ec != std::errc{} || first.ptr == end || *first.ptr != '.') return false;
  const auto second = std::from_chars(first.ptr + 1, end, to.offsets[1]);
  return second.ec == std::errc{} && second.ptr == end;
}

const v1::StoredTask* MesosFactory::stored_of(const std::string& id, bool* ended) const {
  *ended = false;
  if (const Task* task = scheduler_.find(id)) return &task->stored;
  *ended = true;
  const auto it = dead_.find(id);
  return it == dead_.end() ? nullptr : &it->second.stored;
}

void MesosFactory::read_logs(std::string_view id, std::string_view cursor, std::uint64_t max_bytes,
                             sdk::Promise<sdk::LogBatch> done) {
  loop_.post([this, id = std::string(id), cursor = std::string(cursor), max_bytes,
              done = std::move(done)]() mutable {
    if (!config_.read_logs) {
      return done.fail(
          sdk::unimplemented("plugin.mesos.logs is none: use an out-of-band log store"));
    }
    bool ended = false;
    const v1::StoredTask* stored = stored_of(id, &ended);
    if (stored == nullptr || stored->address().empty()) {
      return done.fail(sdk::not_found("no container " + id));
    }
    auto reading = std::make_shared<Reading>(std::move(done), loop_.context());
    reading->id = id;
    if (cursor.empty()) {
      reading->cursor = {{stored->stdout_start(), stored->stderr_start()}};
    } else if (!LogCursor::parse(cursor, reading->cursor)) {
      return reading->done.fail(sdk::invalid_argument("this is no cursor of the mesos plugin's"));
    }
    reading->agent_url = stored->agent_url();
    reading->sandbox = AgentFiles::sandbox(scheduler_.framework_id(), id, *stored);
    reading->max_bytes = std::max<std::uint64_t>(max_bytes, 1);
    const SteadyTime deadline = reading->done.deadline();
    reading->deadline = deadline == SteadyTime::max() ? deadline : deadline - kAnswerAhead;
    if (reading->agent_url.empty()) {
      return reading->done.fail(
          sdk::failed_precondition("the master told no address of the agent"));
    }
    readings_.emplace(reading->done.id(), reading);
    read_once(reading);
  });
}

void MesosFactory::read_once(std::shared_ptr<Reading> reading) {
  if (!reading->done.pending()) return;
  // In this order: what is written after this look at the container's end is seen.
  bool ended = false;
  if (stored_of(reading->id, &ended) == nullptr) ended = true;
  reading->container_ended = ended;
  reading->wanted = 2;
  read_stream(reading, false);
  read_stream(reading, true);
}

void MesosFactory::read_stream(std::shared_ptr<Reading> reading, bool err) {
  const std::string name =
      std::string(err ? "/stderr" : "/stdout") + (reading->rotated[err] ? ".1" : "");
  files_.read(reading->agent_url, reading->sandbox + name, reading->cursor.offsets[err],
              std::min(kPiece, std::max<std::uint64_t>(reading->max_bytes, kLongestLine)),
              [this, reading, err](AgentFiles::Piece piece) {
                if (reading->done.pending()) on_piece(reading, err, std::move(piece));
              });
}

void MesosFactory::on_piece(const std::shared_ptr<Reading>& reading, bool err,
                            AgentFiles::Piece piece) {
  if (reading->rotated[err] && (!piece.status.ok() || piece.data.empty())) {
    reading->rotated[err] = false;  // that was all of it: on with the new one
    reading->cursor.offsets[err] = 0;
    reading->more[err] = true;
  } else if (!piece.status.ok()) {
    if (piece.status.code() != sdk::StatusCode::kNotFound) reading->trouble = piece.status;
    reading->more[err] = false;
  } else {
    std::string_view rest = piece.data;
    const std::int64_t time = now_ns();
    const sdk::Stream stream = err ? sdk::Stream::kStderr : sdk::Stream::kStdout;
    reading->more[err] = false;
    while (!rest.empty() && reading->batch.bytes() < reading->max_bytes) {
      const std::size_t end = rest.find('\n');
      std::size_t taken = end == std::string_view::npos ? rest.size() : end + 1;
      std::uint32_t flags = BERTH_LOG_TIME_IS_OURS;
      std::string_view line = rest.substr(0, end);
      if (line.size() > kLongestLine) {
        line = line.substr(0, kLongestLine);
        taken = line.size();
        flags |= BERTH_LOG_PARTIAL_LINE;
      } else if (end == std::string_view::npos && !reading->container_ended) {
        break;  // its rest comes
      }
      reading->batch.add(stream, time, line, flags);
      reading->cursor.offsets[err] += taken;
      rest.remove_prefix(taken);
      reading->more[err] = true;
    }
  }
  if (--reading->wanted > 0) return;
  if (!reading->batch.empty()) return read_ended(reading);
  if (!reading->trouble.ok()) return read_ended(reading);
  if (reading->more[0] || reading->more[1]) return read_once(reading);
  if (reading->container_ended) {
    reading->batch.ended = true;
    return read_ended(reading);
  }
  if (Clock::now() >= reading->deadline) return read_ended(reading);
  if (++reading->rounds % kRotationRounds == 0) {
    check_rotation(reading, false);
    check_rotation(reading, true);
  }
  reading->pause = std::min(std::max(reading->pause * 2, kFirstPause), kLongestPause);
  reading->timer.expires_at(std::min(Clock::now() + reading->pause, reading->deadline));
  reading->timer.async_wait([this, reading](const boost::system::error_code& error) {
    if (!error) read_once(reading);
  });
}

// A file that has become shorter was renamed to ".1" and begun anew.
void MesosFactory::check_rotation(std::shared_ptr<Reading> reading, bool err) {
  if (reading->rotated[err]) return;
  const std::uint64_t offset = reading->cursor.offsets[err];
  files_.size(reading->agent_url, reading->sandbox + (err ? "/stderr" : "/stdout"),
              [reading, err, offset](AgentFiles::Piece piece) {
                const bool shorter = piece.status.ok() && piece.size < offset;
                if (shorter && reading->done.pending() && reading->cursor.offsets[err] == offset) {
                  reading->rotated[err] = true;
                }
              });
}

void MesosFactory::read_ended(const std::shared_ptr<Reading>& reading) {
  const std::shared_ptr<Reading> held = reading;
  if (!held->done.pending()) return;
  readings_.erase(held->done.id());
  held->timer.cancel();
  if (held->batch.empty() && !held->trouble.ok()) return held->done.fail(held->trouble);
  held->batch.next_cursor = held->cursor.text();
  held->done.ok(std::move(held->batch));
}

}  // namespace berth::mesos
