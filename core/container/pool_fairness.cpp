// SPDX-License-Identifier: Apache-2.0
// Whose turn it is to start a container, and who gives way to whom.
//
// Memory is what namespaces contend for. Those that have something here share it evenly: the share
// is the pool's memory by their number. Nobody is kept from using more while nobody else wants it.
// When one that is below its share needs a container:
//  - idle containers go first: of those unused for a while the least recently used, then of who is
//    furthest above the share;
//  - if all are at work, the next one that ends its activation and belongs to a namespace above the
//    share is not given another activation but makes room.
// And one above its share does not take what another has used lately within its own.
#include <algorithm>
#include <limits>

#include "container/container_pool.hpp"

namespace berth::container {
namespace {
// How many namespaces are looked at for one decision: what keeps it short where there are many.
constexpr int kLooks = 16;
// A wait that is so many times the expected one tells that nothing can be expected.
constexpr float kPatience = 4;
// A container that others wait for serves its action for so many times what it takes to start one.
constexpr int kServes = 3;
constexpr int kRests = 4;  // for the last one of an action
// Who waited for too long is looked for so often at most, while nobody's promise was kept
// meanwhile: each activation that begins or ends asks.
constexpr std::chrono::milliseconds kLookAgain{5};

std::chrono::nanoseconds to_time(float ms) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(ms * 1e6f));
}
}  // namespace

Tenant& ContainerPool::find_tenant(const std::string& uuid) {
  std::unique_ptr<Tenant>& tenant = tenants_[uuid];
  if (!tenant) {
    tenant = std::make_unique<Tenant>();
    tenant->uuid = uuid;
    tenant->number = next_tenant_++;
    tenant->turn = turn_;
    share_ = capacity_bytes_ / tenants_.size();
  }
  return *tenant;
}

void ContainerPool::forget_tenant_if_unused(Tenant& tenant) {
  if (tenant.slots > 0) return;
  tenants_.erase(std::string(tenant.uuid));
  share_ = capacity_bytes_ / std::max<std::size_t>(1, tenants_.size());
}

// One that has nothing is within its share, however small that is.
bool ContainerPool::within_share(const Tenant& tenant, std::uint64_t more) const {
  return tenants_.size() <= 1 || tenant.held == 0 || tenant.held + more <= share_;
}

// Whether a start that waits for memory is within the share of its namespace, in which it counts.
bool ContainerPool::is_fair(const Container& planned) const {
  const Tenant& tenant = *planned.started_for->tenant;
  return tenant.held <= planned.memory_bytes || within_share(tenant, 0);
}

void ContainerPool::charge(Container& container, Tenant* tenant) {
  if (container.charged == tenant) return;
  const auto change = [&](Tenant& whose, bool more) {
    if (whose.held > 0) by_held_.erase(&whose);
    whose.held = more ? whose.held + container.memory_bytes : whose.held - container.memory_bytes;
    if (whose.held > 0) by_held_.insert(&whose);
  };
  if (container.charged != nullptr) change(*container.charged, false);
  container.charged = tenant;
  if (tenant != nullptr) change(*tenant, true);
}

void ContainerPool::update_needy(ActionSlot& slot) {
  const bool needy = slot.waiting > slot.starts && !slot.retry_hook.is_linked();
  if (needy == (slot.queue != nullptr)) return update_worth(slot);
  if (!needy) return leave_turn(slot);
  SizeClass& size_class = *slot.size_class;
  Tenant& tenant = *slot.tenant;
  std::unique_ptr<TenantQueue>& queue = size_class.queues[&tenant];
  if (!queue) {
    if (tenant.queues.empty()) tenant.turn = std::max(tenant.turn, turn_);
    queue.reset(new TenantQueue{tenant, size_class, {}, {}});
    tenant.queues.push_back(*queue);
    size_class.order.insert(queue.get());
  }
  slot.turn = next_turn_++;
  slot.queue = queue.get();
  queue->needy.push_back(slot);
  if (!size_class.needy_hook.is_linked()) needy_classes_.push_back(size_class);
  update_worth(slot);
}

void ContainerPool::leave_turn(ActionSlot& slot) {
  if (slot.queue == nullptr) return;
  TenantQueue& queue = *std::exchange(slot.queue, nullptr);
  slot.needy_hook.unlink();
  if (!queue.needy.empty()) return;
  SizeClass& size_class = queue.size_class;
  size_class.order.erase(&queue);
  size_class.queues.erase(&queue.tenant);  // the end of `queue`
  if (size_class.order.empty()) size_class.needy_hook.unlink();
}

void ContainerPool::take_turn(Tenant& tenant, std::uint64_t bytes) {
  turn_ = std::max(turn_, tenant.turn);
  for (TenantQueue& queue : tenant.queues) queue.size_class.order.erase(&queue);
  tenant.turn += bytes;
  for (TenantQueue& queue : tenant.queues) queue.size_class.order.insert(&queue);
}

