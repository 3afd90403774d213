// SPDX-License-Identifier: Apache-2.0
// bench_start: container start latency of any ContainerFactory plugin, from asking for a container
// to the first byte of its first HTTP reply, beside a bare fork+exec of the same native program
// and, with --engine, beside raw calls of a Docker engine and `docker run`.
//
// Usage: bench_start --bin DIR [--plugin NAME]... [--arm LABEL=NAME[,KEY=VALUE]...]... [--config
// FILE] [--process]
//                    [--engine unix:///PATH] [--own NAME] [--rounds N] [--plugin-dir DIR]
//                    [--image IMAGE] [--only ARM]...
// With --process also all of the process plugin: native functions on each network, Python from
// nothing and from a zygote, Node.js, each beside its bare interpreter; bwrap, crun and runc where
// they are installed; starts a second from 1, 2 and 8 threads; pause and resume beside the kernel's
// freezer. With --own NAME also what a plugin for Docker engines and its host take of a start
// themselves: on an engine that answers at once, beside the same calls made bare. It knows no
// plugin: whatever is in the plugin directory under a name is loaded, configured from the
// [plugin.NAME] table of the file and an arm's KEY=VALUEs, and measured. The arms run in an order
// shuffled every round; the first round is dropped. Prints a JSON array of {bench, metric, value,
// unit, reference, ratio}.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <random>
#include <thread>
#include <unistd.h>

#include "bare_start.hpp"
#include "common/bench_plugin.hpp"
#include "common/engine_api.hpp"
#include "keys.hpp"
#include "start/instant_engine.hpp"
#include "start/parallel.hpp"
#include "start/peers.hpp"

