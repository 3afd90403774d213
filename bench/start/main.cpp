// SPDX-License-Identifier: Apache-2.0
// bench_start: container start latency of any ContainerFactory plugin, from asking for a container
// to the first byte of its first HTTP reply, beside a bare fork+exec of the same native program.
//
// Usage: bench_start --bin DIR [--plugin NAME]... [--config FILE] [--rounds N] [--plugin-dir DIR]
//                    [--image IMAGE]
// It knows no plugin: whatever is in the plugin directory under a name is loaded, configured from
// the [plugin.NAME] table of the file, and measured. The arms run in an order shuffled every round;
// the first round is dropped. Prints a JSON array of {bench, metric, value, unit, reference,
// ratio}.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <filesystem>
#include <future>
#include <random>
#include <unistd.h>

#include "bare_start.hpp"
#include "base/config.hpp"
#include "base/ids.hpp"
#include "first_byte.hpp"
#include "keys.hpp"
#include "plugin/memory_state.hpp"
#include "plugin/plugin_directory.hpp"
#include "plugin/plugin_instance.hpp"
#include "worker.hpp"

namespace {

using namespace berth;
using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

// One way to start the function, with what was measured.
struct Arm {
  std::string name;
  std::function<double()> start_us;  // one start; throws std::runtime_error
  std::vector<double> samples;
};

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values.empty()
             ? 0
             : values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

// A plugin opened for the bench; its calls are awaited from this thread by futures.
class Plugin {
 public:
  Plugin(const std::string& name, const config::Document& config,
         const plugin::PluginDirectory& directory, const std::filesystem::path& work,
         std::string image)
      : image_(std::move(image)) {
    const std::string settings = boost::json::serialize(config.plugin(name));
    auto loaded = directory.load(name, settings, [&](std::string_view pointer) {
      return config.plugin_origin(name, pointer);
    });
    if (!loaded) throw std::runtime_error(loaded.error().message());
    loaded_ = std::move(*loaded);
    auto instance = plugin::PluginInstance::open(*loaded_, {.clock = system_clock(),
                                                            .metrics = metrics_,
                                                            .state = &state_,
                                                            .instance = "bench",
                                                            .config_json = settings,
                                                            .data_root = work / "data",
                                                            .runtime_root = work / "run",
                                                            .loader = {}});
    if (!instance) throw std::runtime_error(instance.error().message());
    instance_ = std::move(*instance);
    if (!instance_->container_factory()) throw std::runtime_error(name + " is no ContainerFactory");
    await(factory().start([](plugin::ContainerDied) {}, deadline()));
  }

  ~Plugin() {
    try {
      await(factory().stop(plugin::StopMode::kKill, deadline()));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "bench_start: stop: %s\n", error.what());
    }
    instance_.reset();
  }

  double start_us() {
    plugin::CreateRequest request;
    request.transaction_id = new_transaction_id();
    request.name = "berth-bench-" + std::to_string(++count_);
    request.kind = "native:1";
    request.image = image_;
    request.memory_bytes = 256ull << 20;
    const auto begin = SteadyClock::now();
    const plugin::ContainerInfo info = await(factory().create(std::move(request), deadline()));
    bench::wait_for_first_byte(info.address);
    const double us = std::chrono::duration<double, std::micro>(SteadyClock::now() - begin).count();
    await(factory().destroy(info.id, deadline()));
    return us;
  }

 private:
  plugin::ContainerFactory& factory() { return *instance_->container_factory(); }
  static SteadyTime deadline() { return SteadyClock::now() + 120s; }

  template <typename T>
  T await(plugin::Awaitable<T> awaitable) {
    Result<T> result =
        boost::asio::co_spawn(worker_.io(), std::move(awaitable), boost::asio::use_future).get();
    if (!result) throw std::runtime_error(result.error().to_string());
    if constexpr (!std::is_void_v<T>) return std::move(*result);
  }

  const std::string image_;
  int count_ = 0;
  Metrics metrics_;
  plugin::MemoryPluginState state_;
  daemon::Worker worker_;
  std::unique_ptr<plugin::LoadedPlugin> loaded_;
  std::unique_ptr<plugin::PluginInstance> instance_;
};

struct Options {
  std::filesystem::path bin;
  std::filesystem::path plugin_directory;
  std::vector<std::string> plugins;
  std::string config;
  std::string image = "berth/action-native";
  int rounds = 200;
};

boost::json::array measure(std::vector<Arm>& arms, int rounds) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round <= rounds; ++round) {
    std::vector<Arm*> order;
    for (Arm& arm : arms) order.push_back(&arm);
    std::shuffle(order.begin(), order.end(), random);
    for (Arm* arm : order) {
      const double us = arm->start_us();
      if (round > 0) arm->samples.push_back(us);
    }
  }
  const double floor = quantile(arms.front().samples, 0.5);
  boost::json::array rows;
  for (const Arm& arm : arms) {
    const bool is_floor = &arm == &arms.front();
    for (const auto& [suffix, share] : {std::pair{"", 0.5}, std::pair{"_p99", 0.99}}) {
      const double value = quantile(arm.samples, share);
      rows.push_back(
          {{"bench", "start"},
           {"metric", arm.name + suffix},
           {"value", value},
           {"unit", "us"},
           {"reference", is_floor ? boost::json::value()
                                  : boost::json::value("bare fork+exec of the same program, p50")},
           {"ratio", is_floor ? boost::json::value() : boost::json::value(value / floor)}});
    }
  }
  return rows;
}

int run(const Options& options) {
  config::Sources sources;
  if (!options.config.empty()) sources.file = options.config;
  const auto config = config::Document::load(daemon::keys(), sources);
  if (!config) throw std::runtime_error(config.error().message());
  const auto directory = plugin::PluginDirectory::scan(options.plugin_directory);
  if (!directory) throw std::runtime_error(directory.error().message());

  std::string work = (std::filesystem::temp_directory_path() / "bb-XXXXXX").string();
  if (!mkdtemp(work.data())) throw std::runtime_error("cannot make a directory in /tmp");
  boost::json::array rows;
  {
    std::vector<Arm> arms;
    const auto native = options.bin.parent_path() / "runtimes/native/berth-native-runtime";
    arms.push_back({"fork_exec_native", [&] { return bench::bare_start_us(native, work); }, {}});
    std::vector<std::unique_ptr<Plugin>> plugins;
    for (const std::string& name : options.plugins) {
      plugins.push_back(std::make_unique<Plugin>(name, *config, *directory, work, options.image));
      arms.push_back({name + "_native_none",
                      [plugin = plugins.back().get()] { return plugin->start_us(); },
                      {}});
    }
    rows = measure(arms, options.rounds);
  }
  std::filesystem::remove_all(work);
  std::printf("%s\n", boost::json::serialize(rows).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"bench_start: container start latency of ContainerFactory plugins"};
  Options options;
  app.add_option("--bin", options.bin, "where berthd is")->required();
  app.add_option("--plugin-dir", options.plugin_directory,
                 "where the plugins are; default: beside --bin");
  app.add_option("--plugin", options.plugins, "a plugin to measure; repeatable")
      ->required()
      ->allow_extra_args(false);
  app.add_option("--config", options.config, "berthd's configuration, for [plugin.NAME]");
  app.add_option("--image", options.image, "image that holds the native runtime");
  app.add_option("--rounds", options.rounds, "starts of each arm")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  if (options.plugin_directory.empty())
    options.plugin_directory = options.bin.parent_path() / "plugins";
  try {
    return run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_start: %s\n", error.what());
    return 1;
  }
}