// What is free for a start of that namespace. What is promised to one above its share does not
// count against one within.
std::int64_t ContainerPool::room_for(const Tenant& tenant) const {
  std::int64_t room = balance();
  if (promised_ == nullptr || promised_->started_for->tenant == &tenant) return room;
  if (is_fair(*promised_)) return room;
  return room + static_cast<std::int64_t>(promised_->memory_bytes);
}

// After either of its times was measured again.
void ContainerPool::learn_cost(SizeClass& size_class) const {
  std::chrono::duration<float, std::milli> cost(size_class.create_ms + size_class.init_ms);
  if (cost < options_.cheap_start) cost = {};
  size_class.start_ms = cost.count();
  size_class.start_cost = to_time(cost.count());
  size_class.worth_from = SteadyTime::min();
}

// Whether taking that idle container is less of a loss than a start. One that was used a moment ago
// is needed in the next one; to take it would only move the start to another action, and if each
// did so to each, more time would go into starts than into work. So it must rest for as long as a
// start of its own takes, and for some times that if it is the last one of an action that comes
// often. Who waited for too long (`overdue`) also gets one that served for some times what it
// costs.
bool ContainerPool::may_be_taken(const Container& container, SteadyTime now, bool overdue) const {
  const ActionSlot& slot = *container.slot;
  const std::chrono::nanoseconds cost = slot.size_class->start_cost;
  const std::chrono::nanoseconds rests = now - container.last_used;
  if (slot.containers == 1) {
    const bool often = slot.gap_ms != 0 && slot.gap_ms < kRests * slot.size_class->start_ms;
    if (!often || rests >= kRests * cost) return true;
    if (!overdue) return false;
  }
  return rests >= cost || (overdue && now - container.assigned_at >= kServes * cost);
}

// Fills victims_ with what is removed for a start of `bytes`, `missing` of which are not free.
// False: it would not be enough.
bool ContainerPool::choose_victims(const Tenant& tenant, std::uint64_t bytes, std::int64_t missing,
                                   bool overdue, SteadyTime now) {
  victims_.clear();
  const SteadyTime old = now - options_.share_window;
  const auto take = [&](Container& container) {
    victims_.push_back(&container);
    missing -= static_cast<std::int64_t>(container.memory_bytes);
  };
  // Where a share is less than one container there is nothing to protect.
  const bool plain = overdue || tenants_.size() <= 1 || share_ < bytes;
  const auto take_first_of = [&](auto& containers) {
    int looks = 0;
    for (Container& container : containers) {
      if (missing <= 0 || (!plain && container.last_used > old) || ++looks > kLooks) break;
      if (may_be_taken(container, now, overdue)) take(container);
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
        if (missing <= 0 || held < least || ++looks > kLooks) break;
        if (container.last_used <= old) continue;  // taken already
        if (!at_once && !may_be_taken(container, now, overdue)) continue;
        take(container);
        held -= container.memory_bytes;
      }
    };
    const std::uint64_t more = std::max(share_ + 1, tenant.held + bytes);
    int looks = 0;
    for (Tenant* other : by_held_) {
      if (missing <= 0 || other->held < more || ++looks > kLooks) break;
      // Who is within his share does not wait for who is above his own.
      if (other != &tenant) take_of(*other, more, fair);
    }
    take_of(const_cast<Tenant&>(tenant), 0, false);
  }
  for (Container& container : stock_) {
    if (missing <= 0) break;
    take(container);
  }
  return missing <= 0;
}

// After when another container for that action is worth what is removed for it. Not while those it
// has will have done all that waits before the new one is there: a burst would else displace what
// the other actions need in the next moment, and they each other, until more time goes into starts
// than into work.
SteadyTime ContainerPool::worth_from(const ActionSlot& slot) const {
  const float has = static_cast<float>(slot.containers + slot.starts);
  const float start_ms = slot.size_class->start_ms;
  if (has == 0 || slot.run_ms == 0 || start_ms == 0) return SteadyTime::min();
  const float expected_ms = slot.run_ms * static_cast<float>(slot.waiting) / has;
  if (expected_ms > start_ms) return SteadyTime::min();
  return slot.waiters.front().since + to_time(kPatience * (start_ms + expected_ms));
}

// After a change of what worth_from() goes by.
void ContainerPool::update_worth(const ActionSlot& slot) const {
  if (slot.queue == nullptr) return;
  slot.size_class->worth_from = std::min(slot.size_class->worth_from, worth_from(slot));
}

// The first in turn of those that are worth it; null: none of the first ones is. `first` becomes
// the time when one of them will be, if that is earlier.
ActionSlot* ContainerPool::first_worth(TenantQueue& queue, SteadyTime now,
                                       SteadyTime& first) const {
  int looks = 0;
  for (ActionSlot& slot : queue.needy) {
    if (++looks > kLooks) {
      first = SteadyTime::min();  // not known
      break;
    }
    const SteadyTime from = worth_from(slot);
    first = std::min(first, from);
    if (from < now) return &slot;
  }
  return nullptr;
}

