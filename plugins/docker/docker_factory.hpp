// SPDX-License-Identifier: Apache-2.0
// DockerFactory: berth.container-factory/1 on the Docker Engine API.
//
// All state belongs to the loop's thread; overrides, which come from any thread, copy what they
// were given and post. What takes several steps is a coroutine of the loop. The engine is watched
// by its event stream: when that breaks, the engine is taken for gone, calls fail with UNAVAILABLE,
// and once it answers again what it has is compared with what we know.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "berth/sdk/plugin.hpp"
#include "docker/config.hpp"
#include "docker/container.hpp"
#include "docker/engine.hpp"
#include "docker/events.hpp"
#include "docker/images.hpp"
#include "docker/inotify.hpp"
#include "docker/network_pool.hpp"
#include "docker/signal.hpp"
#include "support/event_loop.hpp"
#include "support/outstanding.hpp"

namespace berth::docker {

class DockerFactory final : public sdk::ContainerFactory, public sdk::Resize, public sdk::Stats {
 public:
  explicit DockerFactory(const sdk::OpenArgs& args);
  ~DockerFactory() override;

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
  using ContainerPtr = std::shared_ptr<Container>;
  template <typename T>
  using Task = boost::asio::awaitable<T>;

  // docker_factory.cpp
  Task<void> run_start(sdk::Promise<void> done);
  Task<sdk::Status> learn_owner();
  Task<void> run_destroy(std::string id, sdk::Promise<void> done);
  Task<void> run_list(std::string cursor, std::uint32_t limit,
                      sdk::Promise<sdk::ContainerList> done);
  Task<void> run_capacity(sdk::Promise<sdk::Capacity> done);
  Task<void> run_stop(sdk::StopMode mode, sdk::Promise<void> done);
  void spawn(Task<void> task);
  ContainerPtr find(std::string_view id) const;
  sdk::Status down() const;
  void forget(const ContainerPtr& container);

  // creating.cpp
  struct Starting;
  Task<void> run_create(sdk::CreateRequest request, sdk::Promise<sdk::ContainerInfo> done);
  Task<void> run_attempt(sdk::CreateRequest request, std::shared_ptr<Starting> starting);
  Task<sdk::Status> prepare(const sdk::CreateRequest& request, std::shared_ptr<Starting> starting);
  std::string progress_of(const sdk::CreateRequest& request, const Starting& starting) const;
  sdk::Status too_late(const sdk::CreateRequest& request, const Starting& starting);
  Task<sdk::Status> wait_for_engine(std::shared_ptr<Starting> starting);
  Task<bool> engine_was_leaving(sdk::Status why, ContainerPtr container, std::uint64_t losses);
  void create_ended();

  // creation.cpp
  Task<Result<ContainerPtr>> make_container(const sdk::CreateRequest& request,
                                            std::shared_ptr<Starting> starting);
  Task<Result<std::string>> create_in_engine(const sdk::CreateRequest& request, std::string body,
                                             std::shared_ptr<Starting> starting);
  Task<sdk::Status> fetch_missing(const sdk::CreateRequest& request,
                                  std::shared_ptr<Starting> starting);
  Task<sdk::Status> start_container(const sdk::CreateRequest& request, ContainerPtr container,
                                    std::shared_ptr<Starting> starting);
  Task<void> run_engine_start(ContainerPtr container, std::shared_ptr<Starting> starting,
                              Limiter::Place place);
  static sdk::Status never_listened(const sdk::CreateRequest& request);
  Task<Result<std::string>> inspect_address(ContainerPtr container);
  // Of a container without a network: opens the way into it. Its network namespace.
  Task<Result<std::shared_ptr<const NetworkNamespace>>> open_relay(ContainerPtr container);

  // removal.cpp: DELETE until it is gone, and what belonged to it.
  Task<sdk::Status> remove_container(ContainerPtr container);
  Task<void> remove_until_gone(ContainerPtr container);
  Task<sdk::Status> remove_id(std::string id);
  // Everything of this berthd that the engine has, also what creates that are under way add.
  Task<sdk::Status> remove_all(SteadyTime deadline);
  struct Sweep;
  Task<void> sweep_one(std::string id, std::shared_ptr<Sweep> sweep);
  // Nothing that was begun on the engine is under way.
  bool at_rest() const { return creating_ == 0 && removing_ == 0 && !pool_.making(); }
  Task<void> wait_for_rest(SteadyTime deadline);

