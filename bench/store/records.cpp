// SPDX-License-Identifier: Apache-2.0
#include "records.hpp"

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <chrono>
#include <functional>
#include <optional>
#include <random>
#include <stdexcept>
#include <thread>

#include "base/ids.hpp"

namespace berth::bench {
namespace {

namespace asio = boost::asio;

constexpr int kReads = 300;
constexpr int kCounts = 9;
constexpr std::int64_t kFirstMs = 1'700'000'000'000;  // the start of the first record

entity::Activation make_record(std::size_t number) {
  entity::Activation record;
  record.activation_id = new_activation_id();
  record.namespace_name = "space" + std::to_string(number % 10);
  record.namespace_uuid = std::string(36, 'u');
  record.subject = record.namespace_name;
  record.name = "action" + std::to_string(number % 70);
  record.version = "0.0.1";
  record.path = record.namespace_name + "/" + record.name;
  record.start_ms = kFirstMs + static_cast<std::int64_t>(number);
  record.end_ms = record.start_ms + 5;
  record.duration_ms = 5;
  record.result = R"({"greeting":"Hello, World"})";
  record.size = record.result.size();
  record.annotations =
      R"([{"key":"limits","value":{"concurrency":1,"logs":10,"memory":256,"timeout":60000}},)"
      R"({"key":"path","value":"guest/hello"},{"key":"kind","value":"python:3.11"},)"
      R"({"key":"timeout","value":false},{"key":"waitTime","value":3}])";
  return record;
}

template <typename T>
Result<T> await(const std::function<void(store::Executor, store::Done<T>)>& start) {
  asio::io_context io{1};
  std::optional<Result<T>> answer;
  start(io.get_executor(), [&](Result<T> result) { answer = std::move(result); });
  io.run();
  return std::move(*answer);
}

}  // namespace

SomeIds fill(store::ActivationStore& records, std::size_t count) {
  SomeIds some;
  const std::size_t step = std::max<std::size_t>(count / 5000, 1);
  for (std::size_t i = 0; i < count; ++i) {
    entity::Activation record = make_record(i);
    if (i % step == 0) some.emplace_back(record.namespace_name, record.activation_id);
    records.put_later(std::move(record));
    if (i % 20'000 == 19'999) {
      (void)await<void>([&](store::Executor on, auto done) { records.flush(on, done); });
    }
  }
  (void)await<void>([&](store::Executor on, auto done) { records.flush(on, done); });
  return some;
}

namespace {

double timed_us(const std::function<bool()>& call) {
  const auto begun = std::chrono::steady_clock::now();
  if (!call()) throw std::runtime_error("a read failed");
  return std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - begun)
      .count();
}

bool list(store::ActivationStore& records, store::ActivationQuery query) {
  query.summaries = true;
  const auto found = await<std::vector<entity::Activation>>(
      [&](store::Executor on, auto done) { records.list(on, query, std::move(done)); });
  return found && found->size() == 30;
}

bool counts(store::ActivationStore& records, const store::ActivationQuery& query) {
  const auto found = await<std::int64_t>(
      [&](store::Executor on, auto done) { records.count(on, query, std::move(done)); });
  return found && *found > 0;
}

// Its wall time stands still.
class StandingClock final : public Clock {
 public:
  explicit StandingClock(std::int64_t wall_ms) : wall_(std::chrono::milliseconds(wall_ms)) {}
  SteadyTime steady_now() const override { return std::chrono::steady_clock::now(); }
  WallTime wall_now() const override { return wall_; }

 private:
  const WallTime wall_;
};

}  // namespace

Reads read(store::ActivationStore& records, std::size_t count, const SomeIds& ids) {
  std::mt19937 random(1);
  Reads reads;
  for (int i = 0; i < kReads; ++i) {
    const auto& [space, id] = ids[random() % ids.size()];
    reads.get_us.push_back(timed_us([&] {
      return await<entity::Activation>(
                 [&, &space = space, &id = id](store::Executor on, auto done) {
                   records.get(on, space, id, std::move(done));
                 })
          .has_value();
    }));
    reads.list_us.push_back(timed_us([&] { return list(records, {.namespace_name = "space3"}); }));
    reads.by_name_us.push_back(
        timed_us([&] { return list(records, {.namespace_name = "space3", .name = "action13"}); }));
    reads.deep_us.push_back(timed_us([&] {
      return list(records, {.namespace_name = "space3",
                            .upto_ms = kFirstMs + static_cast<std::int64_t>(count / 2)});
    }));
    reads.recent_us.push_back(timed_us([&] {
      return counts(records, {.namespace_name = "space3",
                              .since_ms = kFirstMs + static_cast<std::int64_t>(count) - 1000});
    }));
  }
  for (int i = 0; i < kCounts; ++i) {
    reads.count_us.push_back(
        timed_us([&] { return counts(records, {.namespace_name = "space3"}); }));
  }
  return reads;
}

double expire(const std::filesystem::path& file) {
  constexpr std::int64_t kExpired = 10'000;
  constexpr std::int64_t kAgeMs = 3'600'000;
  const StandingClock clock(kFirstMs + kExpired + kAgeMs);
  store::SqliteStore::Options options;
  options.clock = &clock;
  options.retention.max_age_ms = kAgeMs;
  options.retention.check_every = std::chrono::milliseconds(1);
  const auto begun = std::chrono::steady_clock::now();
  auto store = store::SqliteStore::open(file, options);
  if (!store) throw std::runtime_error(store.error().to_string());
  const store::ActivationQuery oldest{.namespace_name = "space9",
                                      .upto_ms = kFirstMs + kExpired - 1};
  while (counts((*store)->activations(), oldest)) {
    if (std::chrono::steady_clock::now() - begun > std::chrono::minutes(5)) {
      throw std::runtime_error("what has expired is not deleted");
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
  return static_cast<double>(kExpired) / took.count();
}

}  // namespace berth::bench
