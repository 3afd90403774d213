// SPDX-License-Identifier: Apache-2.0
#include "api/log_reader.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <exception>
#include <fmt/chrono.h>
#include <fmt/format.h>

#include "base/clock.hpp"
#include "base/log.hpp"

namespace berth::api {
namespace {

namespace asio = boost::asio;

constexpr std::uint64_t kPageBytes = 1024 * 1024;
// More than an action may log; a store that never ends its pages must not fill the memory.
constexpr std::size_t kMaxBytes = 64 * 1024 * 1024;
constexpr std::size_t kMaxPages = 10'000;
constexpr std::chrono::milliseconds kFirstPause{1};
constexpr std::chrono::milliseconds kLastPause{50};
constexpr std::string_view kLost = "Some log lines of this activation are missing.";

using Lines = Result<std::vector<std::string>>;

// Until the collector has handed all lines to the store, or the deadline passed.
asio::awaitable<void> wait_until_logged(LogSource source, std::string activation_id,
                                        SteadyTime deadline) {
  std::chrono::milliseconds pause = kFirstPause;
  asio::steady_timer timer(source.io);
  while (!*source.over && co_await source.intake.still_logging(activation_id) &&
         std::chrono::steady_clock::now() < deadline) {
    timer.expires_after(pause);
    co_await timer.async_wait(asio::use_awaitable);
    pause = std::min(pause * 2, kLastPause);
  }
}

asio::awaitable<Lines> fetch(LogSource source, plugin::ActivationRef activation,
                             SteadyTime wait_deadline, SteadyTime deadline) {
  co_await wait_until_logged(source, activation.activation_id, wait_deadline);
  std::vector<std::string> lines;
  std::string cursor;
  std::size_t bytes = 0;
  bool lost = false;
  for (std::size_t pages = 0;; ++pages) {
    if (*source.over) co_return sdk::unavailable("Berth is stopping");
    const Result<plugin::LogPage> page =
        co_await source.store.fetch(activation, std::move(cursor), kPageBytes, deadline);
    if (!page) {
      if (page.error().code() == StatusCode::kNotFound && lines.empty()) break;
      // A store that is not read from here says where the logs are: that is what a user wants.
      if (page.error().code() == StatusCode::kUnimplemented && lines.empty()) {
        co_return std::vector<std::string>{page.error().message()};
      }
      co_return page.error();
    }
    for (const plugin::LogLine& line : page->lines) {
      lines.push_back(format_log_line(line));
      bytes += lines.back().size();
    }
    lost |= page->partial;
    cursor = page->next_cursor;
    if (cursor.empty()) break;
    if (bytes > kMaxBytes || pages > kMaxPages) {
      lost = true;
      break;
    }
  }
  if (lost) {
    lines.push_back(format_log_line({.stream = plugin::Stream::kStderr,
                                     .time_ns = activation.end_ms * 1'000'000,
                                     .text = std::string(kLost)}));
  }
  co_return lines;
}

plugin::ActivationRef reference(const entity::Activation& activation) {
  return {.activation_id = activation.activation_id,
          .namespace_name = activation.namespace_name,
          .namespace_id = activation.namespace_uuid,
          .action = activation.path,
          .container_id = {},
          .start_ms = activation.start_ms,
          .end_ms = activation.end_ms};
}

asio::awaitable<std::vector<entity::Activation>> fetch_all(
    LogSource source, std::vector<entity::Activation> activations, SteadyTime wait_deadline,
    SteadyTime deadline) {
  std::size_t bytes = 0;
  for (entity::Activation& activation : activations) {
    if (!activation.logs.empty()) continue;
    if (std::chrono::steady_clock::now() >= deadline || bytes > kMaxBytes) break;
    plugin::ActivationRef ref = reference(activation);
    Lines lines = co_await fetch(source, std::move(ref), wait_deadline, deadline);
    if (!lines) continue;
    for (const std::string& line : *lines) bytes += line.size();
    activation.logs = std::move(*lines);
  }
  co_return activations;
}

std::string describe(const std::exception_ptr& failure) {
  try {
    std::rethrow_exception(failure);
  } catch (const std::exception& e) {
    return e.what();
  } catch (...) {
    return "unknown exception";
  }
}

}  // namespace

std::string format_log_line(const plugin::LogLine& line) {
  constexpr std::int64_t kSecond = 1'000'000'000;
  std::int64_t seconds = line.time_ns / kSecond;
  std::int64_t fraction = line.time_ns % kSecond;
  if (fraction < 0) {
    fraction += kSecond;
    --seconds;
  }
  std::string time =
      fmt::format("{:%Y-%m-%dT%H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(seconds)));
  if (fraction != 0) {
    std::string digits = fmt::format("{:09}", fraction);
    digits.erase(digits.find_last_not_of('0') + 1);
    time += '.' + digits;
  }
  time += 'Z';
  return fmt::format("{:<30} {}: {}", time,
                     line.stream == plugin::Stream::kStderr ? "stderr" : "stdout", line.text);
}

void read_logs(const LogSource& source, const entity::Activation& activation,
               std::chrono::milliseconds at_most, std::function<void(Lines)> done) {
  const SteadyTime now = std::chrono::steady_clock::now();
  asio::co_spawn(source.io, fetch(source, reference(activation), now + at_most / 2, now + at_most),
                 [done = std::move(done)](const std::exception_ptr& failure, Lines lines) {
                   if (failure) return done(sdk::internal(describe(failure)));
                   done(std::move(lines));
                 });
}

void follow_logs(const LogSource& source, plugin::ActivationRef activation, std::string cursor,
                 std::chrono::milliseconds at_most, std::function<void(Result<LogTail>)> done) {
  asio::co_spawn(source.io,
                 source.store.follow(std::move(activation), std::move(cursor), kPageBytes,
                                     std::chrono::steady_clock::now() + at_most),
                 [done = std::move(done)](const std::exception_ptr& failure,
                                          const Result<plugin::LogPage>& page) {
                   if (failure) return done(sdk::internal(describe(failure)));
                   if (!page) return done(page.error());
                   LogTail tail;
                   for (const plugin::LogLine& line : page->lines) {
                     tail.lines.push_back(format_log_line(line));
                   }
                   if (page->partial) tail.lines.emplace_back(kLost);
                   tail.cursor = page->next_cursor;
                   done(std::move(tail));
                 });
}

void add_logs(const LogSource& source, std::vector<entity::Activation> activations,
              std::chrono::milliseconds at_most,
              std::function<void(std::vector<entity::Activation>)> done) {
  const SteadyTime now = std::chrono::steady_clock::now();
  // Kept aside: a record without its logs is better than none.
  auto copy = activations;
  asio::co_spawn(
      source.io, fetch_all(source, std::move(activations), now + at_most / 2, now + at_most),
      [done = std::move(done), copy = std::move(copy)](
          const std::exception_ptr& failure, std::vector<entity::Activation> complete) mutable {
        if (failure) {
          log::error("api", "reading logs failed", {{"error", describe(failure)}});
          return done(std::move(copy));
        }
        done(std::move(complete));
      });
}

}  // namespace berth::api
