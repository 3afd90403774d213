// SPDX-License-Identifier: Apache-2.0
// What a start is worth, and which idle containers are removed for one.
#include <algorithm>

#include "container/container_pool.hpp"
#include "container/smooth.hpp"

namespace berth::container {
namespace {

constexpr int kRests = 4;  // times the cost of a start, for the last container of an action

// From when on who waited for too long may take it: also if it served for some times its cost.
SteadyTime due_from(const Container& container) {
  const std::chrono::nanoseconds cost = container.slot->size_class->start_cost;
  return std::min(container.last_used + cost, container.assigned_at + kServes * cost);
}

}  // namespace

// After either of its times was measured again.
void ContainerPool::learn_cost(SizeClass& size_class) {
  std::chrono::duration<float, std::milli> cost(size_class.create_ms + size_class.init_ms);
  if (cost < options_.cheap_start) cost = {};
  size_class.start_ms = cost.count();
  size_class.start_cost = to_time(cost.count());
  size_class.outlook.worth_from = SteadyTime::min();
  ++changes_;
}

// From when on taking that idle container is less of a loss than a start. One that was used a
// moment ago is needed in the next one; to take it would only move the start to another action, and
// if each did so to each, more time would go into starts than into work. So it must rest for as
// long as a start of its own takes, and for some times that if it is the last one of an action that
// comes often.
SteadyTime ContainerPool::ripe_from(const Container& container, bool overdue) {
  const ActionSlot& slot = *container.slot;
  const SizeClass& size_class = *slot.size_class;
  const bool last = slot.containers == 1;
  const bool often = slot.gap_ms != 0 && slot.gap_ms < kRests * size_class.start_ms;
  if (last && !often) return container.last_used;
  if (overdue) return due_from(container);
  return container.last_used + (last ? kRests : 1) * size_class.start_cost;
}

// Fills victims_ with what is removed for a start of `bytes`, `missing` of which are not free.
// False: it would not be enough, and `again` is brought forward to when it may be, if nothing else
// changes.
bool ContainerPool::choose_victims(const Tenant& tenant, std::uint64_t bytes, std::int64_t missing,
                                   bool overdue, SteadyTime now, SteadyTime& again) {
  victims_.clear();
  const SteadyTime old = now - options_.share_window;
  const auto take = [&](Container& container) {
    victims_.push_back(&container);
    missing -= static_cast<std::int64_t>(container.memory_bytes);
  };
  // Where a share is less than one container there is nothing to protect.
  const bool plain = overdue || tenants_.size() <= 1 || share_ < bytes;
  SteadyTime first = SteadyTime::max();
  const auto wait = [&](SteadyTime until) { first = std::min(first, until); };  // min(): not known
  const auto is_ripe = [&](const Container& container) {
    const SteadyTime from = ripe_from(container, overdue);
    if (from <= now) return true;
    wait(from);
    return false;
  };
  const auto take_first_of = [&](auto& containers) {
    int looks = 0;
    for (Container& container : containers) {
      if (missing <= 0) return;
      if (!plain && container.last_used > old)
        return wait(container.last_used + options_.share_window);
      if (++looks > kLooks) return wait(SteadyTime::min());
      if (is_ripe(container)) take(container);
    }
  };
  take_first_of(kept_);
  take_first_of(idle_);
  if (missing > 0 && !plain) {
    const bool fair = within_share(tenant, bytes);
    const auto take_of = [&](Tenant& other, std::uint64_t least, bool at_once) {
      std::uint64_t held = other.held;
      int looks = 0;
      for (Container& container : other.idle) {
        if (missing <= 0) return;
        // Another order of theirs may do.
        if (held < least || ++looks > kLooks) return wait(SteadyTime::min());
        if (container.last_used <= old) continue;  // taken already
        if (!at_once && !is_ripe(container)) continue;
        take(container);
        held -= container.memory_bytes;
      }
    };
    const std::uint64_t more = std::max(share_ + 1, tenant.held + bytes);
    int looks = 0;
    for (Tenant* other : by_held_) {
      if (missing <= 0 || other->held < more) break;
      if (++looks > kLooks) {
        wait(SteadyTime::min());
        break;
      }
      // Who is within his share does not wait for who is above his own.
      if (other != &tenant) take_of(*other, more, fair);
    }
    take_of(const_cast<Tenant&>(tenant), 0, false);
  }
  for (Container& container : stock_) {
    if (missing <= 0) break;
    take(container);
  }
  if (missing <= 0) return true;
  again = std::min(again, first);
  return false;
}

// An idle one more may be what somebody waits for, at once or later.
void ContainerPool::count_in(const Container& idle) {
  const bool others = idle.slot->tenant->held > share_;
  for (SizeClass& size_class : needy_classes_) {
    Outlook& outlook = size_class.outlook;
    const SteadyTime from = outlook.fair && others ? SteadyTime::min() : ripe_from(idle, false);
    outlook.startable_from = std::min(outlook.startable_from, from);
  }
  if (planned_.empty()) return;
  settling_.startable_from = std::min(settling_.startable_from, ripe_from(idle, settling_.fair));
}

}  // namespace berth::container
