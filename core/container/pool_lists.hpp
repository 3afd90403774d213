// SPDX-License-Identifier: Apache-2.0
// What the ContainerPool sorts containers and waiters by: one ActionSlot for each action, revision
// and invoking namespace, one SizeClass for each way of creating a container. Private to the pool.
// Not thread-safe.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "container/container.hpp"
#include "entity/action.hpp"

namespace berth::container {

// The part of a Waiter that stands in a queue.
struct QueuePlace {
  ListHook hook;
  ActionSlot* slot = nullptr;
  SteadyTime since;
  std::uint64_t number = 0;  // order of first arrival; 0: never queued
  std::uint32_t failures = 0;
};
using WaiterQueue =
    boost::intrusive::list<QueuePlace,
                           boost::intrusive::member_hook<QueuePlace, ListHook, &QueuePlace::hook>,
                           boost::intrusive::constant_time_size<false>>;

// Containers and waiters of one revision of one action, invoked from one namespace.
struct ActionSlot {
  entity::ActionPtr action;
  std::string namespace_uuid;
  std::string namespace_name;
  SizeClass* size_class = nullptr;
  bool sentinelled = true;
  std::uint32_t concurrency = 1;

  ContainerList<&Container::free_hook> free;     // can take one more now, last used first
  ContainerList<&Container::free_hook> resting;  // paused or pausing, last used first
  std::uint32_t containers = 0;                  // that hold its code
  WaiterQueue waiters;
  std::uint32_t waiting = 0;
  std::uint32_t starts = 0;    // creating or resuming for it
  std::uint32_t unissued = 0;  // of those: still waiting for memory

  ListHook waiting_hook;   // class: has waiters
  ListHook needy_hook;     // class: has more waiters than starts
  std::uint64_t turn = 0;  // while needy: smaller is earlier
  ListHook retry_hook;     // pool: its next start waits until `retry_at`
  SteadyTime retry_at;
};
template <ListHook ActionSlot::*Hook>
using SlotList =
    boost::intrusive::list<ActionSlot, boost::intrusive::member_hook<ActionSlot, ListHook, Hook>,
                           boost::intrusive::constant_time_size<false>>;
// Containers that differ in nothing but their number: each of them can take any action of the
// class.
struct SizeClass {
  std::string group;  // the key of the classes that differ from this one by memory only
  std::string kind;
  std::string image;
  bool user_provided = false;
  bool concurrent = false;  // may run several activations at once
  std::uint64_t memory_bytes = 0;

  SlotList<&ActionSlot::waiting_hook> waiting;
  SlotList<&ActionSlot::needy_hook> needy;     // by their turns
  ListHook needy_hook;                         // pool: this class has needy slots
  ContainerList<&Container::free_hook> stock;  // prewarmed and idle, last come first
  std::uint32_t stocked = 0;

  std::uint32_t wanted = 0;    // prewarmed ones, by the manifest
  std::uint32_t starting = 0;  // prewarmed ones being created
  std::uint32_t failures = 0;  // of prewarming, in a row
  SteadyTime not_before;       // the next try after a failure
};
using NeedyClasses = boost::intrusive::list<
    SizeClass, boost::intrusive::member_hook<SizeClass, ListHook, &SizeClass::needy_hook>,
    boost::intrusive::constant_time_size<false>>;

// The key of a slot, and a borrowed one to look it up without copies.
struct SlotKeyView {
  std::string_view namespace_uuid;
  const entity::Action* action;
};
struct SlotKey {
  std::string namespace_uuid;
  entity::ActionPtr action;
  operator SlotKeyView() const { return {namespace_uuid, action.get()}; }
};
struct SlotHash {
  using is_transparent = void;
  std::size_t operator()(const SlotKeyView& key) const {
    const std::hash<std::string_view> hash;
    return hash(key.namespace_uuid) ^ (hash(key.action->name) * 31) ^
           (key.action->revision * 0x9e3779b97f4a7c15ull);
  }
};
struct SlotEqual {
  using is_transparent = void;
  bool operator()(const SlotKeyView& a, const SlotKeyView& b) const {
    return a.action->revision == b.action->revision && a.action->name == b.action->name &&
           a.action->package == b.action->package &&
           a.action->namespace_name == b.action->namespace_name &&
           a.namespace_uuid == b.namespace_uuid;
  }
};

}  // namespace berth::container
