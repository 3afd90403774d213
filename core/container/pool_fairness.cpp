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
}  // namespace

Tenant& ContainerPool::find_tenant(const std::string& uuid) {
  std::unique_ptr<Tenant>& tenant = tenants_[uuid];
  if (!tenant) {
    tenant = std::make_unique<Tenant>();
    tenant->uuid = uuid;
    tenant->number = next_tenant_++;
    tenant->turn = turn_;
  }
  return *tenant;
}

void ContainerPool::forget_tenant_if_unused(Tenant& tenant) {
  if (tenant.slots == 0) tenants_.erase(std::string(tenant.uuid));
}

std::uint64_t ContainerPool::share() const {
  return capacity_bytes_ / std::max<std::size_t>(1, tenants_.size());
}

// One that has nothing is within its share, however small that is.
bool ContainerPool::within_share(const Tenant& tenant, std::uint64_t more) const {
  return tenants_.size() <= 1 || tenant.held == 0 || tenant.held + more <= share();
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
  if (needy == (slot.queue != nullptr)) return;
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

// Fills victims_ with what is removed for a start of `bytes`, `missing` of which are not free.
// False: it would not be enough.
bool ContainerPool::choose_victims(const Tenant& tenant, std::uint64_t bytes, std::int64_t missing,
                                   bool force) {
  victims_.clear();
  const auto take = [&](Container& container) {
    victims_.push_back(&container);
    missing -= static_cast<std::int64_t>(container.memory_bytes);
  };
  const SteadyTime old = with_.clock.steady_now() - options_.share_window;
  // Where a share is less than one container there is nothing to protect.
  const bool plain = force || tenants_.size() <= 1 || share() < bytes;
  for (Container& container : kept_) {
    if (missing <= 0 || (!plain && container.last_used > old)) break;
    take(container);
  }
  for (Container& container : idle_) {
    if (missing <= 0 || (!plain && container.last_used > old)) break;
    take(container);
  }
  if (missing > 0 && !plain) {
    const auto take_of = [&](Tenant& other, std::uint64_t least) {
      std::uint64_t held = other.held;
      for (Container& container : other.idle) {
        if (missing <= 0 || held < least) break;
        if (container.last_used <= old) continue;  // taken already
        take(container);
        held -= container.memory_bytes;
      }
    };
    const std::uint64_t fair = std::max(share() + 1, tenant.held + bytes);
    int looks = 0;
    for (Tenant* other : by_held_) {
      if (missing <= 0 || other->held < fair || ++looks > kLooks) break;
      if (other != &tenant) take_of(*other, fair);
    }
    take_of(const_cast<Tenant&>(tenant), 0);
  }
  for (Container& container : stock_) {
    if (missing <= 0) break;
    take(container);
  }
  return missing <= 0;
}

ActionSlot* ContainerPool::next_startable() {
  ActionSlot* best = nullptr;
  for (SizeClass& size_class : needy_classes_) {
    const auto bytes = static_cast<std::int64_t>(size_class.memory_bytes);
    int looks = 0;
    for (TenantQueue* queue : size_class.order) {
      ActionSlot& slot = queue->needy.front();
      if ((best != nullptr && !is_earlier(slot, *best)) || ++looks > kLooks) break;
      const std::int64_t room = room_for(queue->tenant);
      if (room + evictable() < bytes) continue;
      if (room < bytes &&
          !choose_victims(queue->tenant, size_class.memory_bytes, bytes - room, false)) {
        continue;
      }
      best = &slot;
      break;
    }
  }
  return best;
}

ActionSlot* ContainerPool::next_starved(SteadyTime now) {
  ActionSlot* best = nullptr;
  for (SizeClass& size_class : needy_classes_) {
    int looks = 0;
    for (TenantQueue* queue : size_class.order) {
      ActionSlot& slot = queue->needy.front();
      if ((best != nullptr && !is_earlier(slot, *best)) || ++looks > kLooks) break;
      if (slot.waiters.front().since + options_.overtake_limit > now) continue;
      // One at a time is promised memory that is not there yet, and who is within his share goes
      // before who is not.
      if (promised_ != nullptr &&
          (is_fair(*promised_) || !within_share(queue->tenant, size_class.memory_bytes))) {
        continue;
      }
      best = &slot;
      break;
    }
  }
  return best;
}

// Whether a container that just ended an activation is not given the next one of its action.
bool ContainerPool::gives_way(const Container& container) const {
  if (needy_classes_.empty() && promised_ == nullptr) return false;
  const ActionSlot& slot = *container.slot;
  const Tenant& tenant = *slot.tenant;
  // Others have waited too long for memory: an action that had its share of time gives way.
  if (promised_ != nullptr && balance() < 0 && promised_->started_for != &slot) {
    const Tenant& other = *promised_->started_for->tenant;
    if ((&other == &tenant || is_fair(*promised_)) &&
        with_.clock.steady_now() - container.assigned_at >= options_.residency) {
      return true;
    }
  }
  if (tenant.held <= share()) return false;
  // A namespace below its share would have a container of this memory: now.
  const std::int64_t gain = static_cast<std::int64_t>(container.memory_bytes);
  for (const SizeClass& size_class : needy_classes_) {
    int looks = 0;
    for (const TenantQueue* queue : size_class.order) {
      if (++looks > kLooks) break;
      if (&queue->tenant == &tenant) continue;
      if (room_for(queue->tenant) + gain < static_cast<std::int64_t>(size_class.memory_bytes)) {
        continue;
      }
      if (queue->tenant.held + size_class.memory_bytes + container.memory_bytes <= tenant.held) {
        return true;
      }
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
      if (ActionSlot* slot = next_startable()) {
        plan_start(*slot, false);
        continue;
      }
      ActionSlot* starved = next_starved(with_.clock.steady_now());
      if (starved == nullptr) break;
      if (promised_ != nullptr) unplan(*promised_);
      plan_start(*starved, within_share(*starved->tenant, starved->size_class->memory_bytes));
    }
  }
  dispatching_ = false;
}

}  // namespace berth::container
