// SPDX-License-Identifier: Apache-2.0
#include "plugin/operation_table.hpp"

#include <algorithm>
#include <cassert>
#include <pthread.h>
#include <random>
#include <string>

namespace berth::plugin {
namespace {

constexpr std::uint64_t kNever = UINT64_MAX;
constexpr std::uint64_t kIndexBits = 24;
constexpr std::uint64_t kIndexMask = (std::uint64_t{1} << kIndexBits) - 1;

std::uint64_t make_id(std::uint32_t generation, CallKind kind, std::uint32_t index) {
  return std::uint64_t{generation} << 32 | static_cast<std::uint64_t>(kind) << kIndexBits | index;
}
std::uint32_t index_of(std::uint64_t id) {
  return static_cast<std::uint32_t>(id & kIndexMask);
}
std::uint32_t generation_of(std::uint64_t id) {
  return static_cast<std::uint32_t>(id >> 32);
}
std::uint8_t kind_of(std::uint64_t id) {
  return static_cast<std::uint8_t>(id >> kIndexBits);
}

template <typename Phase>
std::uint64_t make_state(std::uint32_t generation, Phase phase) {
  return std::uint64_t{generation} << 8 | static_cast<std::uint64_t>(phase);
}
std::uint32_t state_generation(std::uint64_t state) {
  return static_cast<std::uint32_t>(state >> 8);
}

}  // namespace

// Each table starts its generations elsewhere, so that an id of another plugin is not taken for
// ours.
OperationTable::OperationTable(const Clock& clock, StrayAnswers& stray, bool watch)
    : clock_(clock),
      stray_(stray),
      watch_(watch),
      first_generation_(std::random_device{}()),
      chunks_(std::make_unique<std::atomic<Chunk*>[]>(kMaxOperations / kChunk)),
      next_wake_ns_(kNever),
      wanted_wake_ns_(kNever) {}

OperationTable::~OperationTable() {
  assert(in_flight() == 0 && "give up all operations before their table is destroyed");
  {
    const std::lock_guard lock(watch_mutex_);
    stopping_ = true;
  }
  watch_changed_.notify_all();
  if (watcher_.joinable()) watcher_.join();
  for (std::size_t i = 0; i < kMaxOperations / kChunk; ++i) delete chunks_[i].load();
}

OperationTable::Slot* OperationTable::slot(std::uint64_t index) const noexcept {
  Chunk* chunk = chunks_[index / kChunk].load(std::memory_order_acquire);
  return &(*chunk)[index % kChunk];
}

std::uint32_t OperationTable::take_free() noexcept {
  std::uint64_t head = free_.load(std::memory_order_acquire);
  for (;;) {
    const auto top = static_cast<std::uint32_t>(head);
    if (top == 0) return 0;
    const std::uint64_t next = slot(top - 1)->next_free.load(std::memory_order_relaxed);
    // The tag in the upper half keeps a slot that was taken and put back meanwhile from being
    // mistaken.
    const std::uint64_t changed = ((head >> 32) + 1) << 32 | next;
    if (free_.compare_exchange_weak(head, changed, std::memory_order_acq_rel)) return top;
  }
}

void OperationTable::put_free(std::uint32_t index) noexcept {
  Slot* const freed = slot(index);
  std::uint64_t head = free_.load(std::memory_order_acquire);
  std::uint64_t changed;
  do {
    freed->next_free.store(static_cast<std::uint32_t>(head), std::memory_order_relaxed);
    changed = ((head >> 32) + 1) << 32 | (index + 1);
  } while (!free_.compare_exchange_weak(head, changed, std::memory_order_acq_rel));
}

bool OperationTable::grow() {
  const std::lock_guard lock(grow_mutex_);
  if (static_cast<std::uint32_t>(free_.load()) != 0) return true;  // somebody else grew it
  const std::uint32_t first = slots_.load();
  if (first == kMaxOperations) return false;
  auto* chunk = new Chunk;
  for (Slot& made : *chunk) {
    made.state.store(make_state(first_generation_, Phase::kFree), std::memory_order_relaxed);
    made.deadline_ns.store(0, std::memory_order_relaxed);
    made.call.store(nullptr, std::memory_order_relaxed);
  }
  chunks_[first / kChunk].store(chunk, std::memory_order_release);
  slots_.store(first + kChunk);
  for (std::uint32_t i = kChunk; i > 0; --i) put_free(first + i - 1);
  return true;
}

berth_op OperationTable::begin(PendingCall& call, CallKind kind, std::uint64_t deadline_ns) {
  std::uint32_t taken = take_free();
  while (taken == 0) {
    if (!grow()) return berth_op{0};
    taken = take_free();
  }
  const std::uint32_t index = taken - 1;
  Slot* const s = slot(index);
  const std::uint32_t generation = state_generation(s->state.load(std::memory_order_relaxed));
  s->deadline_ns.store(deadline_ns, std::memory_order_relaxed);
  s->call.store(&call, std::memory_order_relaxed);
  s->kind.store(kind, std::memory_order_relaxed);
  s->state.store(make_state(generation, Phase::kActive));
  // Sequentially consistent with run_watcher: either it sees the slot or we see that it looks.
  if (deadline_ns != 0 && watch_ && deadline_ns < next_wake_ns_.load()) watch_deadline(deadline_ns);
  return berth_op{make_id(generation, kind, index)};
}

void OperationTable::complete(berth_op op, const berth_status* status,
                              const void* result) noexcept {
  const std::uint32_t index = index_of(op.id);
  const std::uint32_t generation = generation_of(op.id);
  const std::uint8_t kind = kind_of(op.id);
  if (index >= slots_.load(std::memory_order_acquire) || kind == 0 || kind >= kCallKinds) {
    return stray_.unknown(op);
  }
  Slot* const s = slot(index);
  std::uint64_t state = s->state.load(std::memory_order_acquire);
  while (state_generation(state) == generation) {
    const auto phase = static_cast<Phase>(state & 0xff);
    if (phase == Phase::kFree) return stray_.unknown(op);  // this generation is not issued yet
    PendingCall* const call = s->call.load(std::memory_order_relaxed);
    if (!s->state.compare_exchange_weak(state, make_state(generation + 1, Phase::kFree),
                                        std::memory_order_acq_rel)) {
      continue;
    }
    put_free(index);
    if (phase == Phase::kActive) return call->accept(status, result);
    return stray_.late(static_cast<CallKind>(kind), status, result);
  }
  if (generation - first_generation_ < state_generation(state) - first_generation_) {
    return stray_.again(static_cast<CallKind>(kind), status, result);
  }
  stray_.unknown(op);
}

bool OperationTable::give_up(berth_op op, const Status& why) noexcept {
  const std::uint32_t index = index_of(op.id);
  if (index >= slots_.load(std::memory_order_acquire)) return false;
  Slot* const s = slot(index);
  PendingCall* const call = s->call.load(std::memory_order_relaxed);
  std::uint64_t active = make_state(generation_of(op.id), Phase::kActive);
  if (!s->state.compare_exchange_strong(active, make_state(generation_of(op.id), Phase::kAbandoned),
                                        std::memory_order_acq_rel)) {
    return false;
  }
  remember_abandoned(op.id);
  call->give_up(op, why);
  return true;
}

void OperationTable::remember_abandoned(std::uint64_t op_id) noexcept {
  const std::lock_guard lock(abandoned_mutex_);
  abandoned_.push_back(op_id);
  while (abandoned_.size() > kMaxAbandoned) {
    free_abandoned(abandoned_.front());
    abandoned_.pop_front();
  }
}

void OperationTable::free_abandoned(std::uint64_t op_id) noexcept {
  const std::uint32_t index = index_of(op_id);
  const std::uint32_t generation = generation_of(op_id);
  std::uint64_t abandoned = make_state(generation, Phase::kAbandoned);
  if (slot(index)->state.compare_exchange_strong(
          abandoned, make_state(generation + 1, Phase::kFree), std::memory_order_acq_rel)) {
    put_free(index);
  }
}

std::uint64_t OperationTable::give_up_due() noexcept {
  const std::uint64_t now = monotonic_ns(clock_.steady_now());
  std::uint64_t earliest = kNever;
  const std::uint32_t slots = slots_.load();
  for (std::uint32_t index = 0; index < slots; ++index) {
    Slot* const s = slot(index);
    const std::uint64_t state = s->state.load();
    if (static_cast<Phase>(state & 0xff) != Phase::kActive) continue;
    const std::uint64_t deadline = s->deadline_ns.load(std::memory_order_relaxed);
    if (deadline == 0) continue;
    if (deadline > now) {
      earliest = std::min(earliest, deadline);
      continue;
    }
    const auto kind = s->kind.load(std::memory_order_relaxed);
    give_up(berth_op{make_id(state_generation(state), kind, index)},
            sdk::deadline_exceeded("the plugin did not answer " + std::string(to_string(kind)) +
                                   " in time"));
  }
  return earliest;
}

void OperationTable::give_up_all(const Status& why) noexcept {
  const std::uint32_t slots = slots_.load();
  for (std::uint32_t index = 0; index < slots; ++index) {
    Slot* const s = slot(index);
    const std::uint64_t state = s->state.load();
    if (static_cast<Phase>(state & 0xff) != Phase::kActive) continue;
    give_up(berth_op{make_id(state_generation(state), s->kind.load(), index)}, why);
  }
}

void OperationTable::watch_deadline(std::uint64_t deadline_ns) {
  const std::lock_guard lock(watch_mutex_);
  if (!watcher_.joinable()) {
    watcher_ = std::thread([this] { run_watcher(); });
    pthread_setname_np(watcher_.native_handle(), "berth-deadlines");
  }
  if (deadline_ns < wanted_wake_ns_) {
    wanted_wake_ns_ = deadline_ns;
    watch_changed_.notify_all();
  }
}

void OperationTable::run_watcher() {
  std::unique_lock lock(watch_mutex_);
  while (!stopping_) {
    const std::uint64_t now = monotonic_ns(clock_.steady_now());
    if (wanted_wake_ns_ > now) {
      next_wake_ns_.store(wanted_wake_ns_);
      if (wanted_wake_ns_ == kNever) {
        watch_changed_.wait(lock);
      } else {
        // Bounded, so that a far deadline does not overflow the clock's arithmetic.
        const std::uint64_t wait_ns =
            std::min(wanted_wake_ns_ - now, std::uint64_t{3'600'000'000'000});
        watch_changed_.wait_for(lock, std::chrono::nanoseconds(wait_ns));
      }
      continue;
    }
    wanted_wake_ns_ = kNever;
    next_wake_ns_.store(kNever);  // from here on `begin` tells us of every deadline
    lock.unlock();
    const std::uint64_t earliest = give_up_due();
    lock.lock();
    wanted_wake_ns_ = std::min(wanted_wake_ns_, earliest);
  }
}

std::size_t OperationTable::count(Phase phase) const {
  std::size_t counted = 0;
  const std::uint32_t slots = slots_.load();
  for (std::uint32_t i = 0; i < slots; ++i) {
    if (static_cast<Phase>(slot(i)->state.load() & 0xff) == phase) ++counted;
  }
  return counted;
}

std::size_t OperationTable::in_flight() const {
  return count(Phase::kActive);
}
std::size_t OperationTable::abandoned() const {
  return count(Phase::kAbandoned);
}

}  // namespace berth::plugin