ActionSlot* ContainerPool::next_startable(SteadyTime now) {
  ActionSlot* best = nullptr;
  // For whoever there is most.
  const std::int64_t most =
      balance() + static_cast<std::int64_t>(promised_ != nullptr ? promised_->memory_bytes : 0);
  for (SizeClass& size_class : needy_classes_) {
    const auto bytes = static_cast<std::int64_t>(size_class.memory_bytes);
    if (most < bytes && now <= size_class.worth_from) continue;
    SteadyTime first = SteadyTime::max();
    int looks = 0;
    for (TenantQueue* queue : size_class.order) {
      ActionSlot* slot = &queue->needy.front();
      if ((best != nullptr && !is_earlier(*slot, *best)) || ++looks > kLooks) {
        first = SteadyTime::min();  // not known
        break;
      }
      const std::int64_t room = room_for(queue->tenant);
      if (room < bytes) {
        slot = first_worth(*queue, now, first);
        if (slot == nullptr || room + evictable() < bytes ||
            !choose_victims(queue->tenant, size_class.memory_bytes, bytes - room, false, now)) {
          continue;
        }
      }
      first = SteadyTime::min();
      best = slot;
      break;
    }
    size_class.worth_from = first;
  }
  return best;
}

ActionSlot* ContainerPool::next_starved(SteadyTime now) {
  // One at a time is promised memory that is not there yet, and who is within his share goes
  // before who is not.
  if (promised_ != nullptr && is_fair(*promised_)) return nullptr;
  ActionSlot* best = nullptr;
  SteadyTime first;
  for (SizeClass& size_class : needy_classes_) {
    if (now <= size_class.worth_from) continue;
    int looks = 0;
    for (TenantQueue* queue : size_class.order) {
      ActionSlot& slot = queue->needy.front();
      if ((best != nullptr && !is_earlier(slot, *best)) || ++looks > kLooks) break;
      if (promised_ != nullptr && !within_share(queue->tenant, size_class.memory_bytes)) continue;
      ActionSlot* const worth = first_worth(*queue, now, first);
      if (worth == nullptr || worth->waiters.front().since + options_.overtake_limit > now) {
        continue;
      }
      best = worth;
      break;
    }
  }
  return best;
}

// Whether a container that just ended an activation is not given the next one of its action.
bool ContainerPool::gives_way(const Container& container, SteadyTime now) const {
  if (needy_classes_.empty() && promised_ == nullptr) return false;
  const ActionSlot& slot = *container.slot;
  const Tenant& tenant = *slot.tenant;
  // Others have waited too long for memory: an action that had its share of time gives way.
  if (promised_ != nullptr && balance() < 0 && promised_->started_for != &slot) {
    const Tenant& other = *promised_->started_for->tenant;
    const auto residency = std::max<std::chrono::nanoseconds>(
        options_.residency, kServes * slot.size_class->start_cost);
    const bool fair = is_fair(*promised_);
    if (&other != &tenant && fair && tenant.held > share_) return true;
    if ((&other == &tenant || fair) && now - container.assigned_at >= residency) return true;
  }
  if (tenant.held <= share_) return false;
  // A namespace below its share would have a container of this memory: now.
  const std::int64_t gain = static_cast<std::int64_t>(container.memory_bytes);
  SteadyTime first;
  for (const SizeClass& size_class : needy_classes_) {
    if (now <= size_class.worth_from) continue;
    int looks = 0;
    for (TenantQueue* queue : size_class.order) {
      if (++looks > kLooks) break;
      const Tenant& other = queue->tenant;
      if (&other == &tenant ||
          other.held + size_class.memory_bytes + container.memory_bytes > tenant.held ||
          room_for(other) + gain < static_cast<std::int64_t>(size_class.memory_bytes)) {
        continue;
      }
      if (first_worth(*queue, now, first) != nullptr) return true;
    }
  }
  return false;
}

void ContainerPool::dispatch() {
  dispatch_again_ = true;
  if (dispatching_ || stopping_) return;
  dispatching_ = true;
  while (std::exchange(dispatch_again_, false)) {
    while (!needy_classes_.empty()) {
      const SteadyTime now = with_.clock.steady_now();
      if (ActionSlot* slot = next_startable(now)) {
        plan_start(*slot, false);
        continue;
      }
      if (now - none_starved_at_ < kLookAgain) break;
      ActionSlot* starved = next_starved(now);
      if (starved == nullptr) {
        none_starved_at_ = now;
        break;
      }
      if (promised_ != nullptr) unplan(*promised_);
      plan_start(*starved, within_share(*starved->tenant, starved->size_class->memory_bytes));
    }
  }
  dispatching_ = false;
}

}  // namespace berth::container
