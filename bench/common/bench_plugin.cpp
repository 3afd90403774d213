// SPDX-License-Identifier: Apache-2.0
#include "common/bench_plugin.hpp"

#include <boost/json/serialize.hpp>
#include <cstdio>
#include <unistd.h>

#include "base/ids.hpp"
#include "common/first_byte.hpp"

namespace berth::bench {

using namespace std::chrono_literals;
using SteadyClock = std::chrono::steady_clock;

SteadyTime BenchPlugin::deadline() {
  return SteadyClock::now() + 120s;
}

BenchPlugin::BenchPlugin(const std::string& name, const config::Document& config,
                         const boost::json::object& more, const plugin::PluginDirectory& directory,
                         const std::filesystem::path& work) {
  boost::json::object table = config.plugin(name);
  for (const auto& [key, value] : more) table[key] = value;
  const std::string settings = boost::json::serialize(table);
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

BenchPlugin::~BenchPlugin() {
  try {
    await(factory().stop(plugin::StopMode::kKill, deadline()));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench: stop: %s\n", error.what());
  }
  instance_.reset();
}

plugin::ContainerInfo BenchPlugin::create(const std::string& image) {
  plugin::CreateRequest request;
  request.transaction_id = new_transaction_id();
  request.name = "berth-bench-" + std::to_string(::getpid()) + "-" + std::to_string(++count_);
  request.kind = "native:1";
  request.image = image;
  request.memory_bytes = 256ull << 20;
  return await(factory().create(std::move(request), deadline()));
}

double BenchPlugin::start_us(const std::string& image) {
  const auto begin = SteadyClock::now();
  const plugin::ContainerInfo info = create(image);
  wait_for_first_byte(info.address);
  const double us = std::chrono::duration<double, std::micro>(SteadyClock::now() - begin).count();
  destroy(info.id);
  return us;
}

}  // namespace berth::bench
