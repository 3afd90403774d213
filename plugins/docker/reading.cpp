// SPDX-License-Identifier: Apache-2.0
// read_logs: from the engine's json-file where it can be read, else from its logs endpoint.
#include <algorithm>
#include <charconv>

#include "docker/docker_factory.hpp"
#include "docker/multiplexed.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
namespace http = support::http;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// So long before the host's deadline an empty answer is given.
constexpr milliseconds kReadAhead{5};
// The endpoint sends what there is piece by piece: the last piece is the one that is followed by
// so much silence.
constexpr milliseconds kSilence{10};
// Where a directory cannot be watched, it is looked at.
constexpr milliseconds kLook{50};

// A place in the endpoint's stream: so many records of one time have been read.
struct TimeCursor {
  std::int64_t time_ns = 0;
  std::uint64_t records = 0;

  std::string text() const {
    return time_ns == 0 ? "" : "t" + std::to_string(time_ns) + "." + std::to_string(records);
  }
  static bool parse(std::string_view text, TimeCursor& cursor) {
    cursor = {};
    if (text.empty()) return true;
    if (text[0] != 't') return false;
    const char* end = text.data() + text.size();
    const auto time = std::from_chars(text.data() + 1, end, cursor.time_ns);
    if (time.ec != std::errc{} || time.ptr == end || *time.ptr != '.') return false;
    const auto records = std::from_chars(time.ptr + 1, end, cursor.records);
    return records.ec == std::errc{} && records.ptr == end && cursor.time_ns > 0;
  }
};

SteadyTime answer_by(const sdk::Promise<sdk::LogBatch>& done) {
  return ahead_of(done.deadline(), kReadAhead);
}

sdk::Status no_cursor() {
  return sdk::invalid_argument("this is no cursor of the docker plugin's");
}

}  // namespace

void DockerFactory::read_logs(std::string_view id, std::string_view cursor, std::uint64_t max_bytes,
                              sdk::Promise<sdk::LogBatch> done) {
  loop_.post([this, id = std::string(id), cursor = std::string(cursor), max_bytes,
              done = std::move(done)]() mutable {
    const ContainerPtr container = find(id);
    if (container == nullptr) return done.fail(sdk::not_found("no container " + id));
    spawn(run_read(container, std::move(cursor), max_bytes, std::move(done)));
  });
}

std::string DockerFactory::log_directory(const Container& container) const {
  return info_.root_directory + "/containers/" + container.id;
}

asio::awaitable<void> DockerFactory::run_read(ContainerPtr container, std::string cursor,
                                              std::uint64_t max_bytes,
                                              sdk::Promise<sdk::LogBatch> done) {
  const std::uint64_t operation = done.id();
  const auto signal = std::make_shared<Signal>(loop_.context());
  reads_.emplace(operation, signal);
  container->readers.emplace(operation, signal);
  const bool by_file =
      files_reachable_ && container->log_driver == "json-file" && !cursor.starts_with('t');
  if (by_file) {
    co_await read_file(container, std::move(cursor), max_bytes, std::move(done));
  } else {
    co_await read_endpoint(container, std::move(cursor), max_bytes, std::move(done));
  }
  container->readers.erase(operation);
  reads_.erase(operation);
}

asio::awaitable<void> DockerFactory::read_file(ContainerPtr container, std::string cursor,
                                               std::uint64_t max_bytes,
                                               sdk::Promise<sdk::LogBatch> done) {
  FileCursor place;
  if (!FileCursor::parse(cursor, place)) co_return done.fail(no_cursor());
  const auto signal = reads_.at(done.id());
  const SteadyTime deadline = answer_by(done);
  const std::string directory = log_directory(*container);
  if (container->log_file == nullptr) {
    container->log_file =
        std::make_unique<JsonLogFile>(directory + "/" + container->id + "-json.log");
  }
  int watch = -1;
  bool watching = false;
  sdk::LogBatch batch;
  sdk::Status status;
  while (true) {
    // In this order: what is written after the look at the death or the watch is seen.
    const bool over = container->death.has_value();
    status = container->log_file->read(place, max_bytes, batch);
    if (status.code() == sdk::StatusCode::kNotFound) {
      // Not written to yet, or removed.
      status = sdk::Status();
      if (containers_.count(container->id) == 0) batch.ended = true;
    }
    if (!status.ok() || !batch.empty() || batch.ended) break;
    if (over || containers_.count(container->id) == 0) {
      batch.ended = true;
      break;
    }
    if (stopped_ || Clock::now() >= deadline) break;
    if (!watching) {
      watching = true;
      watch = inotify_.add(directory, [signal] { signal->raise(); });
      continue;
    }
    const SteadyTime until = watch < 0 ? std::min(deadline, Clock::now() + kLook) : deadline;
    const bool raised = co_await signal->wait(until);
    // Cancelled: there is nothing to wait for.
    if (raised && reads_.count(done.id()) == 0) break;
  }
  inotify_.remove(watch);
  if (!status.ok()) co_return done.fail(status);
  batch.next_cursor = place.text();
  done.ok(std::move(batch));
}

