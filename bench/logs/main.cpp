// SPDX-License-Identifier: Apache-2.0
// bench_logs: what logs cost. Making lines of output beside cat; the file store's throughput in and
// out beside rsyslog's and cat's, the lag of its followers and what it loses by kill -9; what the
// splunk store ships, with gzip beside gzip -1. Interleaved, shuffled, first round dropped. Prints
// a JSON array.
//
// Usage: bench_logs [ROUNDS]
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <random>

#include "base/ids.hpp"
#include "measure.hpp"

namespace {

using namespace berth;

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

}  // namespace

int main(int argc, char** argv) {
  const int rounds = std::max(argc > 1 ? std::atoi(argv[1]) : 5, 2);
  // In memory where there is room: the disk is not what is measured.
  const auto base = std::filesystem::exists("/dev/shm") ? std::filesystem::path("/dev/shm")
                                                        : std::filesystem::temp_directory_path();
  const std::string directory = (base / ("berth-bench-logs-" + random_hex(4))).string();
  std::filesystem::create_directories(directory);
  const auto lines = bench::sample_lines(40'000'000);
  const auto few = bench::sample_lines(15'000'000);

  // What the splunk store sends, for gzip.
  const std::string events = directory + "/events";
  (void)bench::splunk_ship(few, false, directory, events);

  std::map<std::string, std::vector<double>> seen;
  const auto note = [&](const char* arm, double value) { seen[arm].push_back(value); };
  const std::vector<std::function<void()>> arms = {
      [&] { note("cat", bench::cat(lines, directory)); },
      [&] { note("framing", bench::frame(lines)); },
      [&] {
        const bench::Kept kept = bench::file_store(lines, directory);
        note("file_append", kept.in.core_mb_s);
        note("file_append_wall", kept.in.wall_mb_s);
        note("file_fetch", kept.out.core_mb_s);
      },
      [&] {
        if (const auto rate = bench::rsyslog(few, directory)) note("rsyslog", rate->core_mb_s);
      },
      [&] {
        const bench::Lag lag = bench::file_lag(1000, directory);
        note("file_lag_p50", lag.p50_ms);
        note("file_lag_p99", lag.p99_ms);
      },
      [&] {
        const bench::Lost lost = bench::file_killed(few, directory);
        note("killed_acknowledged", lost.kept / 1e6);
        note("killed_lost", lost.bytes);
      },
      [&] { note("splunk_ship", bench::splunk_ship(few, false, directory).core_mb_s); },
      [&] { note("splunk_ship_gzip", bench::splunk_ship(few, true, directory).core_mb_s); },
      [&] { note("gzip_1", bench::gzip_1(events)); },
  };
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round < rounds; ++round) {
    std::vector<std::size_t> order(arms.size());
    for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
    std::shuffle(order.begin(), order.end(), random);
    for (const std::size_t arm : order) arms[arm]();
    if (round == 0) seen.clear();
  }
  std::filesystem::remove_all(directory);

  boost::json::array rows;
  const auto row = [&](const char* metric, const char* unit, const char* reference) {
    if (seen[metric].empty()) return;
    const double value = median(seen[metric]);
    boost::json::object made = {{"bench", "logs"}, {"metric", metric},     {"value", value},
                                {"unit", unit},    {"reference", nullptr}, {"ratio", nullptr}};
    if (reference != nullptr && !seen[reference].empty()) {
      made["reference"] = reference;
      made["ratio"] = value / median(seen[reference]);
    }
    rows.push_back(std::move(made));
  };
  row("cat", "MB/s", nullptr);
  row("framing", "MB/s", "cat");
  row("rsyslog", "MB/s/core", "cat");
  row("file_append", "MB/s/core", "rsyslog");
  row("file_append_wall", "MB/s", "cat");
  row("file_fetch", "MB/s/core", "cat");
  row("file_lag_p50", "ms", nullptr);
  row("file_lag_p99", "ms", nullptr);
  row("killed_acknowledged", "MB", nullptr);
  row("killed_lost", "bytes", nullptr);
  row("splunk_ship", "MB/s/core", nullptr);
  row("gzip_1", "MB/s", nullptr);
  row("splunk_ship_gzip", "MB/s/core", "gzip_1");
  std::puts(boost::json::serialize(rows).c_str());
  return 0;
}
