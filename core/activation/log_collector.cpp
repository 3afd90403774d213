// SPDX-License-Identifier: Apache-2.0
#include "activation/log_collector.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/intrusive/list.hpp>
#include <unordered_map>
#include <utility>

#include "activation/log_appender.hpp"
#include "activation/log_reader.hpp"
#include "base/log.hpp"
#include "container/async_call.hpp"

namespace berth::activation {
namespace {
constexpr std::uint32_t kReadAttempts = 5;
constexpr std::chrono::milliseconds kFlushPoll{5};
constexpr std::chrono::milliseconds kPassOver{250};  // what has been written comes within it

template <LogReader::Hook LogReader::*Hook>
using ReaderList =
    boost::intrusive::list<LogReader,
                           boost::intrusive::member_hook<LogReader, LogReader::Hook, Hook>,
                           boost::intrusive::constant_time_size<false>>;
}  // namespace

struct LogCollector::Impl : std::enable_shared_from_this<LogCollector::Impl> {
  Impl(LogCollectorDependencies dependencies, LogCollectorOptions the_options)
      : with(dependencies),
        options(the_options),
        appender(std::make_shared<LogAppender>(with, options)),
        due_timer(with.io),
        sweep_timer(with.io),
        read_failures(with.metrics.counter("berth_logs_failed_reads_total",
                                           "Failed reads of containers' output")),
        confused(with.metrics.counter("berth_logs_lost_sentinels_total",
                                      "Activations whose sentinels did not come")) {}

  const LogCollectorDependencies with;
  const LogCollectorOptions options;
  const std::shared_ptr<LogAppender> appender;
  boost::asio::steady_timer due_timer;
  boost::asio::steady_timer sweep_timer;
  bool due_armed = false;
  bool sweep_armed = false;
  std::function<void(const std::string&)> unreadable;
  std::unordered_map<std::string, std::shared_ptr<LogReader>> readers;
  ReaderList<&LogReader::due_hook> due;          // to be read at the next tick
  ReaderList<&LogReader::running_hook> running;  // something runs there; oldest begin first
  boost::intrusive::list<LogParcel,
                         boost::intrusive::member_hook<LogParcel, decltype(LogParcel::open_hook),
                                                       &LogParcel::open_hook>,
                         boost::intrusive::constant_time_size<false>>
      open;  // begun, and not wholly appended; oldest first
  Counter& read_failures;
  Counter& confused;

  LogReader& reader_of(const std::string& id) {
    auto& slot = readers[id];
    if (!slot) slot = std::make_shared<LogReader>(id, *appender, with.clock, options);
    return *slot;
  }

