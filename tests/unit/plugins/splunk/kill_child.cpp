// SPDX-License-Identifier: Apache-2.0
// Appends numbered activations to a splunk store until it is killed and prints each number once it
// is answered. Usage: kill_child PLUGIN DIRECTORY CONFIG FIRST
#include <cstdio>
#include <cstdlib>
#include <string>

#include "conformance/plugin_under_test.hpp"

int main(int argc, char** argv) {
  using namespace berth;
  if (argc != 5) return 2;
  Metrics metrics;
  auto loaded = plugin::LoadedPlugin::load(plugin::examine(argv[1]));
  if (!loaded) return 3;
  auto instance =
      plugin::PluginInstance::open(**loaded, {.clock = system_clock(),
                                              .metrics = metrics,
                                              .state = nullptr,
                                              .instance = "test",
                                              .config_json = argv[3],
                                              .data_root = std::string(argv[2]) + "/d",
                                              .runtime_root = std::string(argv[2]) + "/r",
                                              .loader = {}});
  if (!instance) return 4;
  plugin::LogStore& store = *(*instance)->log_store();
  if (!conformance::await(store.start(conformance::later()))) return 5;
  for (std::uint64_t number = std::strtoull(argv[4], nullptr, 10);; ++number) {
    char id[33];
    std::snprintf(id, sizeof id, "%032llx", static_cast<unsigned long long>(number));
    const plugin::ActivationRef ref{id, "guest", new_uuid(), "guest/a", "c", 1, 2};
    std::vector<plugin::LogLine> lines;
    for (std::uint64_t i = 0; i < 1 + number % 5; ++i) {
      lines.push_back({plugin::Stream::kStdout, 1'767'323'045'000'000'000, i,
                       std::string(number * 37 % 3000, 'k')});
    }
    if (!conformance::await(store.append(ref, lines, true, conformance::later()))) return 6;
    std::printf("%llu\n", static_cast<unsigned long long>(number));
    std::fflush(stdout);
  }
}
