// SPDX-License-Identifier: Apache-2.0
// `OperationTable`: the operations that one plugin has been given and not answered.
//
// The problem it solves: a plugin answers late, twice, never, or with an id it made up, and none of
// that may touch memory that is in use for something else. An operation is a value (slot,
// generation, kind of call); the first of answer, deadline and cancellation to claim the slot's
// generation decides the outcome, and every other one is told so. A slot whose operation the host
// gave up stays "abandoned" until the plugin answers, so that a late answer is known for what it
// is.
//
// Thread-safe. The way begin → complete takes no lock. Deadlines are watched by one thread, started
// with the first one, that sleeps until the earliest and calls PendingCall::give_up; it never calls
// into a plugin.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "base/clock.hpp"
#include "base/result.hpp"
#include "berth/plugin/abi.h"
#include "plugin/call_kind.hpp"

namespace berth::plugin {

// Whoever waits for an operation. Exactly one of the two is called, once, and may end the object.
class PendingCall {
 public:
  // The plugin's answer; both are borrowed, a berth_buf in the result is handed over. Runs inside
  // the plugin's call of `complete`, on its thread.
  virtual void accept(const berth_status* status, const void* result) noexcept = 0;
  // The host gives `op` up.
  virtual void give_up(berth_op op, const Status& why) noexcept = 0;

 protected:
  ~PendingCall() = default;
};

// Who hears of answers that nobody waits for. Called inside the plugin's call of `complete`; the
// result must be released.
class StrayAnswers {
 public:
  // The first answer to an operation that was given up.
  virtual void late(CallKind kind, const berth_status* status, const void* result) noexcept = 0;
  // A further answer to an operation that was answered already.
  virtual void again(CallKind kind, const berth_status* status, const void* result) noexcept = 0;
  // An id that this table never issued: what `result` points to is unknown.
  virtual void unknown(berth_op op) noexcept = 0;

 protected:
  ~StrayAnswers() = default;
};

class OperationTable {
 public:
  // Abandoned operations remembered at most; beyond, the oldest are forgotten, and their late
  // answers count as given twice.
  static constexpr std::size_t kMaxAbandoned = 65536;
  static constexpr std::size_t kMaxOperations = std::size_t{1} << 20;

  // `watch` false: nobody watches deadlines but whoever calls give_up_due (tests with their own
  // clock).
  OperationTable(const Clock& clock, StrayAnswers& stray, bool watch = true);
  // Misuse: destroying it with operations in flight (assertion). Call give_up_all first.
  ~OperationTable();
  OperationTable(const OperationTable&) = delete;
  OperationTable& operator=(const OperationTable&) = delete;

  // Issues an operation for `call`, which must live until one of its functions was called.
  // `deadline_ns` of CLOCK_MONOTONIC; 0: none. {0} if there are kMaxOperations.
  berth_op begin(PendingCall& call, CallKind kind, std::uint64_t deadline_ns);
  // The plugin's answer. Any thread.
  void complete(berth_op op, const berth_status* status, const void* result) noexcept;
  // Gives one operation up if it is still in flight (true): its call was told.
  bool give_up(berth_op op, const Status& why) noexcept;
  // Gives up what is due at the clock's time. Returns the earliest deadline left, or UINT64_MAX.
  std::uint64_t give_up_due() noexcept;
  void give_up_all(const Status& why) noexcept;

  // In flight, and abandoned; counted slot by slot, for tests and diagnostics.
  std::size_t in_flight() const;
  std::size_t abandoned() const;

 private:
  enum class Phase : std::uint8_t { kFree, kActive, kAbandoned };
  struct alignas(64) Slot {
    std::atomic<std::uint64_t> state;  // generation << 8 | phase
    std::atomic<std::uint64_t> deadline_ns;
    std::atomic<PendingCall*> call;
    std::atomic<std::uint32_t> next_free;  // index + 1; 0: none
    std::atomic<CallKind> kind;
  };
  static constexpr std::size_t kChunk = 256;
  using Chunk = std::array<Slot, kChunk>;

  Slot* slot(std::uint64_t index) const noexcept;
  std::uint32_t take_free() noexcept;
  void put_free(std::uint32_t index) noexcept;
  bool grow();
  void free_abandoned(std::uint64_t op_id) noexcept;
  void remember_abandoned(std::uint64_t op_id) noexcept;
  void watch_deadline(std::uint64_t deadline_ns);
  void run_watcher();
  std::size_t count(Phase phase) const;

  const Clock& clock_;
  StrayAnswers& stray_;
  const bool watch_;
  const std::uint32_t first_generation_;

  std::unique_ptr<std::atomic<Chunk*>[]> chunks_;
  std::atomic<std::uint32_t> slots_{0};
  std::atomic<std::uint64_t> free_{0};  // tag << 32 | index + 1
  std::mutex grow_mutex_;

  std::mutex abandoned_mutex_;
  std::deque<std::uint64_t> abandoned_;

  // Where the watcher will wake; UINT64_MAX while it looks through the slots.
  std::atomic<std::uint64_t> next_wake_ns_;
  std::mutex watch_mutex_;
  std::condition_variable watch_changed_;
  std::uint64_t wanted_wake_ns_;  // guarded by watch_mutex_
  bool stopping_ = false;         // guarded by watch_mutex_
  std::thread watcher_;           // guarded by watch_mutex_ until the destructor
};

}  // namespace berth::plugin
