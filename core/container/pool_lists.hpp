// SPDX-License-Identifier: Apache-2.0
// What the ContainerPool sorts containers and waiters by: one Tenant for each invoking namespace,
// one ActionSlot for each action and revision that it invokes, one SizeClass for each way of
// creating a container. Private to the pool. Not thread-safe.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/set.hpp>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/clock.hpp"
#include "container/container.hpp"
#include "container/start_pattern.hpp"
#include "entity/action.hpp"
#include "entity/runtimes.hpp"

namespace berth::container {

// How many namespaces, actions or containers are looked at for one decision: what keeps it short
// where there are many.
inline constexpr int kLooks = 16;
// A container that others wait for serves its action for so many times what it takes to start one.
inline constexpr int kServes = 3;

// The part of a Waiter that stands in a queue.
struct QueuePlace {
  ListHook hook;
  ActionSlot* slot = nullptr;
  SteadyTime since;
  std::uint64_t number = 0;  // order of first arrival; 0: never queued
};
using WaiterQueue =
    boost::intrusive::list<QueuePlace,
                           boost::intrusive::member_hook<QueuePlace, ListHook, &QueuePlace::hook>,
                           boost::intrusive::constant_time_size<false>>;

struct Tenant;
struct TenantQueue;

// Containers and waiters of one revision of one action, invoked from one namespace. What a warm
// activation touches is in the first cache line: what it is looked up by, whether there is a free
// container, and what is learned of it.
struct alignas(64) ActionSlot {
  ActionSlot(Tenant& of, entity::ActionPtr what)
      : tenant(&of), object(what.get()), action(std::move(what)) {}

  Tenant* const tenant;
  const entity::Action* object;               // `action`
  ContainerList<&Container::free_hook> free;  // can take one more now, last used first
  std::uint32_t waiting = 0;
  std::uint32_t concurrency = 1;
  SteadyTime last_granted;
  float run_ms = 0;        // of an activation, smoothed; 0: not known
  float gap_ms = 0;        // between activations, smoothed; 0: not known
  std::uint32_t idle = 0;  // of the containers: nobody uses them
  bool sentinelled = true;

  entity::ActionPtr action;
  SizeClass* size_class = nullptr;
  WaiterQueue waiters;
  std::uint32_t starts = 0;      // creating or resuming for it
  std::uint32_t containers = 0;  // that hold its code
  std::uint32_t unissued = 0;    // of the starts: still waiting for memory
  std::uint32_t holds = 0;       // reasons to keep it though nothing uses it (SlotHold)
  TenantQueue* queue = nullptr;  // of its namespace and class
  ListHook retry_hook;           // pool: its next start waits until `retry_at`
  ContainerList<&Container::free_hook> resting;  // paused or pausing, last used first
  ListHook waiting_hook;                         // class: has waiters
  ListHook needy_hook;                           // queue: has more waiters than starts
  std::uint64_t turn = 0;                        // while needy: smaller is earlier
  SteadyTime worth_from = SteadyTime::max();     // while needy: what its class's outlook goes by
  SteadyTime retry_at;
  std::uint32_t start_failures = 0;  // in a row, of those worth another try
  std::string namespace_name;
};
template <ListHook ActionSlot::*Hook>
using SlotList =
    boost::intrusive::list<ActionSlot, boost::intrusive::member_hook<ActionSlot, ListHook, Hook>,
                           boost::intrusive::constant_time_size<false>>;

// The needy slots of one namespace in one class, in the order of their turns.
struct TenantQueue {
  TenantQueue(Tenant& of, SizeClass& in) : tenant(of), size_class(in) {}

