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

std::int64_t ContainerPool::evictable() const {
  return static_cast<std::int64_t>(idle_bytes_ + stock_bytes_);
}

bool ContainerPool::evict_for(std::uint64_t memory_bytes) {
  bool evicted = false;
  while (balance() < static_cast<std::int64_t>(memory_bytes) &&
         !(idle_.empty() && stock_.empty())) {
    remove(idle_.empty() ? stock_.front() : idle_.front(), Event::kRemove, "evicted");
    gauges_->evictions.add();
    evicted = true;
  }
  return evicted;
}

void ContainerPool::settle_deficit() {
  evict_for(0);
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

Container& ContainerPool::add_container(SizeClass& size_class, StartKind kind) {
  auto container = std::make_shared<Container>();
  container->self = container;
  container->name = fmt::format("berth-{}-{}", options_.instance, next_number_++);
  container->size_class = &size_class;
  container->memory_bytes = size_class.memory_bytes;
  container->start_kind = kind;
  all_.push_back(*container);
  ++counts_[static_cast<std::size_t>(State::kCreating)];
  return *container;
}

void ContainerPool::plan_start(ActionSlot& slot) {
  if (!slot.resting.empty()) {
    resume(slot.resting.front());
    return;
  }
  SizeClass& size_class = *slot.size_class;
  const bool evicted = evict_for(size_class.memory_bytes);
  Container& container =
      add_container(size_class, evicted ? StartKind::kRecreated : StartKind::kCold);
  container.started_for = &slot;
  ++slot.starts;
  // This was the slot's turn.
  slot.needy_hook.unlink();
  if (size_class.needy.empty()) size_class.needy_hook.unlink();
  update_needy(slot);
  planned_.push_back(container);
  planned_bytes_ += container.memory_bytes;
  ++slot.unissued;
  if (balance() < 0) promised_ = &container;
  issue_planned();
}

void ContainerPool::issue_planned() {
  for (auto next = planned_.begin(); next != planned_.end();) {
    Container& container = *next++;
    if (used_ + container.memory_bytes > capacity_bytes_) continue;
    container.work_hook.unlink();
    planned_bytes_ -= container.memory_bytes;
    --container.started_for->unissued;
    if (promised_ == &container) promised_ = nullptr;
    issue_create(container);
  }
}

void ContainerPool::cancel_planned(ActionSlot& slot) {
  for (auto next = planned_.begin(); next != planned_.end() && slot.unissued > 0;) {
    Container& container = *next++;
    // A slot that was served has had its turn: what others would have to give way for is not made.
    const bool surplus = slot.starts > slot.waiting || (promised_ == &container && balance() < 0);
    if (container.started_for != &slot || !surplus) continue;
    if (promised_ == &container) promised_ = nullptr;
    container.work_hook.unlink();
    planned_bytes_ -= container.memory_bytes;
    --slot.unissued;
    uncount_start(container);
    step(container, Event::kFailed);
    gone(container);
  }
  if (!needy_classes_.empty()) dispatch();
}

Container* ContainerPool::take_stock(SizeClass& size_class) {
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
    idle_bytes_ -= container.memory_bytes;
  }
}

void ContainerPool::ensure_prewarmed(SizeClass& size_class) {
  if (stopping_ || !started_ || size_class.stocked + size_class.starting >= size_class.wanted)
    return;
  if (size_class.failures > 0 && with_.clock.steady_now() < size_class.not_before) return;
  // Only what nobody else needs: waiting activations come first, and nothing is removed for it.
  while (size_class.stocked + size_class.starting < size_class.wanted && needy_classes_.empty() &&
         balance() >= static_cast<std::int64_t>(size_class.memory_bytes) &&
         used_ + size_class.memory_bytes <= capacity_bytes_) {
    Container& container = add_container(size_class, StartKind::kPrewarmed);
    container.prewarm = true;
    ++size_class.starting;
    issue_create(container);
    // After a failure one at a time tries whether things are well again.
    if (size_class.failures > 0) return;
  }
}

void ContainerPool::prewarm_failed(SizeClass& size_class, std::string_view why) {
  const auto shift = std::min<std::uint32_t>(size_class.failures++, 16);
  const auto delay =
      std::min(options_.prewarm_backoff_max, options_.prewarm_backoff_min * (1 << shift));
  size_class.not_before = with_.clock.steady_now() + delay;
  log::warn("pool", "a prewarmed container failed; trying again later",
            {{"kind", size_class.kind},
             {"image", size_class.image},
             {"failures", fmt::to_string(size_class.failures)},
             {"again_in_ms", fmt::to_string(delay.count())},
             {"reason", why}});
}

}  // namespace berth::container
