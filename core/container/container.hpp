// SPDX-License-Identifier: Apache-2.0
// One container as the pool keeps it: its place in the state machine, what it holds and its links
// into the pool's lists. Only the pool changes it; everybody else holds a Lease
// (container_pool.hpp). Belongs to the pool's io_context; not thread-safe.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <boost/smart_ptr/intrusive_ptr.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "container/action_client.hpp"
#include "container/container_state.hpp"
#include "container/ledger.hpp"
#include "container/slab.hpp"
#include "plugin/container_factory.hpp"

namespace berth::container {

struct ActionSlot;
struct SizeClass;
struct Tenant;

// How the container that an activation got came to be.
enum class StartKind : std::uint8_t { kCold, kRecreated, kPrewarmed, kWarm };
std::string_view to_string(StartKind kind);

// A hook that leaves its list in O(1) without knowing which list it is.
using ListHook =
    boost::intrusive::list_member_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>>;

struct Container;
using ContainerPtr = boost::intrusive_ptr<Container>;

// What every activation touches comes first, and what touches a container's neighbours in the lists
// has a cache line of its own: among a hundred thousand containers the misses are what costs. For
// the same reason they lie in a slab, and count their references themselves.
struct alignas(64) Container {
  explicit Container(SlabMemory& memory) : home(memory) {}
  Container(const Container&) = delete;
  Container& operator=(const Container&) = delete;

  // Moves along the table. False, and a line in the log, if the event must not happen now.
  bool apply(Event event);

  ActionSlot* slot = nullptr;       // whose code it holds, from initialising on
  SizeClass* size_class = nullptr;  // null: an earlier berthd's, being removed
  std::uint64_t memory_bytes = 0;   // what it was created with
  SteadyTime granted_at;            // the last lease
  SteadyTime last_used;
  Ledger::Slot ledger_slot = Ledger::kNoSlot;
  std::uint32_t active = 0;  // leases
  std::uint32_t holds = 0;   // reasons to delay the destroy, e.g. logs not read yet
  std::uint32_t references = 0;
  State state = State::kCreating;
  StartKind start_kind = StartKind::kCold;
  bool prewarm = false;        // being created for the stock, counted in the class
  bool accounted = false;      // its memory counts as used
  bool leaving = false;        // and as about to be free
  bool destroying = false;     // the factory was asked
  bool resume_wanted = false;  // while pausing
  bool retired = false;        // to be removed when its last lease ends

  alignas(64) ListHook idle_hook;  // pool: warm idle ones or stock, least recently used first
  ListHook tenant_hook;            // tenant: warm and idle, least recently used first
  ListHook unpaused_hook;          // pool: idle and not paused, oldest first
  ListHook free_hook;              // slot: free or resting; class: stock

  std::unique_ptr<ActionClient> client;
  std::unique_ptr<plugin::ContainerDied> death;  // null: it lives
  std::string name;                              // berth-<instance>-<n>
  // Counted in that slot's `starts`: creating or resuming for it.
  ActionSlot* started_for = nullptr;
  Tenant* charged = nullptr;  // in whose `held` it counts
  SteadyTime assigned_at;     // when it got its slot
  SteadyTime created_at;
  SteadyTime destroy_again_at;
  std::string id;      // the factory's; empty while creating
  ListHook all_hook;   // every container of the pool
  ListHook work_hook;  // pool: planned, or waiting for another destroy
  ContainerPtr self;   // the pool's own reference, until it is gone
  SlabMemory& home;
  std::vector<std::function<void()>> on_death;  // called once, in order
};

// Not thread-safe, as everything of a container.
inline void intrusive_ptr_add_ref(Container* container) {
  ++container->references;
}
inline void intrusive_ptr_release(Container* container) {
  if (--container->references == 0) Slab<Container>::end(container, container->home);
}

template <ListHook Container::*Hook>
using ContainerList =
    boost::intrusive::list<Container, boost::intrusive::member_hook<Container, ListHook, Hook>,
                           boost::intrusive::constant_time_size<false>>;

}  // namespace berth::container
