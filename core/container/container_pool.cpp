// SPDX-License-Identifier: Apache-2.0
// Leases and the queue. pool_memory.cpp decides which containers exist, pool_lifecycle.cpp speaks
// to the factory.
#include "container/container_pool.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "base/log.hpp"
#include "container/pool_gauges.hpp"
#include "container/slot_hold.hpp"
#include "container/smooth.hpp"

namespace berth::container {
namespace {

// What an activation touches of its container is in no cache where there are many: all of it is
// asked for at once.
void prefetch(const Container& container) {
  const char* const begin = reinterpret_cast<const char*>(&container);
  for (const std::ptrdiff_t line : {0, 64, 128}) __builtin_prefetch(begin + line, 1);
}

}  // namespace

// Lease

Lease::Lease(ContainerPool* pool, ContainerPtr container, StartKind kind)
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
  const ContainerPtr container = std::move(container_);
  std::exchange(pool_, nullptr)->release(*container, fit);
}

void Lease::give_back() {
  if (!container_) return;
  if (!container_->client) return release(false);
  if (!needs_init()) return release(true);
  const ContainerPtr container = std::move(container_);
  std::exchange(pool_, nullptr)->give_back(*container);
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
    const ContainerPtr last = std::move(container.self);
  }
}

Result<ActionSlot*> ContainerPool::find_slot(const Waiter& waiter) {
  if (const auto tenant = tenants_.find(waiter.user->namespace_uuid); tenant != tenants_.end()) {
    if (ActionSlot* slot = slots_.find(*tenant->second, waiter.action)) return slot;
  }

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
  ActionSlot& slot =
      add_slot(waiter.action, waiter.user->namespace_uuid, waiter.user->namespace_name);
  slot.sentinelled = sentinelled;
  slot.concurrency =
      static_cast<std::uint32_t>(std::max<std::int64_t>(1, action.limits.concurrency));
  join_class(slot, find_class(kind, image, user_provided, slot.concurrency > 1,
                              static_cast<std::uint64_t>(action.limits.memory_mb) * 1024 * 1024));
  return &slot;
}

ActionSlot& ContainerPool::add_slot(entity::ActionPtr action, const std::string& namespace_uuid,
                                    std::string namespace_name) {
  Tenant& tenant = find_tenant(namespace_uuid);
  ++tenant.slots;
  ActionSlot& slot = slots_.add(tenant, std::move(action));
  slot.namespace_name = std::move(namespace_name);
  return slot;
}

void ContainerPool::forget_slot_if_unused(ActionSlot& slot) {
  if (slot.containers > 0 || slot.waiting > 0 || slot.starts > 0 || slot.holds > 0) return;
  Tenant& tenant = *slot.tenant;
  SizeClass* const size_class = slot.size_class;
  if (--slot.queue->slots == 0) size_class->queues.erase(&tenant);
  slots_.remove(slot);
  --tenant.slots;
  forget_tenant_if_unused(tenant);
  forget_class(size_class);
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
    Container& container = slot.free.front();
    prefetch(container);
    grant(container, waiter);
    return {};
  }
  SizeClass& size_class = *slot.size_class;
  if (!fits_ever(size_class.memory_bytes)) {
    const std::uint64_t needed = size_class.memory_bytes;
    forget_slot_if_unused(slot);
    return sdk::resource_exhausted("the action needs " + std::to_string(needed >> 20) +
                                   " MB and the container pool has " +
                                   std::to_string(capacity_bytes_ >> 20) + " MB in all");
  }
  if (Container* stocked = take_stock(size_class)) {
    SizeClass& from = *stocked->size_class;
    ++from.users;  // until the end: who gets the container may have given it back by then
    grant(*stocked, waiter);
    ensure_prewarmed(from);
    forget_class(&from);
    return {};
  }
  if (!again && queue_is_full(*slot.tenant)) {
    forget_slot_if_unused(slot);
    return sdk::resource_exhausted("too many activations wait for a container");
  }
  enqueue(waiter, slot);
  dispatch();
  return {};
}

// A full queue still takes from a namespace that has less than its share of it: who fills it does
// not close it for others.
bool ContainerPool::queue_is_full(const Tenant& tenant) const {
  if (queue_ < options_.max_queue) return false;
  const std::size_t others = waiting_tenants_ - (tenant.waiting > 0 ? 1 : 0);
  return tenant.waiting >= options_.max_queue / (others + 1);
}