  void make_due(LogReader& reader) {
    if (reader.reading || reader.due_hook.is_linked()) return;
    due.push_back(reader);
    if (std::exchange(due_armed, true)) return;
    due_timer.expires_after(options.delay);
    due_timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->due_armed = false;
      ReaderList<&LogReader::due_hook> now;
      now.swap(self->due);
      while (!now.empty()) {
        LogReader& next = now.front();
        now.pop_front();
        self->read(next);
      }
    });
  }

  // Long runs are read while they run, so that nobody has to keep all of their output.
  void arm_sweep() {
    if (running.empty() || std::exchange(sweep_armed, true)) return;
    sweep_timer.expires_after(options.sweep);
    sweep_timer.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      const auto self = weak.lock();
      if (error || !self) return;
      self->sweep_armed = false;
      const SteadyTime old = self->with.clock.steady_now() - self->options.sweep;
      ReaderList<&LogReader::running_hook> later;
      while (!self->running.empty() && self->running.front().begun_at() <= old) {
        LogReader& reader = self->running.front();
        self->running.pop_front();
        later.push_back(reader);
        self->read(reader);
      }
      self->running.splice(self->running.begin(), later);
      self->arm_sweep();
    });
  }

  void read(LogReader& reader) {
    if (reader.reading || reader.idle() || reader.lost_track()) return;
    reader.due_hook.unlink();
    reader.reading = true;
    const SteadyTime now = with.clock.steady_now();
    container::start_call(with.io,
                          with.factory.read_logs(reader.container_id(), reader.cursor,
                                                 options.read_bytes, now + reader.patience()),
                          [weak = weak_from_this(), keep = reader.shared_from_this(),
                           now](Result<plugin::LogBatch> batch) {
                            if (const auto self = weak.lock()) {
                              self->got(*keep, std::move(batch), now);
                            }
                          });
  }

  void got(LogReader& reader, Result<plugin::LogBatch> batch, SteadyTime issued_at) {
    reader.reading = false;
    bool more = false;
    bool read_something = false;
    if (batch) {
      reader.failures = 0;
      std::size_t bytes = 0;
      for (const plugin::LogRecord& record : batch->records) bytes += record.bytes.size();
      more = bytes >= options.read_bytes / 4;
      read_something = bytes > 0;
      reader.cursor = batch->next_cursor;
      reader.take(*batch, issued_at);
    } else {
      more = failed(reader, batch.error());
    }
    settle(reader);
    if (reader.idle()) return;
    const SteadyTime old = with.clock.steady_now() - options.sweep;
    reader.hand_over_running(old);
    if (more) {
      read(reader);
    } else if (reader.wanted() || (read_something && reader.begun_at() <= old)) {
      // A long run is read on as long as it prints; when it is silent, at the next sweep.
      make_due(reader);
    }
  }

  // Whether to read again at once.
  bool failed(LogReader& reader, const Status& why) {
    read_failures.add();
    log::debug("logs", "a container's output could not be read",
               {{"container", reader.container_id()}, {"reason", why.to_string()}});
    if (why.code() == StatusCode::kOutOfRange) {
      const bool had_place = !reader.cursor.empty();
      reader.lose_place();
      if (had_place) return true;
    }
    // An answer that came too late, as on a busy machine, says nothing of the container.
    if (why.code() == StatusCode::kDeadlineExceeded) return false;
    if (why.code() == StatusCode::kNotFound || ++reader.failures >= kReadAttempts) {
      reader.lose();
      reader.finish();
      tell_unreadable(reader);
    }
    return false;
  }

  static boost::asio::awaitable<void> pass_over(std::shared_ptr<Impl> self, std::string id) {
    const std::shared_ptr<LogReader> reader = self->reader_of(id).shared_from_this();
    for (;;) {
      const SteadyTime deadline = self->with.clock.steady_now() + kPassOver;
      Result<plugin::LogBatch> batch = co_await self->with.factory.read_logs(
          id, reader->cursor, self->options.read_bytes, deadline);
      if (!batch && batch.error().code() == StatusCode::kOutOfRange && !reader->cursor.empty()) {
        reader->cursor.clear();
        continue;
      }
      if (!batch) {
        self->tell_unreadable(*reader);
        co_return;
      }
      reader->cursor = batch->next_cursor;
      if (batch->records.empty()) co_return;
    }
  }

  void settle(LogReader& reader) {
    if (!reader.settle()) tell_unreadable(reader);
    update_running(reader);
  }

  void tell_unreadable(LogReader& reader) {
    if (std::exchange(reader.unreadable, true)) return;
    confused.add();
    log::info("logs", "the output of a container cannot be told apart any more",
              {{"container", reader.container_id()}});
    if (unreadable) unreadable(reader.container_id());
  }

  void update_running(LogReader& reader) {
    const bool runs = !reader.idle() && !reader.wanted();
    if (runs == reader.running_hook.is_linked()) return;
    if (runs) {
      running.push_back(reader);
      arm_sweep();
    } else {
      reader.running_hook.unlink();
    }
  }
};

LogCollector::LogCollector(LogCollectorDependencies dependencies, LogCollectorOptions options)
    : impl_(std::make_shared<Impl>(dependencies, options)) {}

LogCollector::~LogCollector() {
  impl_->due_timer.cancel();
  impl_->sweep_timer.cancel();
}

void LogCollector::on_unreadable(std::function<void(const std::string&)> handler) {
  impl_->unreadable = std::move(handler);
}

