// SPDX-License-Identifier: Apache-2.0
// Which containers exist: memory, eviction, starts and the prewarmed stock.
#include <algorithm>
#include <fmt/format.h>

#include "base/log.hpp"
#include "container/container_pool.hpp"
#include "container/pool_gauges.hpp"

namespace berth::container {

std::uint32_t cpu_shares(std::uint64_t pool_memory_bytes, std::uint64_t memory_bytes) {
  const std::uint64_t parts = memory_bytes == 0 ? 1 : pool_memory_bytes / memory_bytes;
  return static_cast<std::uint32_t>(
      std::max<std::uint64_t>(2, 1024 / std::max<std::uint64_t>(1, parts)));
}

// What will be free once everything under way has ended; negative while a start that waited too
// long is promised more than there is.
std::int64_t ContainerPool::balance() const {
  return static_cast<std::int64_t>(capacity_bytes_) - static_cast<std::int64_t>(used_ - leaving_) -
         static_cast<std::int64_t>(planned_bytes_);
}

bool ContainerPool::evict_for(const Tenant& tenant, std::uint64_t bytes, std::int64_t missing,
                              bool force, SteadyTime now, SteadyTime& again) {
  if (missing <= 0) return false;
  choose_victims(tenant, bytes, missing, force, now, again);
  // A removal may run handlers that come back here.
  const std::vector<Container*> victims = std::move(victims_);
  victims_ = {};
  for (Container* victim : victims) {
    remove(*victim, Event::kRemove, "evicted");
    gauges_->evictions.add();
  }
  return !victims.empty();
}

void ContainerPool::settle_deficit() {
  if (planned_.empty()) return;
  const SteadyTime now = with_.clock.steady_now();
  const std::int64_t free = balance();
  if (settling_.changes == changes_ && settling_.most == free && now < settling_.startable_from) {
    return;
  }
  const Container& whom = promised_ != nullptr ? *promised_ : planned_.front();
  settling_ = {SteadyTime::min(), SteadyTime::max(), free, changes_, is_fair(whom)};
  const bool fair = settling_.fair;
  evict_for(*whom.started_for->tenant, 0, -free, fair, now, settling_.startable_from);
}

SizeClass& ContainerPool::find_class(const std::string& kind, const std::string& image,
                                     bool user_provided, bool concurrent,
                                     std::uint64_t memory_bytes) {
  std::string group = fmt::format("{}\n{}\n{}{}", kind, image, user_provided, concurrent);
  auto& slot = classes_[group][memory_bytes];
  if (!slot) {
    slot = std::make_unique<SizeClass>();
    slot->group = std::move(group);
    slot->kind = kind;
    slot->image = image;
    slot->user_provided = user_provided;
    slot->concurrent = concurrent;
    slot->memory_bytes = memory_bytes;
  }
  return *slot;
}

void ContainerPool::forget_class(SizeClass* size_class) {
  if (size_class == nullptr || --size_class->users > 0 || size_class->listed) return;
  const auto sizes = classes_.find(size_class->group);
  sizes->second.erase(size_class->memory_bytes);
  if (sizes->second.empty()) classes_.erase(sizes);
}

Container& ContainerPool::add_container(SizeClass& size_class, StartKind kind) {
  Container* const container = containers_.make(containers_.memory());
  container->self = ContainerPtr(container);
  container->name = fmt::format("berth-{}-{}", options_.instance, next_number_++);
  container->size_class = &size_class;
  ++size_class.users;
  container->memory_bytes = size_class.memory_bytes;
  container->start_kind = kind;
  all_.push_back(*container);
  ++counts_[static_cast<std::size_t>(State::kCreating)];
  return *container;
}

// `force`: it has waited for too long, and within its share it may take what is idle.
void ContainerPool::plan_start(ActionSlot& slot, bool force) {
  if (!slot.resting.empty()) {
    resume(slot.resting.front());
    return;
  }
  SizeClass& size_class = *slot.size_class;
  Tenant& tenant = *slot.tenant;
  const std::uint64_t bytes = size_class.memory_bytes;
  if (Container* const small = stock_to_grow(slot)) {
    grow(*small, slot);
    return;
  }
  SteadyTime again;  // not asked for
  const bool evicted = evict_for(tenant, bytes, static_cast<std::int64_t>(bytes) - room_for(tenant),
                                 force, with_.clock.steady_now(), again);
  Container& container =
      add_container(size_class, evicted ? StartKind::kRecreated : StartKind::kCold);
  container.started_for = &slot;
  ++slot.starts;
  ++size_class.cold_starts;
  ++size_class.demand;
  charge(container, &tenant);
  // This was the turn of the slot and of its namespace.
  leave_turn(slot);
  take_turn(tenant, bytes);
  update_needy(slot);
  planned_.push_back(container);
  planned_bytes_ += container.memory_bytes;
  ++slot.unissued;
  if (room_for(tenant) < 0) promised_ = &container;
  issue_planned();
}

void ContainerPool::issue_planned() {
  const auto issue = [this](Container& container) {
    container.work_hook.unlink();
    planned_bytes_ -= container.memory_bytes;
    --container.started_for->unissued;
    ++changes_;
    if (promised_ == &container) end_promise();
    issue_create(container);
  };
  // What came free was made free for those within their share; a promise to another comes last.
  Container* const last = promised_ != nullptr && !is_fair(*promised_) ? promised_ : nullptr;
  for (auto next = planned_.begin(); next != planned_.end();) {
    Container& container = *next++;
    if (&container == last || used_ + container.memory_bytes > capacity_bytes_) continue;
    issue(container);
  }
  if (last != nullptr && balance() >= 0 && used_ + last->memory_bytes <= capacity_bytes_) {
    issue(*last);
  }
}

void ContainerPool::cancel_planned(ActionSlot& slot) {
  for (auto next = planned_.begin(); next != planned_.end() && slot.unissued > 0;) {
    Container& container = *next++;
    // A slot that was served has had its turn: what others would have to give way for is not made.
    const bool surplus = slot.starts > slot.waiting || (promised_ == &container && balance() < 0);
    if (container.started_for != &slot || !surplus) continue;
    unplan(container);
  }
  if (!needy_classes_.empty()) dispatch();
}

void ContainerPool::end_promise() {
  promised_ = nullptr;
  ++changes_;
  none_starved_at_ = {};  // the next one may be promised memory
}

void ContainerPool::unplan(Container& container) {
  if (promised_ == &container) end_promise();
  container.work_hook.unlink();
  planned_bytes_ -= container.memory_bytes;
  --container.started_for->unissued;
  uncount_start(container);
  step(container, Event::kFailed);
  gone(container);
}

Container* ContainerPool::take_stock(SizeClass& size_class) {
  if (stock_.empty()) return nullptr;
  SizeClass* from = nullptr;
  if (!size_class.stock.empty()) {
    from = &size_class;
  } else {
    auto& sizes = classes_.at(size_class.group);
    for (auto size = sizes.upper_bound(size_class.memory_bytes); size != sizes.end(); ++size) {
      if (size->second->stock.empty()) continue;
      from = size->second.get();
      break;
    }
  }
  return from == nullptr ? nullptr : &from->stock.front();
}

void ContainerPool::put_stock(Container& container) {
  SizeClass& size_class = *container.size_class;
  container.last_used = with_.clock.steady_now();
  container.start_kind = StartKind::kPrewarmed;
  size_class.stock.push_front(container);
  ++size_class.stocked;
  stock_.push_back(container);
  stock_bytes_ += container.memory_bytes;
  ++changes_;
  note(container, false);
  if (balance() < 0) settle_deficit();
}

void ContainerPool::unlink_idle(Container& container) {
  if (!container.idle_hook.is_linked()) return;
  container.idle_hook.unlink();
  if (container.state == State::kPrewarmed) {
    container.free_hook.unlink();
    --container.size_class->stocked;
    stock_bytes_ -= container.memory_bytes;
  } else {
    container.unpaused_hook.unlink();
    container.tenant_hook.unlink();
    idle_bytes_ -= container.memory_bytes;
    --container.slot->idle;
  }
}

}  // namespace berth::container
