// SPDX-License-Identifier: Apache-2.0
#include "activation/log_appender.hpp"

#include <utility>

#include "base/log.hpp"
#include "container/async_call.hpp"

namespace berth::activation {
namespace {
constexpr std::size_t kLineOverhead = 64;  // what a line costs besides its text
constexpr std::chrono::milliseconds kFirstRetry{100};
}  // namespace

LogAppender::LogAppender(LogCollectorDependencies dependencies, const LogCollectorOptions& options)
    : with_(dependencies),
      options_(options),
      dropped_lines_(
          with_.metrics.counter("berth_logs_dropped_lines_total",
                                "Log lines dropped because too many waited for the store")),
      failed_appends_(with_.metrics.counter("berth_logs_failed_appends_total",
                                            "Log batches the store refused")),
      lines_(with_.metrics.counter("berth_logs_lines_total", "Log lines of activations")),
      seconds_(with_.metrics.histogram("berth_activation_phase_seconds",
                                       "Time of activations by phase", {{"phase", "logs"}})) {}

void LogAppender::add(LogParcel& parcel, plugin::Stream stream, std::int64_t time_ns,
                      std::string text) {
  const std::size_t bytes = text.size() + kLineOverhead;
  if (pending_bytes_ + bytes > options_.max_pending_bytes) {
    parcel.lost = true;
    dropped_lines_.add();
    return;
  }
  pending_bytes_ += bytes;
  parcel.bytes += bytes;
  plugin::LogLine line;
  line.stream = stream;
  line.time_ns = time_ns;
  line.sequence = parcel.sequence++;
  line.text = std::move(text);
  parcel.lines.push_back(std::move(line));
}

void LogAppender::push(const std::shared_ptr<LogParcel>& parcel, bool now) {
  if (parcel->final && !std::exchange(parcel->done, true)) ++pending_;
  if (parcel->queued || parcel->busy) return;
  if (!parcel->final && parcel->bytes < options_.max_batch_bytes &&
      (!now || parcel->lines.empty())) {
    return;
  }
  if (queue_.size() >= options_.max_parcels) {
    // The store has stood still for long: this activation goes without logs.
    failed_appends_.add();
    pending_bytes_ -= parcel->bytes;
    parcel->bytes = 0;
    parcel->lines.clear();
    parcel->lost = true;
    if (parcel->final) {
      --pending_;
      parcel->open_hook.unlink();
    }
    return;
  }
  parcel->queued = true;
  queue_.push_back(parcel);
  start_next();
}

void LogAppender::start_next() {
  while (running_ < options_.max_appends && !queue_.empty()) {
    std::shared_ptr<LogParcel> parcel = std::move(queue_.front());
    queue_.pop_front();
    parcel->queued = false;
    append(std::move(parcel));
  }
}

void LogAppender::append(std::shared_ptr<LogParcel> parcel) {
  ++running_;
  parcel->busy = true;
  // As many lines as make a batch; nearly always all.
  std::size_t bytes = 0;
  std::size_t count = 0;
  while (count < parcel->lines.size() && (count == 0 || bytes < options_.max_batch_bytes)) {
    bytes += parcel->lines[count++].text.size() + kLineOverhead;
  }
  std::vector<plugin::LogLine> lines;
  if (count == parcel->lines.size()) {
    lines = std::exchange(parcel->lines, {});
  } else {
    const auto end = parcel->lines.begin() + static_cast<std::ptrdiff_t>(count);
    lines.assign(std::make_move_iterator(parcel->lines.begin()), std::make_move_iterator(end));
    parcel->lines.erase(parcel->lines.begin(), end);
  }
  parcel->bytes -= bytes;
  const bool final = parcel->final && parcel->lines.empty();
  lines_.add(static_cast<double>(lines.size()));
  send(std::move(parcel), std::move(lines), bytes, final, 1);
}

void LogAppender::send(std::shared_ptr<LogParcel> parcel, std::vector<plugin::LogLine> lines,
                       std::size_t bytes, bool final, std::uint32_t attempt) {
  // The lines are needed again only if the store says "later".
  std::vector<plugin::LogLine> copy;
  if (attempt < options_.append_attempts) copy = lines;
  auto operation = with_.store.append(parcel->activation, std::move(lines), final,
                                      with_.clock.steady_now() + options_.append_timeout);
  container::start_call(
      with_.io, std::move(operation),
      [weak = weak_from_this(), parcel, copy = std::move(copy), bytes, final,
       attempt](Result<void> result) mutable {
        const auto self = weak.lock();
        if (!self) return;
        if (result) return self->sent(parcel, bytes, final);
        if (result.error().retryable() && attempt < self->options_.append_attempts) {
          auto timer = std::make_shared<boost::asio::steady_timer>(self->with_.io);
          timer->expires_after(kFirstRetry * (1 << (attempt - 1)));
          timer->async_wait([weak, timer, parcel, copy = std::move(copy), bytes, final,
                             attempt](const boost::system::error_code&) mutable {
            if (const auto again = weak.lock()) {
              again->send(parcel, std::move(copy), bytes, final, attempt + 1);
            }
          });
          return;
        }
        self->failed_appends_.add();
        log::warn("logs", "the log store did not keep a batch",
                  {{"activation", parcel->activation.activation_id},
                   {"reason", result.error().to_string()}});
        self->sent(parcel, bytes, final);
      });
}

void LogAppender::sent(const std::shared_ptr<LogParcel>& parcel, std::size_t bytes, bool final) {
  --running_;
  pending_bytes_ -= bytes;
  parcel->busy = false;
  if (final) {
    --pending_;
    parcel->open_hook.unlink();
    seconds_.observe(
        std::chrono::duration<double>(with_.clock.steady_now() - parcel->ended_at).count());
  } else {
    push(parcel);
  }
  start_next();
}

}  // namespace berth::activation