asio::awaitable<void> DockerFactory::read_endpoint(ContainerPtr container, std::string cursor,
                                                   std::uint64_t max_bytes,
                                                   sdk::Promise<sdk::LogBatch> done) {
  struct Reading {
    sdk::LogBatch batch;
    TimeCursor place;
    std::uint64_t skip = 0;  // records of `place`'s time that were read before
    std::uint64_t limit = 0;
    bool full = false;
    bool ended = false;
    http::Reply reply;
  };
  const auto reading = std::make_shared<Reading>();
  if (!TimeCursor::parse(cursor, reading->place)) co_return done.fail(no_cursor());
  reading->skip = reading->place.records;
  reading->limit = max_bytes;
  const auto signal = reads_.at(done.id());
  const SteadyTime deadline = answer_by(done);

  const auto decoder = std::make_shared<FrameDecoder>([reading](const LogRecord& record) {
    Reading& r = *reading;
    if (record.time_ns < r.place.time_ns) return;
    if (record.time_ns == r.place.time_ns && r.skip > 0) {
      --r.skip;
      return;
    }
    if (r.full) return;
    r.batch.add(record.stream == 2 ? sdk::Stream::kStderr : sdk::Stream::kStdout, record.time_ns,
                record.text, record.partial ? BERTH_LOG_PARTIAL_LINE : 0u);
    if (record.time_ns == r.place.time_ns) {
      ++r.place.records;
    } else {
      r.place = {record.time_ns, 1};
      r.skip = 0;
    }
    r.full = r.batch.bytes() >= r.limit;
  });
  http::Request request;
  std::string path =
      "/containers/" + container->id + "/logs?follow=1&stdout=1&stderr=1&timestamps=1";
  if (reading->place.time_ns > 0) {
    char since[48];
    std::snprintf(since, sizeof since, "&since=%lld.%09lld",
                  static_cast<long long>(reading->place.time_ns / 1'000'000'000),
                  static_cast<long long>(reading->place.time_ns % 1'000'000'000));
    path += since;
  }
  request.target = engine_.target(path);
  request.timeout = milliseconds(0);
  request.on_data = [decoder, signal, reading](std::string_view bytes) {
    const bool good = decoder->feed(bytes);
    signal->raise();
    return good && !reading->full;
  };
  const std::uint64_t exchange =
      engine_.client().send(std::move(request), [reading, signal](http::Reply reply) {
        reading->ended = true;
        reading->reply = std::move(reply);
        signal->raise();
      });
  while (!reading->ended && !reading->full) {
    const bool some = !reading->batch.empty();
    const SteadyTime until = some ? std::min(deadline, Clock::now() + kSilence) : deadline;
    const bool raised = co_await signal->wait(until);
    if (!raised || stopped_ || reads_.count(done.id()) == 0) break;
  }
  engine_.client().cancel(exchange);
  sdk::LogBatch batch = std::move(reading->batch);
  batch.next_cursor = reading->place.text();
  if (reading->ended && !reading->full && batch.empty()) {
    const http::Reply& reply = reading->reply;
    if (reply.status.ok() && reply.response.code / 100 != 2) {
      co_return done.fail(
          status_of({reply.response.code, reply.response.body}, "reading a container's log"));
    }
    if (reply.status.ok()) {
      batch.ended = true;
    } else if (reply.status.code() == sdk::StatusCode::kCancelled) {
      co_return done.fail(sdk::data_loss("the engine's log stream makes no sense"));
    } else {
      co_return done.fail(reply.status);
    }
  }
  done.ok(std::move(batch));
}

}  // namespace berth::docker
