// SPDX-License-Identifier: Apache-2.0
// The ContainerPool: hands out containers to activations and decides which ones exist.
//
// An activation that wants a container is a Waiter. It gets a Lease of, in this order: a warm
// container of its action and namespace; a prewarmed one of its kind (its memory, else the next
// larger, else a smaller one that the factory can give more memory); a new one, made room for by
// removing idle ones, least recently used first and prewarmed last. Who has to wait is never tied
// to the start made for it: it takes what comes free first, and a start that comes too late goes to
// another waiter or into the stock.
//
// Waiters queue first come, first served within an action; namespaces take turns, and within each
// its actions do (pool_fairness.cpp). One that needs more memory than there is is overtaken by
// those that fit, but only for PoolOptions::overtake_limit: then room is made for it.
//
// All memory counts: of containers being created, idle, paused, and being removed until the factory
// says they are gone. Every operation takes time independent of the number of containers and of
// waiters (it grows with the number of different sizes that wait).
//
// A pool belongs to one io_context that one thread runs and is not thread-safe, but for
// died_handler(). Several pools (one a worker) share nothing: memory is the only thing they would
// trade.
#pragma once

#include <array>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/text_hash.hpp"
#include "container/container.hpp"
#include "container/pool_lists.hpp"
#include "container/pool_options.hpp"
#include "container/slot_table.hpp"
#include "entity/identity.hpp"
#include "entity/runtimes.hpp"

namespace berth::container {

class ContainerPool;

// The right to run one activation in a container. Move-only; ends with release(), or, if it is
// dropped, as if the container were unfit. Valid while the pool is.
class Lease {
 public:
  Lease() = default;
  Lease(ContainerPool* pool, ContainerPtr container, StartKind kind);
  Lease(Lease&& other) noexcept;
  Lease& operator=(Lease&& other) noexcept;
  ~Lease();

  explicit operator bool() const { return container_ != nullptr; }
  StartKind kind() const { return kind_; }
  const std::string& container_id() const { return container_->id; }
  const std::string& container_name() const { return container_->name; }
  // Whether /init must be sent first.
  bool needs_init() const { return container_->state == State::kInitialising; }
  // Null once the container died.
  ActionClient* client() const { return container_->client.get(); }
  // Whether the runtime promises to end each activation's output with the sentinel.
  bool sentinelled() const;
  // How it died; null: it did not.
  const plugin::ContainerDied* death() const { return container_->death.get(); }
  // Calls back once, when the container dies; at once if it did.
  void on_death(std::function<void()> handler);
  // /init went well: the container is warm from now on.
  void initialised();
  // Delays the destruction of the container until the result was destroyed (its output is still
  // read).
  std::shared_ptr<void> hold() const;

  // The activation ended. `fit`: the container may serve another one.
  void release(bool fit);
  // Instead: nothing was sent to the container, so it is as it was before.
  void give_back();

 private:
  ContainerPool* pool_ = nullptr;
  ContainerPtr container_;
  StartKind kind_ = StartKind::kCold;
};

// An activation that wants a container. The pool keeps no ownership; it must live until it got its
// lease or failure, or was cancelled.
class Waiter : private QueuePlace {
 public:
  // Who wants what; set before acquire().
  entity::ActionPtr action;
  const entity::Identity* user = nullptr;
  std::string_view transaction_id;

  // Called once, perhaps from inside acquire().
  virtual void on_lease(Lease lease) = 0;
  // Called instead: no container could be made. Never from inside acquire().
  virtual void on_start_failed(const Status& why) = 0;

 protected:
  ~Waiter() = default;

