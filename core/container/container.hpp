// SPDX-License-Identifier: Apache-2.0
// One container as the pool keeps it: its place in the state machine, what it holds and its links
// into the pool's lists. Only the pool changes it; everybody else holds a Lease
// (container_pool.hpp). Belongs to the pool's io_context; not thread-safe.
#pragma once

#include <boost/intrusive/list.hpp>
#include <boost/intrusive/list_hook.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "container/action_client.hpp"
#include "container/container_state.hpp"
#include "container/ledger.hpp"
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

// What every activation touches comes first, and what touches a container's neighbours in the lists
// has a cache line of its own: among a hundred thousand containers the misses are what costs.
struct alignas(64) Container : std::enable_shared_from_this<Container> {
  // Moves along the table. False, and a line in the log, if the event must not happen now.
  bool apply(Event event);

  ActionSlot* slot = nullptr;       // whose code it holds, from initialising on
  SizeClass* size_class = nullptr;  // null: an earlier berthd's, being removed
  std::uint64_t memory_bytes = 0;   // what it was created with
  Ledger::Slot ledger_slot = Ledger::kNoSlot;
  std::uint32_t active = 0;  // leases
  std::uint32_t holds = 0;   // reasons to delay the destroy, e.g. logs not read yet
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

  SteadyTime granted_at;  // the last lease
  SteadyTime last_used;
  std::unique_ptr<ActionClient> client;
  ActionSlot* started_for =
      nullptr;                // counted in that slot's `starts`: creating or resuming for it
  Tenant* charged = nullptr;  // in whose `held` it counts
  SteadyTime assigned_at;     // when it got its slot
  SteadyTime created_at;
  SteadyTime destroy_again_at;
  ListHook all_hook;                // every container of the pool
  ListHook work_hook;               // pool: planned, or waiting for another destroy
  std::shared_ptr<Container> self;  // the pool's own reference, until it is gone

  std::string name;  // berth-<instance>-<n>
  std::string id;    // the factory's; empty while creating
  std::optional<plugin::ContainerDied> death;
  std::vector<std::function<void()>> on_death;  // called once, in order
};

template <ListHook Container::*Hook>
using ContainerList =
    boost::intrusive::list<Container, boost::intrusive::member_hook<Container, ListHook, Hook>,
                           boost::intrusive::constant_time_size<false>>;

}  // namespace berth::container
