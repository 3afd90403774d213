// SPDX-License-Identifier: Apache-2.0
// ProcessFactory: berth.container-factory/1 on berth-sandboxer.
//
// The plugin itself keeps no sandbox: it finds or starts the sandboxer of its instance, hands it
// commands with a listening socket each, and passes answers on. If the sandboxer dies, all
// sandboxes are dead: they are reported so, calls fail with UNAVAILABLE, and a new sandboxer is
// started, with growing pauses while that fails.
//
// Overrides are [any-thread] and send from the calling thread; everything else runs on the loop's.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "berth/sdk/plugin.hpp"
#include "factory/config.hpp"
#include "factory/freezer.hpp"
#include "factory/listen_sockets.hpp"
#include "factory/sandboxer_client.hpp"
#include "support/event_loop.hpp"

namespace berth::process {

class ProcessFactory final : public sdk::ContainerFactory, public sdk::Resize, public sdk::Stats {
 public:
  explicit ProcessFactory(const sdk::OpenArgs& args);
  ~ProcessFactory() override;

  void start(sdk::ContainerEvents events, sdk::Promise<void> done) override;
  void create(const sdk::CreateRequestView& request,
              sdk::Promise<sdk::ContainerInfo> done) override;
  void destroy(std::string_view id, sdk::Promise<void> done) override;
  void pause(std::string_view id, sdk::Promise<void> done) override;
  void resume(std::string_view id, sdk::Promise<void> done) override;
  void list(std::string_view cursor, std::uint32_t limit,
            sdk::Promise<sdk::ContainerList> done) override;
  void read_logs(std::string_view id, std::string_view cursor, std::uint64_t max_bytes,
                 sdk::Promise<sdk::LogBatch> done) override;
  void capacity(sdk::Promise<sdk::Capacity> done) override;
  void resize(std::string_view id, const sdk::ResizeRequest& request,
              sdk::Promise<void> done) override;
  void stats(std::string_view id, sdk::Promise<sdk::ContainerStats> done) override;
  void drain(sdk::Promise<void> done) override;
  void stop(sdk::StopMode mode, sdk::Promise<void> done) override;
  void on_cancel(std::uint64_t id) override;

 private:
  using Connected = std::function<void(sdk::Status)>;

  // The connection, or null while there is none. [any-thread]
  std::shared_ptr<SandboxerClient> client() const;
  void simple(MessageType type, std::string_view id, sdk::Promise<void> done);
  // Freezes or thaws without the sandboxer, which asks the kernel where it must know; false if that
  // did not work.
  bool freeze_directly(const std::string& id, bool frozen);
  CreateRequest request_for(const sdk::CreateRequestView& request,
                            const std::vector<std::string>& argv, const std::string& runtime,
                            const ListenSocket& socket) const;
  void create_ended();

  // On the loop's thread from here on.
  void connect(bool may_launch, Connected done);
  void greet(std::shared_ptr<SandboxerClient> client, bool may_launch, Connected done);
  void configure(std::shared_ptr<SandboxerClient> client, Connected done);
  void launch(Connected done);
  void on_died(const Died& died);
  void on_lost();
  void reconnect();
  void report(const Enforcement& enforcement);
  void publish_metrics();

  const sdk::Log log_;
  const std::string instance_;
  const std::string data_directory_;
  std::string runtime_directory_;
  Config config_;
  ListenSockets sockets_;
  sdk::ContainerEvents events_;

  mutable std::mutex mutex_;  // guards what follows
  std::shared_ptr<SandboxerClient> client_;
  std::shared_ptr<const Freezer> freezer_;  // of the client's sandboxer; null while there is none
  struct Known {
    std::string socket_path;
    std::string group;
    // What pauses and resumes it (freezer.hpp), from its first pause on, if there is room.
    std::shared_ptr<const UniqueFd> freezer = {};
  };
  // Created or listed and neither destroyed nor dead, by id.
  std::unordered_map<std::string, Known> known_;
  std::unordered_map<uint64_t, uint64_t> reads_;  // operation to request
  size_t creating_ = 0;
  std::vector<sdk::Promise<void>> draining_;
  bool drained_ = false;

  // The loop's thread only.
  bool stopped_ = false;
  uint32_t failures_ = 0;
  std::string reported_;
  std::string reported_zygote_;

  struct Gauges {
    sdk::Series sandboxes, prepared, networks, leaving, addresses, removing, dropped;
    sdk::Series zygotes, prepared_forks, zygote_starts, forked, fallbacks;
  };
  Gauges gauges_;
  sdk::Series created_;
  sdk::Series start_seconds_;

  support::EventLoop loop_;  // before the timers, which need it; joined in the destructor
  boost::asio::steady_timer retry_;
  boost::asio::steady_timer metrics_;
};

}  // namespace berth::process