 private:
  friend class ContainerPool;
};

struct PoolDependencies {
  boost::asio::io_context& io;
  const Clock& clock;
  Metrics& metrics;
  plugin::ContainerFactory& factory;
  const entity::RuntimesManifest& manifest;
  Ledger* ledger = nullptr;  // null: nothing is adopted by the next berthd
  Wires wires{};             // which threads have the connections to containers; none: this one
};

// A snapshot, for tests, gauges and `berth container list`.
struct PoolStats {
  std::array<std::size_t, kStates> containers{};  // by state
  std::uint64_t used_bytes = 0;
  std::uint64_t idle_bytes = 0;   // that removing warm idle containers would give
  std::uint64_t stock_bytes = 0;  // prewarmed
  std::size_t queue = 0;
  std::size_t tenants = 0;  // namespaces with containers or waiting activations
  std::size_t classes = 0;  // ways of creating containers that are in use
  std::chrono::seconds retry_after{1};
};

// One container as `berth container list` shows it.
struct ContainerView {
  std::string name;
  std::string id;  // the factory's; empty while creating
  State state = State::kCreating;
  std::string kind;
  std::string image;
  std::uint64_t memory_bytes = 0;
  std::string space;   // whose code it holds: the invoking namespace
  std::string action;  // and the action's path; both empty: nobody's
  std::uint32_t active = 0;
  std::chrono::milliseconds age{0};
  std::chrono::milliseconds idle{0};  // 0 unless idle
  std::string detail;                 // what it waits for while creating, if that takes long
};

// What is known of the prewarming of one kind and size.
struct PrewarmView {
  std::string kind;
  std::uint64_t memory_bytes = 0;
  std::uint32_t wanted = 0;
  std::uint32_t stocked = 0;
  std::uint32_t starting = 0;
  std::uint32_t failures = 0;  // in a row
  std::string last_error;      // of those
};

class ContainerPool : public std::enable_shared_from_this<ContainerPool> {
 public:
  static std::shared_ptr<ContainerPool> make(PoolDependencies dependencies, PoolOptions options);
  ~ContainerPool();

  // For ContainerFactory::start; may be called from any thread, also after the pool is gone.
  plugin::ContainerFactory::DiedHandler died_handler();
  // Called with the id of each container that is gone, on the pool's thread.
  void on_gone(std::function<void(const std::string& id)> handler) { gone_ = std::move(handler); }

  // Awaited in start() with the ids of the adopted containers, before they are used: what they
  // wrote for an earlier berthd is to be passed over.
  using Adopted = std::function<boost::asio::awaitable<void>(std::vector<std::string> ids)>;
  void on_adopted(Adopted handler) { adopted_ = std::move(handler); }

  // Once, after the factory's start: asks for its capacity, adopts or removes what an earlier
  // berthd left, begins to prewarm and to tick.
  boost::asio::awaitable<Status> start(SteadyTime deadline);
  // LogStore::container_parameters, known after the stores started; before start().
  void set_log_parameters(plugin::Pairs parameters) {
    options_.log_parameters = std::move(parameters);
  }

  // Whether an action of that memory could run here at all.
  bool fits_ever(std::uint64_t memory_bytes) const { return memory_bytes <= options_.memory_bytes; }

  // Gives `waiter` a lease now or later. RESOURCE_EXHAUSTED: the queue is full, or the memory can
  // never fit; NOT_FOUND: the manifest has no such kind; UNAVAILABLE: the pool is stopping.
  Status acquire(Waiter& waiter);
  // The same, before those that came later: for one whose container turned out to be gone.
  Status acquire_again(Waiter& waiter);
  // Takes a waiter out of the queue.
  void cancel(Waiter& waiter);

  // The container serves whom it serves now and is then removed.
  void retire(const std::string& container_id);

  // Work of every tick: pauses, idle time-outs, retries, prewarming. Tests call it themselves.
  void tick();
  // The next look for a start is a whole one: for tests.
  void forget_outlooks();
  // Starts nothing any more and gives no lease. Containers stay: the factory's stop() decides.
  void stop();
  // The factory is not spoken to any more: leases may still end, without effect; requests under way
  // end as broken.
  void close();

  PoolStats stats() const;
  // All of them, in the order of their making. Takes time by their number.
  std::vector<ContainerView> list() const;
  std::vector<PrewarmView> prewarming() const;
  // The factory's ids of those it is known to have.
  std::vector<std::string> ids() const;
  // When there will be room in the queue, going by how fast it moves: 1 s to 60 s.
  std::chrono::seconds retry_after() const;

 private:
  friend class Lease;
  ContainerPool(PoolDependencies dependencies, PoolOptions options);