LogCollector::Ticket LogCollector::begin(plugin::ActivationRef activation,
                                         std::uint64_t limit_bytes, bool sentinelled,
                                         std::shared_ptr<void> hold) {
  if (limit_bytes == 0 || impl_->with.store.out_of_band()) return nullptr;
  auto entry = std::make_shared<Entry>();
  entry->parcel = std::make_shared<LogParcel>();
  entry->parcel->activation = std::move(activation);
  impl_->open.push_back(*entry->parcel);
  entry->hold = std::move(hold);
  entry->limit_bytes = limit_bytes;
  entry->sentinelled = sentinelled;
  entry->begun_at = impl_->with.clock.steady_now();
  entry->begin_ns = impl_->with.clock.wall_now().time_since_epoch().count();
  LogReader& reader = impl_->reader_of(entry->parcel->activation.container_id);
  reader.begin(entry);
  impl_->update_running(reader);
  return entry;
}

void LogCollector::end(const Ticket& ticket, std::int64_t start_ms, std::int64_t end_ms,
                       LogEnd how) {
  if (!ticket || ticket->ended) return;
  ticket->ended = true;
  ticket->ended_at = impl_->with.clock.steady_now();
  ticket->how = how;
  ticket->parcel->ended_at = ticket->ended_at;
  ticket->parcel->activation.start_ms = start_ms;
  ticket->parcel->activation.end_ms = end_ms;
  if (ticket->reader == nullptr) {
    // Its container is gone: no more will come.
    if (ticket->complete) return;
    ticket->complete = true;
    ticket->parcel->final = true;
    impl_->appender->push(ticket->parcel);
    return;
  }
  LogReader& reader = *ticket->reader;
  impl_->settle(reader);
  if (reader.wanted()) impl_->make_due(reader);
}

void LogCollector::cancel(const Ticket& ticket) {
  if (!ticket) return;
  ticket->parcel->open_hook.unlink();
  if (ticket->reader == nullptr) return;
  LogReader& reader = *ticket->reader;
  reader.cancel(ticket);
  impl_->update_running(reader);
}

boost::asio::awaitable<void> LogCollector::pass_over(std::vector<std::string> container_ids) {
  const std::shared_ptr<Impl> impl = impl_;
  if (impl->with.store.out_of_band()) co_return;
  // All at once: the last read of each waits for output that does not come.
  const auto left = std::make_shared<std::size_t>(container_ids.size());
  const auto done = std::make_shared<boost::asio::steady_timer>(impl->with.io, SteadyTime::max());
  for (const std::string& id : container_ids) {
    const auto over = [left, done](std::exception_ptr) {
      if (--*left == 0) done->cancel();
    };
    boost::asio::co_spawn(impl->with.io, Impl::pass_over(impl, id), over);
  }
  boost::system::error_code woken;
  while (*left > 0) {
    co_await done->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
  }
}

void LogCollector::forget(const std::string& container_id) {
  const auto found = impl_->readers.find(container_id);
  if (found == impl_->readers.end()) return;
  const std::shared_ptr<LogReader> reader = std::move(found->second);
  impl_->readers.erase(found);
  reader->finish();
  reader->settle();
  reader->abandon();
  reader->due_hook.unlink();
  reader->running_hook.unlink();
}

boost::asio::awaitable<void> LogCollector::flush(SteadyTime deadline) {
  const std::shared_ptr<Impl> impl = impl_;
  boost::asio::steady_timer timer(impl->with.io);
  while (pending() > 0 && impl->with.clock.steady_now() < deadline) {
    timer.expires_after(kFlushPoll);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

std::size_t LogCollector::pending() const {
  std::size_t count = impl_->appender->pending();
  for (const auto& [id, reader] : impl_->readers) {
    if (reader->wanted()) ++count;
  }
  return count;
}

bool LogCollector::pending(std::string_view activation_id) const {
  return std::any_of(impl_->open.begin(), impl_->open.end(), [&](const LogParcel& parcel) {
    return parcel.activation.activation_id == activation_id;
  });
}

}  // namespace berth::activation
