// SPDX-License-Identifier: Apache-2.0
// A prewarmed container that is too small for who waits is given more memory, where the factory can
// do that: a moment instead of a start. Nobody is glued to it: when it is done it goes to whoever
// waits by then, as a new one would.
#include "base/log.hpp"
#include "container/async_call.hpp"
#include "container/container_pool.hpp"
#include "container/pool_gauges.hpp"
#include "container/slot_hold.hpp"

namespace berth::container {
namespace {
constexpr std::chrono::seconds kRestAfterFailure{30};
}

// The largest of those that are smaller, as it needs the least more memory; null if there is none,
// or not so much memory: nothing is removed for it.
Container* ContainerPool::stock_to_grow(const ActionSlot& slot) const {
  if (!can_resize_ || stock_bytes_ == 0 || with_.clock.steady_now() < resize_not_before_) {
    return nullptr;
  }
  const SizeClass& wanted = *slot.size_class;
  const auto& sizes = classes_.at(wanted.group);
  for (auto size = sizes.lower_bound(wanted.memory_bytes); size != sizes.begin();) {
    SizeClass& smaller = *(--size)->second;
    if (smaller.stock.empty()) continue;
    const std::uint64_t more = wanted.memory_bytes - smaller.memory_bytes;
    if (used_ + more > capacity_bytes_) return nullptr;
    if (room_for(*slot.tenant) < static_cast<std::int64_t>(more)) return nullptr;
    return &smaller.stock.front();
  }
  return nullptr;
}

void ContainerPool::grow(Container& container, ActionSlot& slot) {
  SizeClass& from = *container.size_class;
  SizeClass& to = *slot.size_class;
  unlink_idle(container);
  if (!step(container, Event::kResize)) return;
  // If berthd is killed meanwhile the next one does not know what limit it has: at work.
  if (with_.ledger != nullptr) with_.ledger->set_busy(container.ledger_slot, true);
  used_ += to.memory_bytes - container.memory_bytes;
  container.memory_bytes = to.memory_bytes;
  container.size_class = &to;
  ++to.users;
  ++to.cold_starts;
  container.started_for = &slot;
  ++slot.starts;
  charge(container, slot.tenant);
  // This was the turn of the slot and of its namespace.
  leave_turn(slot);
  take_turn(*slot.tenant, container.memory_bytes);
  update_needy(slot);
  gauges_->resizes.add();
  log::debug("pool", "giving a prewarmed container more memory",
             {{"container", container.name}, {"action", slot.action->path()}});
  start_call(with_.io,
             with_.factory.resize(container.id, limits_of(container.memory_bytes),
                                  with_.clock.steady_now() + options_.pause_timeout),
             [pool = weak_from_this(), container = ContainerPtr(&container)](Result<void> result) {
               if (const auto alive = pool.lock()) alive->resized(*container, std::move(result));
             });
  ensure_prewarmed(from);
  forget_class(&from);
}

plugin::ResizeRequest ContainerPool::limits_of(std::uint64_t memory_bytes) const {
  return {.memory_bytes = memory_bytes,
          .cpu_shares = cpu_shares(capacity_bytes_, memory_bytes),
          .cpu_quota_millis = static_cast<std::uint32_t>(options_.cpu_quota_millis_per_gb *
                                                         (memory_bytes >> 20) / 1024)};
}

void ContainerPool::resized(Container& container, Result<void> result) {
  if (container.state != State::kResizing) return;
  if (result) {
    ActionSlot* const slot = container.started_for;
    const SlotHold hold(*this, slot);
    step(container, Event::kResized);
    uncount_start(container);
    offer_fresh(container, slot);
  } else {
    // What limits it has now is not known: whoever waits gets another one.
    const StatusCode code = result.error().code();
    if (code == StatusCode::kUnimplemented) can_resize_ = false;
    // Else each start would try, and lose, all of the stock.
    if (code != StatusCode::kNotFound && code != StatusCode::kFailedPrecondition) {
      resize_not_before_ = with_.clock.steady_now() + kRestAfterFailure;
    }
    log::warn("pool", "a container could not be given more memory",
              {{"container", container.name}, {"reason", result.error().to_string()}});
    remove(container, Event::kFailed, "it could not be resized");
  }
  dispatch();
}

}  // namespace berth::container
