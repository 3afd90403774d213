// SPDX-License-Identifier: Apache-2.0
// bench_invoke: the invocation path beside its floors, in one interleaved run.
//
// Usage: bench_invoke ROUNDS WINDOW_MS[,PAUSE_MS] NAME ADDRESS REQUEST_FILE[,REQUEST_FILE]... [...]
// Each round runs every arm once with 1 connection (latency) and once with 32 (rate), in an order
// shuffled every round; the first round is dropped. With PAUSE_MS only the first, and so much time
// passes between a reply and the next request. Prints one JSON object: per arm p50
// and p99 in microseconds with 1 connection, and requests a second with 32, each the median over
// the rounds.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <iterator>
#include <map>
#include <random>
#include <sstream>

#include "load.hpp"

namespace {

using berth::bench::Arm;
using berth::bench::Window;

struct Samples {
  std::vector<double> p50_us;
  std::vector<double> p99_us;
  std::vector<double> rate;
  std::uint64_t failures = 0;
};

double quantile(std::vector<std::uint32_t>& values, double share) {
  const auto at =
      values.begin() + static_cast<std::ptrdiff_t>(share * static_cast<double>(values.size() - 1));
  std::nth_element(values.begin(), at, values.end());
  return *at / 1000.0;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values.empty() ? 0 : values[values.size() / 2];
}

int run(int argc, char** argv) {
  const int rounds = std::atoi(argv[1]);
  const std::chrono::milliseconds duration(std::atoi(argv[2]));
  const char* const comma_at = std::strchr(argv[2], ',');
  const std::chrono::milliseconds pause(comma_at != nullptr ? std::atoi(comma_at + 1) : 0);
  std::vector<Arm> arms;
  for (int i = 3; i + 2 < argc; i += 3) {
    arms.push_back({argv[i], argv[i + 1], {}});
    std::istringstream names(argv[i + 2]);
    for (std::string name; std::getline(names, name, ',');) {
      std::ifstream file(name, std::ios::binary);
      arms.back().requests.emplace_back(std::istreambuf_iterator<char>(file),
                                        std::istreambuf_iterator<char>());
    }
  }
  std::map<std::string, Samples> samples;
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round <= rounds; ++round) {
    std::shuffle(arms.begin(), arms.end(), random);
    for (const Arm& arm : arms) {
      Window latency = run_window(arm, 1, duration, pause);
      Window rate;
      if (comma_at == nullptr) rate = run_window(arm, 32, duration);
      Samples& into = samples[arm.name];
      into.failures += latency.failures + rate.failures;
      if (round == 0) continue;
      into.p50_us.push_back(quantile(latency.latencies_ns, 0.50));
      into.p99_us.push_back(quantile(latency.latencies_ns, 0.99));
      if (rate.seconds > 0) {
        into.rate.push_back(static_cast<double>(rate.latencies_ns.size()) / rate.seconds);
      }
    }
  }
  std::printf("{");
  const char* comma = "";
  for (const auto& [name, arm] : samples) {
    std::printf("%s\"%s\":{\"p50_us\":%.2f,\"p99_us\":%.2f,\"rps\":%.0f,\"failures\":%llu}", comma,
                name.c_str(), median(arm.p50_us), median(arm.p99_us), median(arm.rate),
                static_cast<unsigned long long>(arm.failures));
    comma = ",";
  }
  std::printf("}\n");
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 6 || (argc - 3) % 3 != 0) {
    std::fprintf(stderr,
                 "usage: bench_invoke ROUNDS WINDOW_MS[,PAUSE_MS] NAME ADDRESS REQUEST_FILE [NAME "
                 "ADDRESS REQUEST_FILE]...\n");
    return 2;
  }
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_invoke: %s\n", error.what());
    return 1;
  }
}
