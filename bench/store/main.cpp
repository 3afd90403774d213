// SPDX-License-Identifier: Apache-2.0
// bench_store: the work queue beside bare SQLite, and reads of records in a small and a large
// store.
//
// Usage: bench_store --rounds N --records N [--directory DIR]
// Prints the array of {bench, metric, value, unit, reference, ratio} of `./dev bench`.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstdio>
#include <filesystem>
#include <random>
#include <stdexcept>
#include <stdlib.h>

#include "bare_sqlite.hpp"
#include "base/ids.hpp"
#include "store/sqlite_store.hpp"

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace berth;

constexpr int kCoroutines = 64;
constexpr std::size_t kRows = 20'000;  // of one round
constexpr int kReads = 300;
const std::string kArguments = R"({"name":"World","text":")" + std::string(200, 'x') + "\"}";

class Scratch {
 public:
  explicit Scratch(const fs::path& below) {
    std::string name = (below / "berth-bench-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("cannot make " + name);
    path = name;
  }
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
  fs::path path;
};

std::unique_ptr<store::SqliteStore> open(const fs::path& file, Metrics& metrics) {
  auto opened = store::SqliteStore::open(file, {.metrics = &metrics});
  if (!opened) throw std::runtime_error(opened.error().to_string());
  return std::move(*opened);
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

// ---- the work queue -----------------------------------------------------------------------------

asio::awaitable<void> enqueue_many(store::WorkStore& work, std::size_t& left) {
  const auto executor = co_await asio::this_coro::executor;
  while (left > 0) {
    --left;
    store::Work row;
    row.activation_id = new_activation_id();
    row.transaction_id = std::string(32, 't');
    row.namespace_name = row.subject = "guest";
    row.namespace_uuid = std::string(36, 'u');
    row.path = "guest/hello";
    row.received_ms = 1'700'000'000'000;
    row.arguments = kArguments;
    auto wait = asio::async_initiate<const asio::use_awaitable_t<>, void(bool)>(
        [&work, &row, executor](auto handler) {
          auto shared = std::make_shared<decltype(handler)>(std::move(handler));
          work.enqueue(executor, std::move(row), [shared](const Result<void>& stored) {
            std::move (*shared)(stored.has_value());
          });
        },
        asio::use_awaitable);
    const bool stored = co_await std::move(wait);
    if (!stored) throw std::runtime_error("a row was not stored");
  }
}

// The metric's count: groups written so far.
std::size_t commits(const Metrics& metrics) {
  const std::string text = metrics.text();
  const std::string name = "\nberth_store_commit_changes_count ";
  const std::size_t at = text.find(name);
  return at == std::string::npos ? 0 : std::stoul(text.substr(at + name.size()));
}

struct Round {
  double seconds = 0;
  std::size_t commits = 0;
};

Round enqueue_ours(const fs::path& file) {
  Metrics metrics;
  const auto store = open(file, metrics);
  asio::io_context io{1};
  std::size_t left = kRows;
  for (int i = 0; i < kCoroutines; ++i) {
    asio::co_spawn(io, enqueue_many(store->work(), left), [](std::exception_ptr failure) {
      if (failure) std::rethrow_exception(failure);
    });
  }
  const std::size_t before = commits(metrics);
  const auto begun = std::chrono::steady_clock::now();
  io.run();
  const auto time = std::chrono::steady_clock::now() - begun;
  return {std::chrono::duration<double>(time).count(), commits(metrics) - before};
}

// ---- records ------------------------------------------------------------------------------------

entity::Activation make_record(std::size_t number) {
  entity::Activation record;
  record.activation_id = new_activation_id();
  record.namespace_name = "space" + std::to_string(number % 10);
  record.namespace_uuid = std::string(36, 'u');
  record.subject = record.namespace_name;
  record.name = "action" + std::to_string(number % 70);
  record.version = "0.0.1";
  record.path = record.namespace_name + "/" + record.name;
  record.start_ms = 1'700'000'000'000 + static_cast<std::int64_t>(number);
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

// Puts `count` records and returns ids of some, spread over all.
std::vector<std::pair<std::string, std::string>> fill(store::ActivationStore& records,
                                                      std::size_t count) {
  std::vector<std::pair<std::string, std::string>> some;
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

struct Reads {
  std::vector<double> get_us;
  std::vector<double> list_us;
  std::vector<double> by_name_us;
  std::vector<double> deep_us;  // a list that begins in the middle, by time
};

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

Reads read(store::ActivationStore& records, std::size_t count,
           const std::vector<std::pair<std::string, std::string>>& ids) {
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
                            .upto_ms = 1'700'000'000'000 + static_cast<std::int64_t>(count / 2)});
    }));
  }
  return reads;
}

