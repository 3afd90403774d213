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
#include <stdexcept>
#include <stdlib.h>

#include "bare_sqlite.hpp"
#include "base/ids.hpp"
#include "records.hpp"
#include "store/sqlite_store.hpp"

namespace {

namespace asio = boost::asio;
namespace fs = std::filesystem;
using namespace berth;

constexpr int kCoroutines = 64;
constexpr std::size_t kRows = 20'000;  // of one round
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
  auto small = open(scratch.path / "small.db", metrics);
  auto large = open(scratch.path / "large.db", metrics);
  const auto small_ids = bench::fill(small->activations(), kSmall);
  const auto begun = std::chrono::steady_clock::now();
  const auto large_ids = bench::fill(large->activations(), records);
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  report.add("put_later", static_cast<double>(records) / seconds, "1/s", "", 0);
  const bench::Reads few = bench::read(small->activations(), kSmall, small_ids);
  const bench::Reads many = bench::read(large->activations(), records, large_ids);
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
  add("count_of_the_newest", many.recent_us, few.recent_us);
  report.add("count_of_all_p50", median(many.count_us), "us", "", 0);
  small.reset();
  large.reset();
  const double of_few = bench::expire(scratch.path / "small.db");
  const double of_many = bench::expire(scratch.path / "large.db");
  report.add("expired", of_many, "1/s", reference, of_many / of_few);
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