std::chrono::seconds ContainerPool::retry_after() const {
  if (queue_rate_ <= 0) return std::chrono::seconds(queue_ == 0 ? 1 : 10);
  const double seconds = static_cast<double>(queue_) / queue_rate_;
  return std::chrono::seconds(1 + static_cast<int>(std::min(seconds, 59.0)));
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
  if (++slot.tenant->waiting == 1) ++waiting_tenants_;
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
  ++left_queue_;
  if (--slot.tenant->waiting == 0) --waiting_tenants_;
  if (--slot.waiting == 0) slot.waiting_hook.unlink();
  // Served slots go to the end: actions take turns.
  leave_turn(slot);
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

void ContainerPool::assign(Container& container, ActionSlot& slot) {
  container.slot = &slot;
  container.assigned_at = container.granted_at;
  count_container(slot, 1);
  charge(container, slot.tenant);
}

void ContainerPool::grant(Container& container, Waiter& waiter) {
  ActionSlot& slot = *waiter.slot;
  StartKind kind = StartKind::kWarm;
  unlink_idle(container);
  container.granted_at = with_.clock.steady_now();
  if (slot.last_granted != SteadyTime()) {
    smooth(slot.gap_ms, container.granted_at - slot.last_granted);
  }
  slot.last_granted = container.granted_at;
  if (container.state == State::kPrewarmed) {
    kind = container.start_kind;
    if (kind == StartKind::kPrewarmed) ++slot.size_class->demand;
    assign(container, slot);
    note(container, true);
    step(container, Event::kInit);
  } else {
    if (container.active == 0 && with_.ledger != nullptr) {
      with_.ledger->set_busy(container.ledger_slot, true);
    }
    step(container, Event::kRun);
  }
  ++container.active;
  if (container.state == State::kInitialising || container.active >= slot.concurrency) {
    container.free_hook.unlink();
  }
  leave_queue(waiter);
  gauges_->count_start(kind);
  waiter.on_lease(Lease(this, ContainerPtr(&container), kind));
}

void ContainerPool::serve(ActionSlot& slot) {
  while (slot.waiting > 0 && !slot.free.empty()) grant(slot.free.front(), front(slot));
}

void ContainerPool::initialised(Container& container) {
  if (container.state != State::kInitialising || !step(container, Event::kInitialised)) return;
  ActionSlot& slot = *container.slot;
  const SteadyTime now = with_.clock.steady_now();
  smooth(slot.size_class->init_ms, now - container.granted_at);
  learn_cost(*slot.size_class);
  container.granted_at = now;
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
  const SteadyTime now = with_.clock.steady_now();
  if (slot.concurrency == 1) {
    smooth(slot.run_ms, now - container.granted_at);
    update_worth(slot);
  }
  if (!container.free_hook.is_linked()) slot.free.push_front(container);
  if (container.active > 0) {
    serve(slot);
    return;
  }
  step(container, Event::kIdle);
  if (with_.ledger != nullptr) with_.ledger->set_busy(container.ledger_slot, false);
  if (slot.waiting > 0 && !gives_way(container, now)) {
    serve(slot);
    return;
  }
  make_idle(container, now);
  if (container.state == State::kReady) serve(slot);
}

// One that no code was put into is nobody's again.
void ContainerPool::give_back(Container& container) {
  if (closed_ || stopping_ || container.retired || container.state != State::kInitialising) {
    return release(container, false);
  }
  --container.active;
  ActionSlot& slot = *std::exchange(container.slot, nullptr);
  count_container(slot, -1);
  charge(container, nullptr);
  step(container, Event::kIdle);
  {
    const SlotHold hold(*this, &slot);
    offer_fresh(container, nullptr);
  }
  dispatch();
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

void ContainerPool::make_idle(Container& container, SteadyTime now) {
  container.last_used = now;
  idle_.push_back(container);
  container.slot->tenant->idle.push_back(container);
  unpaused_.push_back(container);
  idle_bytes_ += container.memory_bytes;
  ++container.slot->idle;
  count_in(container);
  // Who is below his share comes before the promise to one above his own.
  const bool fair = promised_ == nullptr || is_fair(*promised_);
  if (fair && balance() < 0) settle_deficit();
  if (!needy_classes_.empty()) dispatch();
  if (!fair && balance() < 0) settle_deficit();
}

void ContainerPool::offer_fresh(Container& container, ActionSlot* preferred) {
  ActionSlot* slot = preferred != nullptr && preferred->waiting > 0 ? preferred : nullptr;
  if (slot == nullptr) {
    // Who has no start of its own comes first, then whoever waits; the nearest size first.
    auto& sizes = classes_.at(container.size_class->group);
    ActionSlot* waits = nullptr;
    for (auto size = sizes.upper_bound(container.memory_bytes); size != sizes.begin();) {
      SizeClass& size_class = *(--size)->second;
      if (!size_class.order.empty()) {
        ActionSlot& first = size_class.order.begin()->needy.front();
        if (slot == nullptr || is_earlier(first, *slot)) slot = &first;
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

}  // namespace berth::container
