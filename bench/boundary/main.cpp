// SPDX-License-Identifier: Apache-2.0
// bench_boundary: what the plugin boundary costs. A no-op through the C table beside a virtual
// call, both into another shared object; and a whole operation (destroy, answered at once by the
// bench-noop plugin) through the awaitable proxy, with its heap allocations. Interleaved, shuffled,
// first round dropped. Prints a JSON array.
//
// Usage: bench_boundary [ROUNDS]
#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <new>
#include <random>
#include <stdexcept>

#include "berth/plugin/container_factory.h"
#include "plugin/plugin_directory.hpp"
#include "plugin/plugin_instance.hpp"
#include "virtual_peer.hpp"

extern "C" const berth_container_factory berth_bench_table;

namespace {
std::atomic<std::uint64_t> allocations{0};
}

void* operator new(std::size_t size) {
  allocations.fetch_add(1, std::memory_order_relaxed);
  if (void* memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept {
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace {

using namespace berth;
using SteadyClock = std::chrono::steady_clock;

constexpr int kCalls = 2'000'000;
constexpr int kOperations = 100'000;

double ns_each(int count, const std::function<void()>& work) {
  const auto begin = SteadyClock::now();
  work();
  return std::chrono::duration<double, std::nano>(SteadyClock::now() - begin).count() / count;
}

// The compiler must not see through the pointers.
template <typename T>
T* opaque(T* pointer) {
  asm volatile("" : "+r"(pointer));
  return pointer;
}

double table_call() {
  const berth_container_factory* table = opaque(&berth_bench_table);
  return ns_each(kCalls, [table] {
    for (int i = 0; i < kCalls; ++i)
      table->cancel(nullptr, berth_op{static_cast<std::uint64_t>(i)});
  });
}

double virtual_call() {
  bench::VirtualPeer* peer = opaque(&bench::virtual_peer());
  return ns_each(kCalls, [peer] {
    for (int i = 0; i < kCalls; ++i) peer->cancel(static_cast<std::uint64_t>(i));
  });
}

boost::asio::awaitable<void> operate(plugin::ContainerFactory& factory) {
  const SteadyTime deadline = SteadyClock::now() + std::chrono::seconds(60);
  for (int i = 0; i < kOperations; ++i) {
    const auto done = co_await factory.destroy("x", deadline);
    if (!done) throw std::runtime_error(done.error().to_string());
  }
}

double operation(plugin::ContainerFactory& factory) {
  boost::asio::io_context io{1};
  return ns_each(kOperations, [&] {
    boost::asio::co_spawn(io, operate(factory), [](std::exception_ptr error) {
      if (error) std::rethrow_exception(error);
    });
    io.run();
  });
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

boost::json::object row(const char* metric, double value, const char* unit, const char* reference,
                        double against) {
  return {{"bench", "boundary"},
          {"metric", metric},
          {"value", value},
          {"unit", unit},
          {"reference", reference ? boost::json::value(reference) : boost::json::value()},
          {"ratio", reference ? boost::json::value(value / against) : boost::json::value()}};
}

int run(int rounds) {
  const auto directory = plugin::PluginDirectory::scan(BERTH_BENCH_PLUGIN_DIR);
  if (!directory) throw std::runtime_error(directory.error().message());
  auto loaded = directory->load("bench-noop");
  if (!loaded) throw std::runtime_error(loaded.error().message());
  std::string work = (std::filesystem::temp_directory_path() / "bb-XXXXXX").string();
  if (!mkdtemp(work.data())) throw std::runtime_error("cannot make a directory in /tmp");
  Metrics metrics;
  auto instance = plugin::PluginInstance::open(**loaded, {.clock = system_clock(),
                                                          .metrics = metrics,
                                                          .state = nullptr,
                                                          .instance = "bench",
                                                          .config_json = "{}",
                                                          .data_root = work,
                                                          .runtime_root = work,
                                                          .loader = {}});
  if (!instance) throw std::runtime_error(instance.error().message());
  plugin::ContainerFactory& factory = *(*instance)->container_factory();

  std::vector<double> table;
  std::vector<double> virtual_peer;
  std::vector<double> whole;
  double allocations_each = 0;
  std::vector<std::function<void()>> arms = {
      [&] { table.push_back(table_call()); }, [&] { virtual_peer.push_back(virtual_call()); },
      [&] {
        const std::uint64_t before = allocations.load();
        whole.push_back(operation(factory));
        allocations_each = static_cast<double>(allocations.load() - before) / kOperations;
      }};
  std::mt19937 random(std::random_device{}());
  for (int round = 0; round <= rounds; ++round) {
    std::shuffle(arms.begin(), arms.end(), random);
    for (const auto& arm : arms) arm();
    if (round == 0) {
      table.clear();
      virtual_peer.clear();
      whole.clear();
    }
  }
  instance->reset();
  std::filesystem::remove_all(work);
  const double peer = median(virtual_peer);
  const boost::json::array rows = {
      row("virtual_call", peer, "ns", nullptr, 0),
      row("call", median(table), "ns", "a virtual call into another shared object", peer),
      row("operation", median(whole), "ns", "a virtual call into another shared object", peer),
      row("operation_allocations", allocations_each, "count", nullptr, 0)};
  std::printf("%s\n", boost::json::serialize(rows).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc > 1 ? std::max(1, std::atoi(argv[1])) : 15);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_boundary: %s\n", error.what());
    return 1;
  }
}
