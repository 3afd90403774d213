// SPDX-License-Identifier: Apache-2.0
// MesosFactory: berth.container-factory/1 on a Mesos cluster. A container is a task.
//
// All state belongs to the loop's thread; overrides, which come from any thread, copy what they
// were given and post. A container's id is its task's: it is also the durable token.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "berth/sdk/plugin.hpp"
#include "mesos/agent_files.hpp"
#include "mesos/config.hpp"
#include "mesos/host_store.hpp"
#include "mesos/scheduler/scheduler.hpp"
#include "support/event_loop.hpp"

namespace berth::mesos {

class MesosFactory final : public sdk::ContainerFactory, private Observer {
 public:
  explicit MesosFactory(const sdk::OpenArgs& args);
  ~MesosFactory() override;

  void start(sdk::ContainerEvents events, sdk::Promise<void> done) override;
  void create(const sdk::CreateRequestView& request,
              sdk::Promise<sdk::ContainerInfo> done) override;
  void destroy(std::string_view id, sdk::Promise<void> done) override;
  void list(std::string_view cursor, std::uint32_t limit,
            sdk::Promise<sdk::ContainerList> done) override;
  void read_logs(std::string_view id, std::string_view cursor, std::uint64_t max_bytes,
                 sdk::Promise<sdk::LogBatch> done) override;
  void capacity(sdk::Promise<sdk::Capacity> done) override;
  void drain(sdk::Promise<void> done) override;
  void stop(sdk::StopMode mode, sdk::Promise<void> done) override;
  void on_cancel(std::uint64_t id) override;

 private:
  struct Creation;
  struct Reading;
  // A container that ended by itself and was not destroyed yet: its output can still be read.
  struct Dead {
    v1::StoredTask stored;
  };

  // Observer
  void on_ended(const Task& task, const Ending& ending) override;
  void on_link(const sdk::Status& status) override;
  void on_note(const std::string& text) override;

  // mesos_factory.cpp
  void await_start(SteadyTime deadline);
  void end_start(const sdk::Status& status);
  void run_stop(sdk::StopMode mode, std::shared_ptr<sdk::Promise<void>> done);
  void await_kills(std::shared_ptr<sdk::Promise<void>> done, SteadyTime deadline);
  void finish_stop(std::shared_ptr<sdk::Promise<void>> done);
  void count();
  sdk::ContainerInfo info_of(const std::string& id, const v1::StoredTask& stored) const;

  // creation.cpp
  void run_create(sdk::CreateRequest request, sdk::Promise<sdk::ContainerInfo> done);
  void on_launched(std::shared_ptr<Creation> creation, const Task& task);
  void learn_log_starts(std::shared_ptr<Creation> creation, const Task& task);
  void maybe_created(std::shared_ptr<Creation> creation);
  void fail_create(const std::shared_ptr<Creation>& creation, const sdk::Status& why);
  void create_ended(const std::shared_ptr<Creation>& creation);

  // reading.cpp
  void read_once(std::shared_ptr<Reading> reading);
  void read_stream(std::shared_ptr<Reading> reading, bool err);
  void on_piece(const std::shared_ptr<Reading>& reading, bool err, AgentFiles::Piece piece);
  void check_rotation(std::shared_ptr<Reading> reading, bool err);
  void read_ended(const std::shared_ptr<Reading>& reading);
  const v1::StoredTask* stored_of(const std::string& id, bool* ended) const;

  const sdk::Host host_;
  const sdk::Log log_;
  Config config_;
  const std::unique_ptr<TaskBuilder> builder_;
  support::EventLoop loop_;  // before everything that needs its context
  HostStore store_;
  AgentFiles files_;
  Scheduler scheduler_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer counting_;

  sdk::ContainerEvents events_;
  std::unique_ptr<sdk::Promise<void>> starting_;
  bool subscribed_ = false;
  bool drained_ = false;
  bool stopped_ = false;
  std::string last_trouble_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Creation>> creations_;  // by operation
  std::unordered_map<std::string, std::shared_ptr<Creation>> by_task_;      // of those that run
  std::unordered_map<std::string, Dead> dead_;
  std::unordered_map<std::uint64_t, std::shared_ptr<Reading>> readings_;  // by operation
  std::vector<sdk::Promise<void>> draining_;

  struct Metrics {
    sdk::Series tasks, pending, offers, doubted, subscribed, launched, failed, relaunched, orphans,
        subscriptions, create_seconds;
  };
  Metrics metrics_;
  Scheduler::Counters counted_;
};

}  // namespace berth::mesos
