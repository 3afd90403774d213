// SPDX-License-Identifier: Apache-2.0
// bench_pool: what the container pool itself costs. Getting and giving back a warm container among
// 1 to 100,000; and a trace (a Zipf mix of actions, bursts) replayed against a factory whose
// containers take 200 ms to start, of 100 and of 10,000 actions beside the same of one. The world
// is simulated, so nothing but our own work takes time. Rounds are interleaved and the first is
// dropped. Prints a JSON array.
//
// Usage: bench_pool [ROUNDS]
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstdlib>
#include <fmt/format.h>
#include <functional>
#include <random>
#include <sys/resource.h>
#include <vector>

#include "acquire.hpp"
#include "base/log.hpp"
#include "noise.hpp"
#include "replay.hpp"
#include "saturated.hpp"

namespace {

using namespace berth;

constexpr std::size_t kOperations = 200'000;
constexpr std::size_t kActivations = 100'000;
constexpr double kPerSecond = 800;
constexpr const char* kReactive = R"([{"initialCount":1,"memory":"256 MB",
    "reactive":{"minCount":1,"maxCount":16,"ttl":"2 minutes","threshold":1,"increment":1}}])";

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

boost::json::object row(const std::string& metric, double value, const char* unit,
                        const char* reference = nullptr, double against = 0) {
  return {{"bench", "pool"},
          {"metric", metric},
          {"value", value},
          {"unit", unit},
          {"reference", reference ? boost::json::value(reference) : boost::json::value()},
          {"ratio", reference ? boost::json::value(value / against) : boost::json::value()}};
}

struct Acquire {
  const char* name;
  std::size_t containers;
  std::vector<double> pool;
  std::vector<double> floor;
};

struct Mix {
  const char* name;
  std::uint32_t actions;
  std::vector<double> rates;
  bench::Replay last;
};

double peak_memory_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;
}

int run(int rounds) {
  log::configure(log::Level::kError, log::Format::kLogfmt);
  std::vector<Acquire> acquires = {
      {"1", 1, {}, {}}, {"100", 100, {}, {}}, {"10k", 10'000, {}, {}}, {"100k", 100'000, {}, {}}};
  std::vector<Mix> mixes = {
      {"1_action", 1, {}, {}}, {"100_actions", 100, {}, {}}, {"10k_actions", 10'000, {}, {}}};
  // The same invocations at the same times: what differs is whose they are.
  const auto trace = bench::make_trace(10'000, kActivations, kPerSecond);
  std::vector<std::function<void(bool)>> arms;
  for (Acquire& arm : acquires) {
    arms.emplace_back([&arm](bool keep) {
      const bench::AcquireCost cost = bench::measure_acquire(arm.containers, kOperations);
      if (!keep) return;
      arm.pool.push_back(cost.pool_ns);
      arm.floor.push_back(cost.floor_ns);
    });
  }
  for (Mix& arm : mixes) {
    arms.emplace_back([&arm, &trace](bool keep) {
      arm.last = bench::replay(trace, arm.actions, {});
      if (keep) arm.rates.push_back(arm.last.activations_per_cpu_second);
    });
  }
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round <= rounds; ++round) {
    std::shuffle(arms.begin(), arms.end(), random);
    for (const auto& arm : arms) arm(round > 0);
  }

  boost::json::array rows;
  const double one = median(acquires[0].pool);
  for (const Acquire& arm : acquires) {
    const std::string metric = fmt::format("acquire_release_{}", arm.name);
    rows.push_back(row(metric, median(arm.pool), "ns", "the same among 1 container", one));
    rows.push_back(row(metric + "_beside_floor", median(arm.pool), "ns",
                       "a hash look-up and list moves among as many", median(arm.floor)));
  }
  const double alone = median(mixes[0].rates);
  for (const Mix& arm : mixes) {
    rows.push_back(row(fmt::format("throughput_{}", arm.name), median(arm.rates), "1/cpu-s",
                       "the same trace of one action", alone));
    const auto metric = [&](const char* what) { return fmt::format("{}_{}", what, arm.name); };
    rows.push_back(row(metric("own_p50"), arm.last.own_p50_us, "us"));
    rows.push_back(row(metric("own_p99"), arm.last.own_p99_us, "us"));
    rows.push_back(row(metric("own_p999"), arm.last.own_p999_us, "us"));
    rows.push_back(row(metric("wait_p50"), arm.last.wait_p50_ms, "ms"));
    rows.push_back(row(metric("wait_p99"), arm.last.wait_p99_ms, "ms"));
    rows.push_back(row(metric("cold_share"), arm.last.cold_share, "share"));
    rows.push_back(row(metric("containers"), arm.last.peak_containers, "count"));
  }
  // Once: the simulated world is the same each time.
  const auto timetable = bench::make_timetable(6);
  const auto plain = bench::replay(timetable, bench::kTimetableActions, {.stem_cells = kReactive});
  const auto predicted = bench::replay(timetable, bench::kTimetableActions,
                                       {.stem_cells = kReactive, .predict = true});
  const char* without = "the same timetable without prediction";
  rows.push_back(
      row("predict_cold_share", predicted.cold_share, "share", without, plain.cold_share));
  rows.push_back(row("predict_wait_p50", predicted.wait_p50_ms, "ms", without, plain.wait_p50_ms));
  rows.push_back(row("predict_wait_p99", predicted.wait_p99_ms, "ms", without, plain.wait_p99_ms));
  rows.push_back(row("predict_containers", predicted.peak_containers, "count", without,
                     plain.peak_containers));
  // A hundred actions need more containers than one for the same work: with memory for three times
  // as many as there are clients, and for twice as many.
  constexpr std::size_t kClients = 64;
  const bench::Saturated one_action = bench::measure_saturated(1, kClients, 2 * kClients);
  rows.push_back(row("saturated_1_action", one_action.per_second, "1/s"));
  for (const auto& [name, times] : {std::pair("", 3u), std::pair("_tight", 2u)}) {
    const bench::Saturated hundred = bench::measure_saturated(100, kClients, times * kClients);
    const auto metric = [&](const char* what) {
      return fmt::format("saturated_{}100_actions{}", what, name);
    };
    rows.push_back(row(metric(""), hundred.per_second, "1/s", "as many clients of one action",
                       one_action.per_second));
    rows.push_back(row(metric("cold_share_"), hundred.cold_share, "share"));
    rows.push_back(row(metric("wait_p99_"), hundred.wait_p99_ms, "ms"));
  }
  for (const bool cold : {false, true}) {
    const bench::Noise noise = bench::measure_noise(cold);
    rows.push_back(row(cold ? "noise_cold_p99" : "noise_warm_p99", noise.disturbed_p99_ms, "ms",
                       "the same namespace alone", noise.quiet_p99_ms));
  }
  rows.push_back(row("peak_memory", peak_memory_mb(), "MB"));
  std::printf("%s\n", boost::json::serialize(rows).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 5);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_pool: %s\n", error.what());
    return 1;
  }
}