  // container_pool.cpp: leases and the queue.
  Result<ActionSlot*> find_slot(const Waiter& waiter);
  ActionSlot& add_slot(entity::ActionPtr action, const std::string& namespace_uuid,
                       std::string namespace_name);
  Status acquire(Waiter& waiter, bool again);
  void enqueue(Waiter& waiter, ActionSlot& slot);
  void leave_queue(Waiter& waiter);
  static Waiter& front(ActionSlot& slot);
  void grant(Container& container, Waiter& waiter);
  void assign(Container& container, ActionSlot& slot);
  void serve(ActionSlot& slot);
  void initialised(Container& container);
  void release(Container& container, bool fit);
  void give_back(Container& container);
  void make_idle(Container& container, SteadyTime now);
  void offer_fresh(Container& container, ActionSlot* preferred);
  bool queue_is_full(const Tenant& tenant) const;
  class SlotHold;
  void forget_slot_if_unused(ActionSlot& slot);

  // pool_fairness.cpp: whose turn it is, and who gives way.
  Tenant& find_tenant(const std::string& uuid);
  void forget_tenant_if_unused(Tenant& tenant);
  bool within_share(const Tenant& tenant, std::uint64_t more) const;
  bool is_fair(const Container& planned) const;
  void charge(Container& container, Tenant* tenant);
  static void join_class(ActionSlot& slot, SizeClass& size_class);
  void update_needy(ActionSlot& slot);
  void leave_turn(ActionSlot& slot);
  void take_turn(Tenant& tenant, std::uint64_t bytes);
  void dispatch();
  ActionSlot* next_startable(SteadyTime now);
  ActionSlot* next_starved(SteadyTime now);
  SteadyTime worth_from(const ActionSlot& slot) const;
  void update_worth(ActionSlot& slot);
  void count_container(ActionSlot& slot, int more);
  ActionSlot* first_worth(TenantQueue& queue, SteadyTime now, SteadyTime& first) const;
  bool gives_way(const Container& container, SteadyTime now);
  std::int64_t room_for(const Tenant& tenant) const;

  // pool_victims.cpp: what a start costs, and what is removed for one.
  void learn_cost(SizeClass& size_class);
  static SteadyTime ripe_from(const Container& container, bool overdue);
  bool choose_victims(const Tenant& tenant, std::uint64_t bytes, std::int64_t missing, bool overdue,
                      SteadyTime now, SteadyTime& again);
  void count_in(const Container& idle);

  // pool_adopt.cpp: the start, and the ledger.
  boost::asio::awaitable<Status> adopt_left(SteadyTime deadline);
  std::string adopt(const plugin::ContainerInfo& info, const Ledger::Left& left);
  void remove_orphan(const plugin::ContainerInfo& info, const Ledger::Left* left,
                     std::string_view reason);
  std::uint64_t settings_digest() const;
  void note(Container& container, bool busy);
  void strike(Container& container);

  // pool_memory.cpp: who exists.
  std::int64_t balance() const;
  bool evict_for(const Tenant& tenant, std::uint64_t bytes, std::int64_t missing, bool force,
                 SteadyTime now, SteadyTime& again);
  void settle_deficit();
  void forget_class(SizeClass* size_class);  // one user less
  Container& add_container(SizeClass& size_class, StartKind kind);
  void plan_start(ActionSlot& slot, bool force);
  void issue_planned();
  void cancel_planned(ActionSlot& slot);
  void unplan(Container& container);
  void end_promise();
  Container* take_stock(SizeClass& size_class);
  void put_stock(Container& container);
  void unlink_idle(Container& container);
  SizeClass& find_class(const std::string& kind, const std::string& image, bool user_provided,
                        bool concurrent, std::uint64_t memory_bytes);

  // pool_resize.cpp: prewarmed ones that are given more memory.
  Container* stock_to_grow(const ActionSlot& slot) const;
  void grow(Container& container, ActionSlot& slot);
  plugin::ResizeRequest limits_of(std::uint64_t memory_bytes) const;
  void resized(Container& container, Result<void> result);

  // pool_prewarm.cpp: the stock.
  void want_prewarmed();
  void follow_demand(SteadyTime now);
  void expire_stock(SteadyTime now);
  void ensure_prewarmed(SizeClass& size_class);
  void prewarm_failed(SizeClass& size_class, std::string_view why);