namespace {

using namespace berth;

constexpr const char* kPythonImage = "berth/action-python";
constexpr const char* kNodeImage = "berth/action-nodejs";
constexpr int kWarmUps = 20;
constexpr auto kWarmUpPause = std::chrono::milliseconds(50);
constexpr const char* kFloor = "fork_exec_native";
constexpr const char* kEngineNone = "engine_api_none";
constexpr const char* kDockerRun = "docker_run_bridge";
constexpr const char* kBarePython = "bare_python";
constexpr const char* kBareNode = "bare_nodejs";
constexpr const char* kRawFreezer = "raw_freezer";
constexpr const char* kRawThaw = "raw_freezer_thaw";
constexpr const char* kRawWrite = "raw_freezer_write";
constexpr const char* kInstantPlugin = "instant_engine_plugin";
constexpr const char* kInstantApi = "instant_engine_api";

// One way to start the function, with what was measured.
struct Arm {
  std::string name;
  std::function<double()> start_us;  // one start; throws std::runtime_error
  std::vector<double> samples;
  // What it is compared with; the floor where nothing is said.
  const char* reference = kFloor;
};

double quantile(std::vector<double> values, double share) {
  std::sort(values.begin(), values.end());
  return values.empty()
             ? 0
             : values[static_cast<std::size_t>(share * static_cast<double>(values.size() - 1))];
}

struct Options {
  std::filesystem::path bin;
  std::filesystem::path plugin_directory;
  std::vector<std::string> plugins;
  std::vector<std::string> arms;
  std::string config;
  std::string engine;
  std::string own;
  std::vector<std::string> only;
  bool process = false;
  std::string image = "berth/action-native";
  int rounds = 200;
};

// "label=name,key=value,key=value".
struct PluginArm {
  std::string label;
  std::string plugin;
  boost::json::object settings;
  std::string image = {};  // the options' where empty
  const char* reference = kFloor;
};

PluginArm parse_arm(const std::string& text) {
  PluginArm arm;
  std::size_t at = 0;
  for (int field = 0; at <= text.size(); ++field) {
    const std::size_t end = std::min(text.find(',', at), text.size());
    const std::string word = text.substr(at, end - at);
    const std::size_t equals = word.find('=');
    if (equals == std::string::npos || equals == 0) {
      throw std::runtime_error("--arm must be LABEL=NAME[,KEY=VALUE]...");
    }
    const std::string key = word.substr(0, equals), value = word.substr(equals + 1);
    if (field == 0) {
      arm.label = key;
      arm.plugin = value;
    } else {
      boost::system::error_code error;
      boost::json::value parsed = boost::json::parse(value, error);
      arm.settings[key] = error ? boost::json::value(value) : std::move(parsed);
    }
    at = end + 1;
  }
  return arm;
}

void measure(std::vector<Arm>& arms, int rounds) {
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
}

// Every arm beside the floor; with an engine, a plugin's arms beside the engine's too.
boost::json::array rows_of(const std::vector<Arm>& arms, bool engine) {
  const auto median = [&](std::string_view name) {
    for (const Arm& arm : arms) {
      if (arm.name == name) return quantile(arm.samples, 0.5);
    }
    return 0.0;
  };
  boost::json::array rows;
  const auto add = [&](const std::string& metric, double value, const char* reference,
                       std::string_view reference_arm) {
    boost::json::object row{
        {"bench", "start"}, {"metric", metric}, {"value", value}, {"unit", "us"}};
    row["reference"] = reference == nullptr ? boost::json::value() : boost::json::value(reference);
    row["ratio"] = reference == nullptr ? boost::json::value()
                                        : boost::json::value(value / median(reference_arm));
    rows.push_back(std::move(row));
  };
  if (const double bare = median(kInstantApi); bare > 0) {
    add("own_share", median(kInstantPlugin) - bare,
        "the same calls made bare, on an engine that answers at once, p50", kInstantApi);
  }
  for (const Arm& arm : arms) {
    const bool is_floor = arm.name == kFloor;
    for (const auto& [suffix, share] : {std::pair{"", 0.5}, std::pair{"_p99", 0.99}}) {
      const std::string_view beside = arm.reference;
      const char* text = is_floor                ? nullptr
                         : beside == kBarePython ? "bare fork+exec of the same Python, p50"
                         : beside == kBareNode   ? "bare fork+exec of the same Node.js, p50"
                         : beside == kRawFreezer ? "the kernel's freezer written to, p50"
                         : beside == kRawThaw ? "the freezer's file opened, written to, closed, p50"
                                              : "bare fork+exec of the same program, p50";
      add(arm.name + suffix, quantile(arm.samples, share), text, beside);
    }
    if (arm.reference == kRawThaw && arm.name != kRawWrite) {
      add(arm.name + "_to_write", quantile(arm.samples, 0.5),
          "the write alone, to the freezer's open file, p50", kRawWrite);
    }
    const bool reference = is_floor || arm.name.starts_with("instant_") ||
                           arm.name.starts_with("engine_api_") ||
                           arm.name.starts_with("docker_run_");
    if (!engine || reference) continue;
    const double value = quantile(arm.samples, 0.5);
    add(arm.name + "_to_api", value, "naive Engine API create+start, network none, p50",
        kEngineNone);
    add(arm.name + "_to_run", value, "docker run on a bridge, p50", kDockerRun);
  }
  return rows;
}

// Starts a second of the plugin from 1, 2 and 8 threads, beside bare ones.
void add_parallel(boost::json::array& rows, const std::string& label, bench::BenchPlugin& plugin,
                  const std::string& image, const std::vector<std::string>& bare,
                  const std::filesystem::path& work) {
  constexpr int kEach = 40;
  for (const int threads : {1, 2, 8}) {
    const double floor = bench::bare_starts_per_second(bare, work, threads, kEach);
    const double ours =
        bench::calls_per_second(threads, kEach, [&](int) { plugin.start_us(image); });
    rows.push_back({{"bench", "start"},
                    {"metric", label + "_" + std::to_string(threads)},
                    {"value", ours},
                    {"unit", "1/s"},
                    {"reference", "bare fork+exec from as many threads"},
                    {"ratio", ours / floor}});
  }
}

// On the worker's thread, as the pool does it: pause and resume, or of that the resume alone, in
// microseconds.
plugin::Awaitable<double> pause_resume(plugin::ContainerFactory& factory, std::string id,
                                       bool whole) {
  auto begin = std::chrono::steady_clock::now();
  const auto paused = co_await factory.pause(id, bench::BenchPlugin::deadline());
  if (!paused) co_return paused.error();
  if (!whole) begin = std::chrono::steady_clock::now();
  const auto resumed = co_await factory.resume(id, bench::BenchPlugin::deadline());
  if (!resumed) co_return resumed.error();
  const auto took = std::chrono::steady_clock::now() - begin;
  co_return std::chrono::duration<double, std::micro>(took).count();
}

int run(const Options& options) {
  config::Sources sources;
  if (!options.config.empty()) sources.file = options.config;
  const auto config = config::Document::load(daemon::keys(), sources);
  if (!config) throw std::runtime_error(config.error().message());
  const auto directory = plugin::PluginDirectory::scan(options.plugin_directory);
  if (!directory) throw std::runtime_error(directory.error().message());

  std::vector<PluginArm> wanted;
  // First, where they are looked for below.
  if (options.process) {
    const boost::json::object plain{{"zygote", {{"enabled", false}}}};
    wanted.push_back({"process_native_none", "process", {}});
    wanted.push_back({"process_native_host", "process", {{"network", "host"}}});
    wanted.push_back({"process_python_plain", "process", plain, kPythonImage, kBarePython});
    wanted.push_back({"process_python_zygote", "process", {}, kPythonImage, kBarePython});
    wanted.push_back({"process_nodejs", "process", {}, kNodeImage, kBareNode});
    // On a subnet of its own, beside a berthd's.
    if (bench::can_nat()) {
      wanted.push_back({"process_native_nat",
                        "process",
                        {{"network", "nat"},
                         {"nat", {{"subnet", "10.247.0.0/16"}, {"enable_forwarding", true}}}}});
    }
  }
  for (const std::string& name : options.plugins)
    wanted.push_back({name + "_native_none", name, {}});
  for (const std::string& text : options.arms) wanted.push_back(parse_arm(text));
  if (wanted.empty() && options.own.empty())
    throw std::runtime_error("name a plugin: --plugin or --arm");

  std::string work = (std::filesystem::temp_directory_path() / "bb-XXXXXX").string();
  if (!mkdtemp(work.data())) throw std::runtime_error("cannot make a directory in /tmp");
  boost::json::array rows;
  const bench::KeptForwarding kept;
  {
    std::vector<Arm> arms;
    const auto native = options.bin.parent_path() / "runtimes/native/berth-native-runtime";
    const std::vector<std::string> bare_native = {native.string()};
    arms.push_back({kFloor, [&] { return bench::bare_start_us(bare_native, work); }, {}});
    std::unique_ptr<bench::RawFreezer> freezer;
    if (options.process) {
      const auto runtimes = options.bin.parent_path() / "runtimes";
      const std::vector<std::string> python = {
          "/usr/bin/python3", "-I", "-S", "-X", "utf8", (runtimes / "python/proxy.py").string()};
      const std::vector<std::string> node = {"/usr/bin/node",
                                             (runtimes / "nodejs/proxy.js").string()};
      arms.push_back({"vfork_exec_native",
                      [&] { return bench::bare_start_us(bare_native, work, bench::Spawn::kVfork); },
                      {}});
      arms.push_back({kBarePython, [=] { return bench::bare_start_us(python, work); }, {}});
      arms.push_back({kBareNode, [=] { return bench::bare_start_us(node, work); }, {}});
      for (auto& peer : bench::installed_peers(native, work)) {
        arms.push_back({peer.name, peer.start_us, {}});
      }
      freezer = std::make_unique<bench::RawFreezer>();
      arms.push_back({kRawFreezer, [&] { return freezer->pause_resume_us(); }, {}});
      arms.push_back({kRawThaw, [&] { return freezer->resume_us(); }, {}, kRawFreezer});
      arms.push_back({kRawWrite, [&] { return freezer->write_us(); }, {}, kRawThaw});
    }
    // Before the plugins: they end before it does.
    std::unique_ptr<bench::InstantEngine> instant;
    std::unique_ptr<bench::EngineApi> instant_api;
    const std::string instant_host = "unix://" + work + "/instant";
    if (!options.own.empty()) {
      instant = std::make_unique<bench::InstantEngine>(work + "/instant");
      instant_api = std::make_unique<bench::EngineApi>(instant_host);
      wanted.push_back(
          {kInstantPlugin, options.own, {{"host", instant_host}, {"network", "bridge"}}});
      arms.push_back(
          {kInstantApi, [&] { return instant_api->start_us(options.image, "bridge"); }, {}});
    }
    std::vector<std::unique_ptr<bench::BenchPlugin>> plugins;
    for (const PluginArm& arm : wanted) {
      const std::string own = work + "/" + std::to_string(plugins.size());
      plugins.push_back(
          std::make_unique<bench::BenchPlugin>(arm.plugin, *config, arm.settings, *directory, own));
      const std::string image = arm.image.empty() ? options.image : arm.image;
      arms.push_back({arm.label,
                      [plugin = plugins.back().get(), image] { return plugin->start_us(image); },
                      {},
                      arm.reference});
      // The first one of an image may still have to wake what makes the next ones fast.
      for (int i = 0; arm.plugin == "process" && i < kWarmUps; ++i) {
        plugins.back()->start_us(image);
        std::this_thread::sleep_for(kWarmUpPause);
      }
    }
    plugin::ContainerInfo frozen;
    if (options.process) {
      bench::BenchPlugin& plugin = *plugins.front();
      frozen = plugin.create(options.image);
      for (const bool whole : {true, false}) {
        arms.push_back({whole ? "process_pause_resume" : "process_resume",
                        [&plugin, &frozen, whole] {
                          return plugin.await(pause_resume(plugin.factory(), frozen.id, whole));
                        },
                        {},
                        whole ? kRawFreezer : kRawThaw});
      }
    }
    std::unique_ptr<bench::EngineApi> engine;
    if (!options.engine.empty()) {
      engine = std::make_unique<bench::EngineApi>(options.engine);
      for (const std::string network : {"none", "bridge"}) {
        arms.push_back({"engine_api_" + network,
                        [&, network] { return engine->start_us(options.image, network); },
                        {}});
        arms.push_back({"docker_run_" + network,
                        [&, network] { return engine->docker_run_us(options.image, network); },
                        {}});
      }
    }
    if (!options.only.empty()) {
      std::erase_if(arms, [&](const Arm& arm) {
        return arm.name != kFloor &&
               std::none_of(options.only.begin(), options.only.end(),
                            [&](const std::string& name) { return arm.name.starts_with(name); });
      });
    }
    measure(arms, options.rounds);
    rows = rows_of(arms, engine != nullptr);
    if (options.process) plugins.front()->destroy(frozen.id);
    if (options.process && options.only.empty()) {
      add_parallel(rows, "process_native_starts", *plugins[0], options.image, bare_native, work);
      add_parallel(rows, "process_python_zygote_starts", *plugins[3], kPythonImage, bare_native,
                   work);
    }
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
      ->allow_extra_args(false);
  app.add_option("--arm", options.arms,
                 "LABEL=NAME[,KEY=VALUE]...: a plugin with these settings; repeatable")
      ->allow_extra_args(false);
  app.add_flag("--process", options.process, "all of the process plugin and its peers");
  app.add_option("--config", options.config, "berthd's configuration, for [plugin.NAME]");
  app.add_option("--engine", options.engine, "unix:///PATH of a Docker engine to measure beside");
  app.add_option("--own", options.own,
                 "a plugin for Docker engines, measured on an engine that answers at once");
  app.add_option("--only", options.only,
                 "measure just the arms whose names begin so, and the floor; repeatable")
      ->allow_extra_args(false);
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