// ---- report -------------------------------------------------------------------------------------

class Report {
 public:
  Report() { std::printf("["); }
  ~Report() { std::printf("]\n"); }
  void add(const std::string& metric, double value, const char* unit, const std::string& reference,
           double ratio) {
    std::printf("%s\n{\"bench\":\"store\",\"metric\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",",
                comma_, metric.c_str(), value, unit);
    comma_ = ",";
    if (reference.empty()) {
      std::printf("\"reference\":null,\"ratio\":null}");
    } else {
      std::printf("\"reference\":\"%s\",\"ratio\":%.4f}", reference.c_str(), ratio);
    }
  }

 private:
  const char* comma_ = "";
};

void measure_queue(Report& report, const fs::path& directory, int rounds) {
  std::vector<double> ours;
  std::vector<double> bare;
  std::vector<double> ratios;
  std::vector<double> batches;
  for (int round = 0; round <= rounds; ++round) {
    const Scratch scratch(directory);
    const Round mine = enqueue_ours(scratch.path / "ours.db");
    const double floor =
        bench::insert_bare(scratch.path / "bare.db", kRows, mine.commits, kArguments);
    if (round == 0) continue;
    ours.push_back(kRows / mine.seconds);
    bare.push_back(kRows / floor);
    ratios.push_back(floor / mine.seconds);
    batches.push_back(static_cast<double>(kRows) / static_cast<double>(mine.commits));
  }
  report.add("enqueue_64", median(ours), "1/s",
             "a bare SQLite WAL loop with the same rows and transactions", median(ratios));
  report.add("bare_sqlite", median(bare), "1/s", "", 0);
  report.add("rows_a_commit", median(batches), "", "", 0);
}

void measure_reads(Report& report, const fs::path& directory, std::size_t records) {
  constexpr std::size_t kSmall = 10'000;
  const Scratch scratch(directory);
  Metrics metrics;
  const auto small = open(scratch.path / "small.db", metrics);
  const auto large = open(scratch.path / "large.db", metrics);
  const auto small_ids = fill(small->activations(), kSmall);
  const auto begun = std::chrono::steady_clock::now();
  const auto large_ids = fill(large->activations(), records);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  report.add("put_later", static_cast<double>(records) / seconds, "1/s", "", 0);
  Reads few = read(small->activations(), kSmall, small_ids);
  Reads many = read(large->activations(), records, large_ids);
  const std::string reference = "the same among " + std::to_string(kSmall) + " records";
  const auto add = [&](const std::string& name, const std::vector<double>& a,
                       const std::vector<double>& b) {
    report.add(name + "_p50", median(a), "us", reference, median(a) / median(b));
    report.add(name + "_p99", quantile(a, 0.99), "us", reference,
               quantile(a, 0.99) / quantile(b, 0.99));
  };
  report.add("records", static_cast<double>(records), "", "", 0);
  add("get", many.get_us, few.get_us);
  add("list", many.list_us, few.list_us);
  add("list_by_name", many.by_name_us, few.by_name_us);
  add("list_from_the_middle", many.deep_us, few.deep_us);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App program("The store beside bare SQLite", "bench_store");
  int rounds = 9;
  std::size_t records = 200'000;
  std::string directory = fs::temp_directory_path().string();
  program.add_option("--rounds", rounds, "rounds of the work queue");
  program.add_option("--records", records, "records in the large store")
      ->check(CLI::Range(20'000, 100'000'000));
  program.add_option("--directory", directory, "where the files are made: the disk to measure");
  CLI11_PARSE(program, argc, argv);
  try {
    Report report;
    measure_queue(report, directory, rounds);
    measure_reads(report, directory, records);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_store: %s\n", error.what());
    return 1;
  }
}
