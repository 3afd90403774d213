// SPDX-License-Identifier: Apache-2.0
// Leases and the queue. pool_memory.cpp decides which containers exist, pool_lifecycle.cpp speaks
// to the factory.
#include "container/container_pool.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "container/pool_gauges.hpp"

namespace berth::container {

// Lease

Lease::Lease(ContainerPool* pool, std::shared_ptr<Container> container, StartKind kind)
    : pool_(pool), container_(std::move(container)), kind_(kind) {}

Lease::Lease(Lease&& other) noexcept
    : pool_(std::exchange(other.pool_, nullptr)),
      container_(std::move(other.container_)),
      kind_(other.kind_) {}

Lease& Lease::operator=(Lease&& other) noexcept {
  if (this != &other) {
    release(false);
    pool_ = std::exchange(other.pool_, nullptr);
    container_ = std::move(other.container_);
    kind_ = other.kind_;
  }
  return *this;
}

Lease::~Lease() {
  release(false);
}

void Lease::release(bool fit) {
  if (!container_) return;
  const std::shared_ptr<Container> container = std::move(container_);
  container_ = nullptr;
  std::exchange(pool_, nullptr)->release(*container, fit);
}

bool Lease::sentinelled() const {
  return container_->slot != nullptr && container_->slot->sentinelled;
}

void Lease::on_death(std::function<void()> handler) {
  if (container_->death) return handler();
  container_->on_death.push_back(std::move(handler));
}

void Lease::initialised() {
  pool_->initialised(*container_);
}

std::shared_ptr<void> Lease::hold() const {
  ++container_->holds;
  return std::shared_ptr<void>(nullptr,
                               [pool = pool_->weak_from_this(), container = container_](void*) {
                                 --container->holds;
                                 if (const auto alive = pool.lock())
                                   alive->destroy_if_unused(*container);
                               });
}

// ContainerPool

std::shared_ptr<ContainerPool> ContainerPool::make(PoolDependencies dependencies,
                                                   PoolOptions options) {
  return std::shared_ptr<ContainerPool>(new ContainerPool(dependencies, std::move(options)));
}

ContainerPool::ContainerPool(PoolDependencies dependencies, PoolOptions options)
    : with_(dependencies),
      options_(std::move(options)),
      capacity_bytes_(options_.memory_bytes),
      timer_(with_.io),
      gauges_(std::make_unique<Gauges>(with_.metrics)) {}

ContainerPool::~ContainerPool() {
  // The pool's own references are circles; the hooks leave their lists by themselves.
  while (!all_.empty()) {
    Container& container = all_.front();
    all_.pop_front();
    const std::shared_ptr<Container> last = std::move(container.self);
  }
}

Result<ActionSlot*> ContainerPool::find_slot(const Waiter& waiter) {
  const SlotKeyView key{waiter.user->namespace_uuid, waiter.action.get()};
  if (const auto found = slots_.find(key); found != slots_.end()) return found->second.get();

  const entity::Action& action = *waiter.action;
  std::string kind = action.exec.kind;
  std::string image = action.exec.image;
  bool user_provided = false;
  bool sentinelled = true;
  if (kind == "blackbox") {
    user_provided = !with_.manifest.is_known_blackbox(image);
    sentinelled = !user_provided;
  } else {
    const entity::Runtime* runtime = with_.manifest.find(kind);
    if (runtime == nullptr) {
      return sdk::not_found("the runtimes manifest has no kind '" + kind + "'");
    }
    kind = runtime->kind;
    image = runtime->image;
    sentinelled = runtime->sentinelled_logs;
  }
  auto slot = std::make_unique<ActionSlot>();
  slot->action = waiter.action;
  slot->namespace_uuid = waiter.user->namespace_uuid;
  slot->namespace_name = waiter.user->namespace_name;
  slot->sentinelled = sentinelled;
  slot->concurrency =
      static_cast<std::uint32_t>(std::max<std::int64_t>(1, action.limits.concurrency));
  slot->size_class = &find_class(kind, image, user_provided, slot->concurrency > 1,
                                 static_cast<std::uint64_t>(action.limits.memory_mb) * 1024 * 1024);
  ActionSlot* raw = slot.get();
  slots_.emplace(SlotKey{raw->namespace_uuid, raw->action}, std::move(slot));
  return raw;
}

void ContainerPool::forget_slot_if_unused(ActionSlot& slot) {
  if (slot.containers > 0 || slot.waiting > 0 || slot.starts > 0) return;
  const auto found = slots_.find(SlotKeyView{slot.namespace_uuid, slot.action.get()});
  if (found == slots_.end()) return;
  const std::unique_ptr<ActionSlot> last = std::move(found->second);
  slots_.erase(found);
}

Status ContainerPool::acquire(Waiter& waiter) {
  return acquire(waiter, false);
}
Status ContainerPool::acquire_again(Waiter& waiter) {
  return acquire(waiter, true);
}

Status ContainerPool::acquire(Waiter& waiter, bool again) {
  if (stopping_) return sdk::unavailable("the container pool is stopping");
  const Result<ActionSlot*> found = find_slot(waiter);
  if (!found) return found.error();
  ActionSlot& slot = **found;
  waiter.slot = &slot;
  if (waiter.number == 0) waiter.number = next_turn_++;
  if (!slot.free.empty()) {
    grant(slot.free.front(), waiter);
    return {};
  }
  SizeClass& size_class = *slot.size_class;
  if (!fits_ever(size_class.memory_bytes)) {
    forget_slot_if_unused(slot);
    return sdk::resource_exhausted(
        "the action needs " + std::to_string(size_class.memory_bytes >> 20) +
        " MB and the container pool has " + std::to_string(capacity_bytes_ >> 20) + " MB in all");
  }
  if (Container* stocked = take_stock(size_class)) {
    SizeClass& from = *stocked->size_class;
    grant(*stocked, waiter);
    ensure_prewarmed(from);
    return {};
  }
  if (queue_ >= options_.max_queue && !again) {
    forget_slot_if_unused(slot);
    return sdk::resource_exhausted("too many activations wait for a container");
  }
  enqueue(waiter, slot);
  dispatch();
  return {};
}

void ContainerPool::enqueue(Waiter& waiter, ActionSlot& slot) {
  if (waiter.since == SteadyTime()) waiter.since = with_.clock.steady_now();
  // One that comes again stands where it stood: nearly always at the front.
  auto place = slot.waiters.end();
  if (!slot.waiters.empty() && slot.waiters.back().number > waiter.number) {
    place = slot.waiters.begin();
    while (place != slot.waiters.end() && place->number < waiter.number) ++place;
  }
  slot.waiters.insert(place, waiter);
  ++queue_;
  if (++slot.waiting == 1) slot.size_class->waiting.push_back(slot);
  // A resting container of the action is the start that costs least.
  if (slot.waiting > slot.starts && !slot.resting.empty()) resume(slot.resting.front());
  update_needy(slot);
}

void ContainerPool::leave_queue(Waiter& waiter) {
  if (!waiter.hook.is_linked()) return;
  ActionSlot& slot = *waiter.slot;
  waiter.hook.unlink();
  --queue_;
  if (--slot.waiting == 0) slot.waiting_hook.unlink();
  // Served slots go to the end: actions take turns.
  if (slot.needy_hook.is_linked()) {
    slot.needy_hook.unlink();
    if (slot.size_class->needy.empty()) slot.size_class->needy_hook.unlink();
  }
  update_needy(slot);
  if (slot.unissued > 0) cancel_planned(slot);
}

Waiter& ContainerPool::front(ActionSlot& slot) {
  return static_cast<Waiter&>(slot.waiters.front());
}

void ContainerPool::cancel(Waiter& waiter) {
  if (!waiter.hook.is_linked()) return;
  ActionSlot& slot = *waiter.slot;
  leave_queue(waiter);
  forget_slot_if_unused(slot);
}

void ContainerPool::update_needy(ActionSlot& slot) {
  const bool needy = slot.waiting > slot.starts && !slot.retry_hook.is_linked();
  if (needy == slot.needy_hook.is_linked()) return;
  SizeClass& size_class = *slot.size_class;
  if (needy) {
    slot.turn = next_turn_++;
    size_class.needy.push_back(slot);
    if (!size_class.needy_hook.is_linked()) needy_classes_.push_back(size_class);
  } else {
    slot.needy_hook.unlink();
    if (size_class.needy.empty()) size_class.needy_hook.unlink();
  }
}

void ContainerPool::assign(Container& container, ActionSlot& slot) {
  container.slot = &slot;
  container.assigned_at = with_.clock.steady_now();
  ++slot.containers;
}

void ContainerPool::grant(Container& container, Waiter& waiter) {
  ActionSlot& slot = *waiter.slot;
  StartKind kind = StartKind::kWarm;
  unlink_idle(container);
  if (container.state == State::kPrewarmed) {
    kind = container.start_kind;
    assign(container, slot);
    step(container, Event::kInit);
  } else {
    step(container, Event::kRun);
  }
  ++container.active;
  if (container.state == State::kInitialising || container.active >= slot.concurrency) {
    container.free_hook.unlink();
  }
  leave_queue(waiter);
  gauges_->count_start(kind);
  waiter.on_lease(Lease(this, container.shared_from_this(), kind));
}

void ContainerPool::serve(ActionSlot& slot) {
  while (!slot.waiters.empty() && !slot.free.empty()) grant(slot.free.front(), front(slot));
}

void ContainerPool::initialised(Container& container) {
  if (container.state != State::kInitialising || !step(container, Event::kInitialised)) return;
  ActionSlot& slot = *container.slot;
  if (slot.concurrency <= container.active) return;
  slot.free.push_front(container);
  serve(slot);
}

void ContainerPool::release(Container& container, bool fit) {
  --container.active;
  if (closed_) return;
  if (container.state == State::kRemoving || container.state == State::kGone) {
    destroy_if_unused(container);
    return;
  }
  if (!fit || container.retired || container.state != State::kRunning) {
    remove(container, Event::kFailed, "its activation failed");
    dispatch();
    return;
  }
  ActionSlot& slot = *container.slot;
  if (!container.free_hook.is_linked()) slot.free.push_front(container);
  if (container.active > 0) {
    serve(slot);
    return;
  }
  step(container, Event::kIdle);
  // Others have waited too long for memory: an action that had its share of time gives way.
  const bool give_way = slot.waiting > 0 && balance() < 0 && promised_ != nullptr &&
                        promised_->started_for != &slot &&
                        with_.clock.steady_now() - container.assigned_at >= options_.residency;
  if (slot.waiting > 0 && !give_way) {
    serve(slot);
    return;
  }
  make_idle(container);
  if (container.state == State::kReady) serve(slot);
}

void ContainerPool::retire(const std::string& container_id) {
  const auto found = by_id_.find(container_id);
  if (found == by_id_.end()) return;
  Container& container = *found->second;
  container.retired = true;
  container.free_hook.unlink();
  if (container.active > 0) return;
  remove(container, Event::kRemove, "retired");
  dispatch();
}

void ContainerPool::make_idle(Container& container) {
  container.last_used = with_.clock.steady_now();
  idle_.push_back(container);
  unpaused_.push_back(container);
  idle_bytes_ += container.memory_bytes;
  if (balance() < 0) settle_deficit();
  if (!needy_classes_.empty()) dispatch();
}

void ContainerPool::offer_fresh(Container& container, ActionSlot* preferred) {
  ActionSlot* slot = preferred != nullptr && preferred->waiting > 0 ? preferred : nullptr;
  if (slot == nullptr) {
    // Who has no start of its own comes first, then whoever waits; the nearest size first.
    auto& sizes = classes_.at(container.size_class->group);
    ActionSlot* waits = nullptr;
    for (auto size = sizes.upper_bound(container.memory_bytes); size != sizes.begin();) {
      SizeClass& size_class = *(--size)->second;
      if (!size_class.needy.empty() &&
          (slot == nullptr || size_class.needy.front().turn < slot->turn)) {
        slot = &size_class.needy.front();
      }
      if (waits == nullptr && !size_class.waiting.empty()) waits = &size_class.waiting.front();
    }
    if (slot == nullptr) slot = waits;
  }
  if (slot == nullptr) {
    put_stock(container);
    return;
  }
  grant(container, front(*slot));
}

ActionSlot* ContainerPool::next_startable() {
  const std::int64_t room = balance() + evictable();
  ActionSlot* best = nullptr;
  for (SizeClass& size_class : needy_classes_) {
    if (static_cast<std::int64_t>(size_class.memory_bytes) > room) continue;
    ActionSlot& slot = size_class.needy.front();
    if (best == nullptr || slot.turn < best->turn) best = &slot;
  }
  return best;
}

ActionSlot* ContainerPool::next_starved(SteadyTime now) {
  ActionSlot* best = nullptr;
  for (SizeClass& size_class : needy_classes_) {
    ActionSlot& slot = size_class.needy.front();
    if (slot.waiters.front().since + options_.overtake_limit > now) continue;
    if (best == nullptr || slot.turn < best->turn) best = &slot;
  }
  return best;
}

void ContainerPool::dispatch() {
  dispatch_again_ = true;
  if (dispatching_ || stopping_) return;
  dispatching_ = true;
  while (std::exchange(dispatch_again_, false)) {
    while (!needy_classes_.empty()) {
      ActionSlot* slot = next_startable();
      // One at a time is promised memory that is not there yet.
      if (slot == nullptr && balance() >= 0) slot = next_starved(with_.clock.steady_now());
      if (slot == nullptr) break;
      plan_start(*slot);
    }
  }
  dispatching_ = false;
}

}  // namespace berth::container