  Tenant& tenant;
  SizeClass& size_class;
  std::uint32_t slots = 0;  // of that namespace and class, needy or not
  SlotList<&ActionSlot::needy_hook> needy;
  // While there are any:
  ListHook tenant_hook;
  boost::intrusive::set_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>
      order_hook;
};

// One invoking namespace. Namespaces take turns in starting containers: `turn` grows by the memory
// of each start, and the smallest turn comes first. One that comes back after a while starts at the
// turn of the others: it has saved up nothing and owes nothing.
struct Tenant {
  std::string uuid;
  std::uint64_t number = 0;  // of its making
  std::uint64_t turn = 0;
  std::uint64_t held = 0;  // bytes of the containers that hold its code or start for it
  std::uint32_t slots = 0;
  std::size_t waiting = 0;
  ContainerList<&Container::tenant_hook> idle;  // warm, least recently used first
  boost::intrusive::list<
      TenantQueue, boost::intrusive::member_hook<TenantQueue, ListHook, &TenantQueue::tenant_hook>,
      boost::intrusive::constant_time_size<false>>
      queues;
};
struct ByTurn {
  bool operator()(const TenantQueue& a, const TenantQueue& b) const {
    return a.tenant.turn != b.tenant.turn ? a.tenant.turn < b.tenant.turn
                                          : a.tenant.number < b.tenant.number;
  }
};
struct ByHeld {  // who holds most comes first
  bool operator()(const Tenant* a, const Tenant* b) const {
    return a->held != b->held ? a->held > b->held : a->number < b->number;
  }
};

// What the last look for a start in a class told: before these times there is no use in another one
// unless more memory is free than was, or something else changed. None: nothing is known.
struct Outlook {
  SteadyTime worth_from = SteadyTime::min();      // one that waits is worth a start
  SteadyTime startable_from = SteadyTime::min();  // and there are containers to be taken for it
  std::int64_t most = 0;                          // bytes that were free then
  std::uint64_t changes = 0;                      // the pool's, then
  bool fair = false;  // one that is worth a start belongs to a namespace below its share
};

// Containers that differ in nothing but their number: each of them can take any action of the
// class.
struct SizeClass {
  std::string group;  // the key of the classes that differ from this one by memory only
  std::string kind;
  std::string image;
  bool user_provided = false;
  bool concurrent = false;  // may run several activations at once
  std::uint64_t memory_bytes = 0;
  std::size_t users = 0;  // slots and containers of it
  float create_ms = 0;    // smoothed; 0: not known
  float init_ms = 0;      // the same
  // What it takes to have another one: both together; 0 where that is not worth speaking of.
  float start_ms = 0;
  std::chrono::nanoseconds start_cost{0};
  bool listed = false;  // the manifest wants it prewarmed: it stays

  SlotList<&ActionSlot::waiting_hook> waiting;
  std::unordered_map<Tenant*, std::unique_ptr<TenantQueue>> queues;
  boost::intrusive::set<
      TenantQueue,
      boost::intrusive::member_hook<TenantQueue, decltype(TenantQueue::order_hook),
                                    &TenantQueue::order_hook>,
      boost::intrusive::compare<ByTurn>,
      boost::intrusive::constant_time_size<false>>
      order;            // those that are not empty
  ListHook needy_hook;  // pool: this class has needy slots
  Outlook outlook;
  ContainerList<&Container::free_hook> stock;  // prewarmed and idle, last come first
  std::uint32_t stocked = 0;

  std::uint32_t wanted = 0;  // prewarmed ones, now
  std::optional<entity::ReactiveStemCell> reactive;
  std::uint32_t reacted = 0;      // what the last interval's starts asked for
  std::uint32_t cold_starts = 0;  // since `wanted` was last set
  std::uint32_t demand = 0;       // starts, prewarmed ones too, in this minute
  StartPattern pattern;
  std::uint32_t starting = 0;  // prewarmed ones being created
  std::uint32_t failures = 0;  // of prewarming, in a row
  std::string last_error;      // the last one's reason
  SteadyTime not_before;       // the next try after a failure
};
using NeedyClasses = boost::intrusive::list<
    SizeClass, boost::intrusive::member_hook<SizeClass, ListHook, &SizeClass::needy_hook>,
    boost::intrusive::constant_time_size<false>>;

// Whether `a` is to be given a container before `b`; both are needy.
inline bool is_earlier(const ActionSlot& a, const ActionSlot& b) {
  if (a.tenant == b.tenant) return a.turn < b.turn;
  return ByTurn()(*a.queue, *b.queue);
}

}  // namespace berth::container
