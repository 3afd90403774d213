// SPDX-License-Identifier: Apache-2.0
// A ContainerFactory in memory, action proxies on unix sockets that do what a test says, and a
// clock that a test sets forward. Everything runs on one io_context and one thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <deque>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include "base/clock.hpp"
#include "entity/action.hpp"
#include "entity/identity.hpp"
#include "entity/runtimes.hpp"
#include "plugin/container_factory.hpp"

namespace berth::test {

using namespace std::chrono_literals;

// The machine's clock plus what the test adds.
class ShiftedClock final : public Clock {
 public:
  SteadyTime steady_now() const override { return std::chrono::steady_clock::now() + shift_; }
  WallTime wall_now() const override { return system_clock().wall_now() + shift_; }
  void advance(std::chrono::milliseconds by) { shift_ += by; }

 private:
  std::chrono::nanoseconds shift_{0};
};

// What a proxy does with one request.
struct Answer {
  int status = 200;
  std::string body = "{}";
  std::chrono::milliseconds delay{0};
  bool hang = false;         // never answers
  bool hang_up = false;      // closes the connection without an answer
  bool then_close = false;   // closes the connection after the answer
  bool then_refuse = false;  // and takes no connection any more
};

// An HTTP server on a unix socket.
class FakeProxy {
 public:
  using Script = std::function<Answer(const std::string& path, const std::string& body)>;
  FakeProxy(boost::asio::io_context& io, std::string socket_path, Script script);
  ~FakeProxy();
  void stop_listening();  // existing connections are closed, new ones refused

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

class FakeFactory : public plugin::ContainerFactory {
 public:
  struct Box {
    plugin::CreateRequest request;
    std::string id;
    bool paused = false;
    std::uint64_t used_bytes = 0;
    // The text lies in `printed`, which grows without moving what it has, and which batches share.
    std::vector<plugin::LogRecord> output;
    std::shared_ptr<std::deque<std::string>> printed = std::make_shared<std::deque<std::string>>();
    bool ended = false;
    std::unique_ptr<FakeProxy> proxy;
  };
  // Makes the script of a new container's proxy; without it containers have no proxy.
  using ScriptMaker = std::function<FakeProxy::Script(Box& box)>;

  explicit FakeFactory(boost::asio::io_context& io);
  ~FakeFactory() override;

  // What a test sets.
  ScriptMaker make_script;
  std::deque<Status> create_failures;  // of the next creates; an OK one lets a create pass
  Status pause_failure;
  Status resume_failure;
  bool resizable = false;
  Status resize_failure;
  std::deque<Status> destroy_failures;
  std::deque<Status> read_failures;
  bool hold_creates = false;                // until let_create()
  bool hold_destroys = false;               // until let_destroy()
  bool hold_pauses = false;                 // until let_pause()
  bool hold_resumes = false;                // until let_resume()
  bool hold_resizes = false;                // until let_resize()
  bool die_in_create = false;               // the death is told before create answers
  std::optional<std::string> lie_about_id;  // what create answers instead
  std::optional<std::string> lie_about_address;
  plugin::Capacity capacity_value;
  std::vector<plugin::ContainerInfo> leftovers;

  void let_create() { let(creates_); }
  void let_destroy() { let(destroys_); }
  void let_pause() { let(pauses_); }
  void let_resume() { let(resumes_); }
  void let_resize() { let(resizes_); }

  // What happened.
  std::vector<plugin::CreateRequest> created;
  std::vector<std::string> destroyed;                 // ids, in order
  std::map<std::string, std::unique_ptr<Box>> boxes;  // alive
  std::uint64_t peak_bytes = 0;
  std::size_t reads = 0;
  std::size_t pauses = 0;
  std::size_t resumes = 0;
  std::size_t resizes = 0;

  // Output of a container: a line, or a piece of one.
  void print(const std::string& id, plugin::Stream stream, std::string text, bool partial = false);
  void print_sentinels(const std::string& id);
  // The container ends by itself.
  void die(const std::string& id, int exit_code = 1, bool oom = false);

  plugin::Awaitable<void> start(DiedHandler on_died, SteadyTime deadline) override;
  plugin::Awaitable<plugin::ContainerInfo> create(plugin::CreateRequest request,
                                                  SteadyTime deadline) override;
  plugin::Awaitable<void> destroy(std::string id, SteadyTime deadline) override;
  plugin::Awaitable<void> pause(std::string id, SteadyTime deadline) override;
  plugin::Awaitable<void> resume(std::string id, SteadyTime deadline) override;
  plugin::Awaitable<std::vector<plugin::ContainerInfo>> list(SteadyTime deadline) override;
  plugin::Awaitable<plugin::LogBatch> read_logs(std::string id, std::string cursor,
                                                std::uint64_t max_bytes,
                                                SteadyTime deadline) override;
  plugin::Awaitable<plugin::Capacity> capacity(SteadyTime deadline) override;
  bool can_resize() const override { return resizable; }
  plugin::Awaitable<void> resize(std::string id, plugin::ResizeRequest request,
                                 SteadyTime deadline) override;
  plugin::Awaitable<void> drain(SteadyTime deadline) override;
  plugin::Awaitable<void> stop(plugin::StopMode mode, SteadyTime deadline) override;

  DiedHandler on_died;

 private:
  using Gates = std::deque<std::shared_ptr<boost::asio::steady_timer>>;
  boost::asio::awaitable<void> wait_in(Gates& gates);
  static void let(Gates& gates);
  void note_peak();

  boost::asio::io_context& io_;
  std::filesystem::path directory_;
  int next_ = 1;
  Gates creates_, destroys_, pauses_, resumes_, resizes_;
};

// Runs everything that is ready.
void settle(boost::asio::io_context& io);
// Runs until `done` says so; false after half a minute.
bool run_until(boost::asio::io_context& io, const std::function<bool()>& done);

// kinds python:3 (image img/python), nodejs:20 (img/nodejs), quiet:1 (prints no sentinels);
// blackbox known/skeleton. `stem_cells` is the JSON of python's.
entity::RuntimesManifest make_manifest(const std::string& stem_cells = "[]");

entity::ActionPtr make_action(const std::string& name, std::int64_t memory_mb = 256,
                              std::uint64_t revision = 1, const std::string& kind = "python:3",
                              std::int64_t concurrency = 1);
entity::Identity make_identity(const std::string& name);

}  // namespace berth::test
