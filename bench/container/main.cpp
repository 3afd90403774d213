// SPDX-License-Identifier: Apache-2.0
// bench_container: what a ContainerFactory plugin on a Docker engine costs once a container runs:
// reading its log, in MB/s of the engine's file, beside `cat` of that file and `docker logs`; and a
// pause with its resume beside the engine's.
//
// Usage: bench_container --bin DIR --plugin NAME --engine unix:///PATH [--config FILE] [--rounds N]
//                        [--plugin-dir DIR] [--image IMAGE] [--megabytes N]
// The image is one of Python's. The arms run in an order shuffled every round; the first round is
// dropped. Prints a JSON array of {bench, metric, value, unit, reference, ratio}.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <unistd.h>

#include "common/bench_plugin.hpp"
#include "common/engine_api.hpp"
#include "common/first_byte.hpp"
#include "keys.hpp"

namespace {

using namespace berth;
namespace json = boost::json;
using SteadyClock = std::chrono::steady_clock;

struct Options {
  std::filesystem::path bin;
  std::filesystem::path plugin_directory;
  std::string plugin;
  std::string config;
  std::string engine;
  std::string image = "berth/action-python";
  int rounds = 9;
  int megabytes = 32;
};

struct Arm {
  std::string name;
  std::function<void()> run;
  std::vector<double> seconds = {};

  double median() {
    std::sort(seconds.begin(), seconds.end());
    return seconds[seconds.size() / 2];
  }
};

void measure(std::vector<Arm*> arms, int rounds) {
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round <= rounds; ++round) {
    std::shuffle(arms.begin(), arms.end(), random);
    for (Arm* arm : arms) {
      const auto begin = SteadyClock::now();
      arm->run();
      const double s = std::chrono::duration<double>(SteadyClock::now() - begin).count();
      if (round > 0) arm->seconds.push_back(s);
    }
  }
}

void shell(const std::string& command) {
  if (std::system(command.c_str()) != 0) throw std::runtime_error(command + " failed");
}

// As the core reads: LogCollectorOptions::read_bytes.
constexpr std::uint64_t kReadBytes = 128 * 1024;

// Reads all there is, until `bytes` of text have come.
void read_all(bench::BenchPlugin& plugin, const std::string& id, std::uint64_t bytes) {
  std::string cursor;
  for (std::uint64_t got = 0; got < bytes;) {
    const plugin::LogBatch batch = plugin.await(
        plugin.factory().read_logs(id, cursor, kReadBytes, bench::BenchPlugin::deadline()));
    if (batch.records.empty()) throw std::runtime_error("the log is too short");
    for (const auto& record : batch.records) got += record.bytes.size();
    cursor = batch.next_cursor;
  }
}

json::object row(const char* metric, double value, const char* unit, const char* reference,
                 double ratio) {
  return {{"bench", "container"},
          {"metric", metric},
          {"value", value},
          {"unit", unit},
          {"reference", reference == nullptr ? json::value() : json::value(reference)},
          {"ratio", reference == nullptr ? json::value() : json::value(ratio)}};
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

  json::array rows;
  {
    bench::EngineApi engine(options.engine);
    bench::BenchPlugin plugin(options.plugin, *config, {}, *directory, work);
    const plugin::ContainerInfo info = plugin.create(options.image);
    const plugin::ContainerInfo other = plugin.create(options.image);

    // 100 bytes a line, as functions write them.
    const std::uint64_t lines = static_cast<std::uint64_t>(options.megabytes) * 10'000;
    const json::value init{
        {"value",
         {{"main", "main"},
          {"code",
           "import sys\ndef main(args):\n  for i in range(args['lines']):\n"
           "    sys.stdout.write('%08d ' % i + 'x' * 90 + '\\n')\n  return {}\n"}}}};
    bench::post(info.address, "/init", json::serialize(init));
    bench::post(info.address, "/run", json::serialize(json::value{{"value", {{"lines", lines}}}}));
    const std::string path(
        engine.call("GET", "/containers/" + info.id + "/json").at("LogPath").as_string());
    const std::uint64_t text = lines * 99;
    // The engine writes behind the function.
    for (auto before = std::uintmax_t{1}, now = std::uintmax_t{0}; before != now;) {
      before = now;
      ::usleep(500'000);
      now = std::filesystem::file_size(path);
    }
    const double megabytes = static_cast<double>(std::filesystem::file_size(path)) / 1e6;

    Arm logs{"log_read", [&] { read_all(plugin, info.id, text); }};
    Arm cat{"log_cat", [&] { shell("cat " + path + " >/dev/null"); }};
    Arm docker{"log_docker_logs", [&] {
                 shell("docker --host " + options.engine + " logs " + info.id + " >/dev/null 2>&1");
               }};
    measure({&logs, &cat, &docker}, options.rounds);
    const double of_docker = megabytes / docker.median(), of_cat = megabytes / cat.median();
    const double of_plugin = megabytes / logs.median();
    rows.push_back(row("log_docker_logs", of_docker, "MB/s", nullptr, 0));
    rows.push_back(row("log_cat", of_cat, "MB/s", nullptr, 0));
    rows.push_back(row("log_read", of_plugin, "MB/s", "docker logs, p50", of_plugin / of_docker));
    rows.push_back(
        row("log_read_to_cat", of_plugin, "MB/s", "cat of the file, p50", of_plugin / of_cat));

    const auto deadline = [] { return bench::BenchPlugin::deadline(); };
    Arm pause{"pause_resume", [&] {
                plugin.await(plugin.factory().pause(info.id, deadline()));
                plugin.await(plugin.factory().resume(info.id, deadline()));
              }};
    Arm engines{"engine_pause_resume", [&] {
                  engine.call("POST", "/containers/" + other.id + "/pause");
                  engine.call("POST", "/containers/" + other.id + "/unpause");
                }};
    measure({&pause, &engines}, options.rounds * 5);
    const double ours = pause.median() * 1e6, theirs = engines.median() * 1e6;
    rows.push_back(row("engine_pause_resume", theirs, "us", nullptr, 0));
    rows.push_back(
        row("pause_resume", ours, "us", "the engine's pause and unpause, p50", ours / theirs));
  }
  std::filesystem::remove_all(work);
  std::printf("%s\n", json::serialize(rows).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"bench_container: log reading and pause of a plugin on a Docker engine"};
  Options options;
  app.add_option("--bin", options.bin, "where berthd is")->required();
  app.add_option("--plugin-dir", options.plugin_directory,
                 "where the plugins are; default: beside --bin");
  app.add_option("--plugin", options.plugin, "the plugin")->required();
  app.add_option("--config", options.config, "berthd's configuration, for [plugin.NAME]");
  app.add_option("--engine", options.engine, "unix:///PATH of its engine")->required();
  app.add_option("--image", options.image, "image that holds the Python runtime");
  app.add_option("--rounds", options.rounds, "reads of each arm")->check(CLI::PositiveNumber);
  app.add_option("--megabytes", options.megabytes, "length of the log")->check(CLI::PositiveNumber);
  CLI11_PARSE(app, argc, argv);
  if (options.plugin_directory.empty())
    options.plugin_directory = options.bin.parent_path() / "plugins";
  try {
    return run(options);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_container: %s\n", error.what());
    return 1;
  }
}