  // dying.cpp
  Task<void> on_die(ContainerPtr container, int exit_code);
  Task<void> kill_for_memory(ContainerPtr container);
  void report(const ContainerPtr& container, Death death);
  Task<void> recheck(ContainerPtr container);
  // Whether one that looks as if it had ended has; its death is known then.
  Task<bool> has_ended(ContainerPtr container, SteadyTime deadline);

  // watching.cpp
  void watch_events(std::int64_t since_ns, std::shared_ptr<Signal> opened);
  void on_event(const Event& event);
  void on_events_ended(const sdk::Status& why);
  Task<void> reconnect();
  Task<Result<std::vector<ContainerPtr>>> reconcile(bool adopt_all);
  // Something may be in the engine that nobody knows: it is looked at a few times in the next
  // minutes.
  void suspect();
  Task<void> look_again();
  ContainerPtr adopt(const boost::json::object& listed);

  // pausing.cpp
  Task<void> run_pause(ContainerPtr container, sdk::Promise<void> done);
  Task<void> run_resume(ContainerPtr container, sdk::Promise<void> done);
  Task<sdk::Status> set_frozen(ContainerPtr container, bool frozen);
  Task<void> seek_freezer(ContainerPtr container);

  // resizing.cpp: other limits, and what a container uses
  Task<void> run_resize(ContainerPtr container, sdk::ResizeRequest request,
                        sdk::Promise<void> done);
  Task<void> run_stats(ContainerPtr container, sdk::Promise<sdk::ContainerStats> done);

  // reading.cpp
  Task<void> run_read(ContainerPtr container, std::string cursor, std::uint64_t max_bytes,
                      sdk::Promise<sdk::LogBatch> done);
  Task<void> read_file(ContainerPtr container, std::string cursor, std::uint64_t max_bytes,
                       sdk::Promise<sdk::LogBatch> done);
  Task<void> read_endpoint(ContainerPtr container, std::string cursor, std::uint64_t max_bytes,
                           sdk::Promise<sdk::LogBatch> done);
  std::string log_directory(const Container& container) const;

  const sdk::Host host_;
  const sdk::Log log_;
  const std::string runtime_directory_;
  Config config_;
  support::EventLoop loop_;  // before everything that needs its context
  support::Outstanding host_calls_;
  Engine engine_;
  Images images_;
  NetworkPool pool_;
  Inotify inotify_;
  const std::shared_ptr<Limiter> creates_;
  const std::shared_ptr<Limiter> removals_;

  sdk::ContainerEvents events_;
  EngineInfo info_;
  std::string owner_;
  bool started_ = false;
  bool up_ = false;           // the event stream is open
  std::uint64_t losses_ = 0;  // how often it broke
  bool reconnecting_ = false;
  int looks_left_ = 0;  // of look_again
  std::chrono::milliseconds next_look_{0};
  bool looking_ = false;
  bool stopped_ = false;
  bool drained_ = false;
  std::uint64_t event_stream_ = 0;
  std::int64_t last_event_ns_ = 0;

  std::unordered_map<std::string, ContainerPtr> containers_;               // by id
  std::unordered_map<std::uint64_t, std::shared_ptr<Starting>> starting_;  // by operation
  // Reads that wait, by operation; one that is cancelled is taken out.
  std::unordered_map<std::uint64_t, std::shared_ptr<Signal>> reads_;
  std::unordered_set<std::shared_ptr<Starting>> waiting_for_engine_;  // creates, while it is gone
  std::unordered_set<std::string> engine_names_;  // of creates whose id is not known yet
  std::size_t creating_ = 0;                      // until what was begun on the engine has ended
  std::size_t removing_ = 0;
  std::vector<sdk::Promise<void>> draining_;
  bool files_reachable_ = false;  // the engine's log files

  struct Metrics {
    sdk::Series containers, created, create_seconds, engine_up, reconnects;
  };
  Metrics metrics_;
};

}  // namespace berth::docker