  // pool_lifecycle.cpp: what is asked of the factory, and its answers.
  void issue_create(Container& container);
  void created(Container& container, Result<plugin::ContainerInfo> info);
  void create_failed(Container& container, const Status& why);
  void start_failed(ActionSlot& slot, const Status& why);
  void retry_later(ActionSlot& slot, const Status& why);
  void pause(Container& container);
  void paused(Container& container, Result<void> result);
  void resume(Container& container);
  void resumed(Container& container, Result<void> result);
  bool step(Container& container, Event event);
  void remove(Container& container, Event event, std::string_view reason);
  void destroy_if_unused(Container& container);
  void destroyed(Container& container, Result<void> result);
  void gone(Container& container);
  void died(plugin::ContainerDied death);
  void uncount_start(Container& container);
  void publish() const;
  void measure_queue(SteadyTime now);
  void arm_timer();

  const PoolDependencies with_;
  PoolOptions options_;
  const std::uint64_t capacity_bytes_;
  bool can_pause_ = false;
  bool can_resize_ = false;
  SteadyTime resize_not_before_{};  // a factory that has failed is left alone for a while
  bool started_ = false;
  bool stopping_ = false;
  bool closed_ = false;
  std::uint64_t next_number_ = 1;
  boost::asio::steady_timer timer_;
  std::function<void(const std::string&)> gone_;
  Adopted adopted_;
  std::uint64_t settings_ = 0;  // digest of what containers are created with

  Slab<Container> containers_;
  ContainerList<&Container::all_hook> all_;
  std::unordered_map<std::string, Container*> by_id_;
  std::unordered_map<std::string, plugin::ContainerDied> early_deaths_;  // before `create` answered

  SlotTable slots_;
  std::unordered_map<std::string, std::map<std::uint64_t, std::unique_ptr<SizeClass>>> classes_;
  std::vector<SizeClass*> prewarmed_classes_;
  SteadyTime demand_at_;     // when what is wanted was last set
  std::size_t minute_ = 60;  // of the hour, at the last tick; 60: none yet
  NeedyClasses needy_classes_;
  std::unordered_map<std::string, std::unique_ptr<Tenant>, TextHash> tenants_;  // by uuid
  std::set<Tenant*, ByHeld> by_held_;  // those that hold something
  std::uint64_t share_ = 0;            // of the memory, for each of them
  std::uint64_t changes_ = 0;          // of what an Outlook goes by
  std::uint64_t next_tenant_ = 1;
  std::uint64_t turn_ = 0;  // that of the last start
  std::size_t waiting_tenants_ = 0;
  std::vector<Container*> victims_;  // the last choice

  ContainerList<&Container::idle_hook> idle_;   // warm, least recently used first
  ContainerList<&Container::idle_hook> kept_;   // warm, past the idle timeout, kept for longer
  ContainerList<&Container::idle_hook> stock_;  // prewarmed, oldest first
  ContainerList<&Container::unpaused_hook> unpaused_;  // idle and could be paused, oldest first
  ContainerList<&Container::work_hook> planned_;       // wait for memory that is about to come
  Outlook settling_;               // of the last look for what is to be removed for those
  Container* promised_ = nullptr;  // that of `planned_` for which there is not memory enough yet
  ContainerList<&Container::work_hook> undestroyed_;  // the factory failed to destroy them
  SlotList<&ActionSlot::retry_hook> retrying_;

  // Bytes. used: containers that exist; leaving: those of them being removed; planned: not yet
  // created ones that memory was promised to.
  std::uint64_t used_ = 0;
  std::uint64_t leaving_ = 0;
  std::uint64_t planned_bytes_ = 0;
  std::uint64_t idle_bytes_ = 0;
  std::uint64_t stock_bytes_ = 0;
  std::size_t queue_ = 0;
  std::uint64_t left_queue_ = 0;  // ever
  std::uint64_t left_before_ = 0;
  SteadyTime rate_at_;
  double queue_rate_ = 0;  // a second, smoothed
  std::uint64_t next_turn_ = 1;
  std::array<std::size_t, kStates> counts_{};
  SteadyTime none_starved_at_;  // when nobody was found who waited for too long
  bool dispatching_ = false;
  bool dispatch_again_ = false;

  struct Gauges;
  std::unique_ptr<Gauges> gauges_;
};

}  // namespace berth::container
