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
#include "container/smooth.hpp"

namespace berth::container {
namespace {
// A wait that is so many times the expected one tells that nothing can be expected.
constexpr float kPatience = 4;
// Who waited for too long is looked for so often at most, while nobody's promise was kept
// meanwhile: each activation that begins or ends asks.
constexpr std::chrono::milliseconds kLookAgain{5};
}  // namespace

Tenant& ContainerPool::find_tenant(const std::string& uuid) {
  std::unique_ptr<Tenant>& tenant = tenants_[uuid];
  if (!tenant) {
    tenant = std::make_unique<Tenant>();
    tenant->uuid = uuid;
    tenant->number = next_tenant_++;
    tenant->turn = turn_;
    share_ = capacity_bytes_ / tenants_.size();
    ++changes_;
  }
  return *tenant;
}

void ContainerPool::forget_tenant_if_unused(Tenant& tenant) {
  if (tenant.slots > 0) return;
  tenants_.erase(std::string(tenant.uuid));
  share_ = capacity_bytes_ / std::max<std::size_t>(1, tenants_.size());
  ++changes_;
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
  ++changes_;
  const auto change = [&](Tenant& whose, bool more) {
    if (whose.held > 0) by_held_.erase(&whose);
    whose.held = more ? whose.held + container.memory_bytes : whose.held - container.memory_bytes;
    if (whose.held > 0) by_held_.insert(&whose);
  };
  if (container.charged != nullptr) change(*container.charged, false);
  container.charged = tenant;
  if (tenant != nullptr) change(*tenant, true);
}

void ContainerPool::join_class(ActionSlot& slot, SizeClass& size_class) {
  slot.size_class = &size_class;
  ++size_class.users;
  std::unique_ptr<TenantQueue>& queue = size_class.queues[slot.tenant];
  if (!queue) queue = std::make_unique<TenantQueue>(*slot.tenant, size_class);
  ++queue->slots;
  slot.queue = queue.get();
}

void ContainerPool::update_needy(ActionSlot& slot) {
  const bool needy = slot.waiting > slot.starts && !slot.retry_hook.is_linked();
  if (needy && slot.needy_hook.is_linked()) return update_worth(slot);
  if (!needy) {
    slot.worth_from = SteadyTime::max();
    return leave_turn(slot);
  }
  SizeClass& size_class = *slot.size_class;
  Tenant& tenant = *slot.tenant;
  TenantQueue& queue = *slot.queue;
  if (queue.needy.empty()) {
    if (tenant.queues.empty()) tenant.turn = std::max(tenant.turn, turn_);
    tenant.queues.push_back(queue);
    size_class.order.insert(queue);
  }
  slot.turn = next_turn_++;
  queue.needy.push_back(slot);
  if (!size_class.needy_hook.is_linked()) {
    size_class.outlook = {};
    needy_classes_.push_back(size_class);
  }
  update_worth(slot);
}

void ContainerPool::leave_turn(ActionSlot& slot) {
  if (!slot.needy_hook.is_linked()) return;
  TenantQueue& queue = *slot.queue;
  slot.needy_hook.unlink();
  if (!queue.needy.empty()) return;
  SizeClass& size_class = queue.size_class;
  queue.order_hook.unlink();
  queue.tenant_hook.unlink();
  if (size_class.order.empty()) size_class.needy_hook.unlink();
}

void ContainerPool::take_turn(Tenant& tenant, std::uint64_t bytes) {
  turn_ = std::max(turn_, tenant.turn);
  for (TenantQueue& queue : tenant.queues) queue.order_hook.unlink();
  tenant.turn += bytes;
  for (TenantQueue& queue : tenant.queues) queue.size_class.order.insert(queue);
}

// What is free for a start of that namespace. What is promised to one above its share does not
// count against one within.
std::int64_t ContainerPool::room_for(const Tenant& tenant) const {
  std::int64_t room = balance();
  if (promised_ == nullptr || promised_->started_for->tenant == &tenant) return room;
  if (is_fair(*promised_)) return room;
  return room + static_cast<std::int64_t>(promised_->memory_bytes);
}

// From when on another container for that action is worth what is removed for it. Not while those
// it has will have done all that waits before the new one is there: a burst would else displace
// what the other actions need in the next moment, and they each other, until more time goes into
// starts than into work.
SteadyTime ContainerPool::worth_from(const ActionSlot& slot) const {
  const float has = static_cast<float>(slot.containers + slot.starts);
  const float start_ms = slot.size_class->start_ms;
  if (has == 0 || slot.run_ms == 0 || start_ms == 0) return SteadyTime::min();
  const float expected_ms = slot.run_ms * static_cast<float>(slot.waiting) / has;
  if (expected_ms > start_ms) return SteadyTime::min();
  return slot.waiters.front().since + to_time(kPatience * (start_ms + expected_ms));
}

// After a change of what worth_from() goes by.
void ContainerPool::update_worth(ActionSlot& slot) {
  if (!slot.needy_hook.is_linked()) return;
  const SteadyTime from = worth_from(slot);
  Outlook& outlook = slot.size_class->outlook;
  outlook.worth_from = std::min(outlook.worth_from, from);
  // If it was worth it before, that was not what it waited for.
  if (from >= slot.worth_from) return;
  slot.worth_from = from;
  outlook.startable_from = std::min(outlook.startable_from, from);
}

void ContainerPool::count_container(ActionSlot& slot, int more) {
  slot.containers += static_cast<std::uint32_t>(more);
  ++changes_;
  update_worth(slot);
}

void ContainerPool::forget_outlooks() {
  for (SizeClass& size_class : needy_classes_) size_class.outlook = {};
  settling_ = {};
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
    slot.worth_from = worth_from(slot);
    first = std::min(first, slot.worth_from);
    if (slot.worth_from <= now) return &slot;
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
    const Outlook& last = size_class.outlook;
    if (most < bytes && most <= last.most && changes_ == last.changes && now < last.startable_from)
      continue;
    Outlook found{SteadyTime::max(), SteadyTime::max(), most, changes_, false};
    int looks = 0;
    for (TenantQueue& queue : size_class.order) {
      ActionSlot* slot = &queue.needy.front();
      if ((best != nullptr && !is_earlier(*slot, *best)) || ++looks > kLooks) {
        found.worth_from = found.startable_from = SteadyTime::min();  // not known
        break;
      }
      const std::int64_t room = room_for(queue.tenant);
      if (room < bytes) {
        SteadyTime worth = SteadyTime::max();
        slot = first_worth(queue, now, worth);
        found.worth_from = std::min(found.worth_from, worth);
        if (slot == nullptr) {
          found.startable_from = std::min(found.startable_from, worth);
          continue;
        }
        if (!choose_victims(queue.tenant, size_class.memory_bytes, bytes - room, false, now,
                            found.startable_from)) {
          if (within_share(queue.tenant, size_class.memory_bytes)) found.fair = true;
          continue;
        }
      }
      found.worth_from = found.startable_from = SteadyTime::min();
      best = slot;
      break;
    }
    size_class.outlook = found;
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
    if (now < size_class.outlook.worth_from) continue;
    int looks = 0;
    for (TenantQueue& queue : size_class.order) {
      ActionSlot& slot = queue.needy.front();
      if ((best != nullptr && !is_earlier(slot, *best)) || ++looks > kLooks) break;
      if (promised_ != nullptr && !within_share(queue.tenant, size_class.memory_bytes)) continue;
      ActionSlot* const worth = first_worth(queue, now, first);
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
bool ContainerPool::gives_way(const Container& container, SteadyTime now) {
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
  for (SizeClass& size_class : needy_classes_) {
    if (now < size_class.outlook.worth_from) continue;
    int looks = 0;
    for (TenantQueue& queue : size_class.order) {
      if (++looks > kLooks) break;
      const Tenant& other = queue.tenant;
      if (&other == &tenant ||
          other.held + size_class.memory_bytes + container.memory_bytes > tenant.held ||
          room_for(other) + gain < static_cast<std::int64_t>(size_class.memory_bytes)) {
        continue;
      }
      if (first_worth(queue, now, first) != nullptr) return true;
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
