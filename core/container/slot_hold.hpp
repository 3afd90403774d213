// SPDX-License-Identifier: Apache-2.0
// A slot that is used after a waiter was called. Private to the pool.
//
// A waiter's callback may do anything to the pool: give its lease back at once, cancel others. So
// it may take away the last user of a slot that the caller still works with. A hold keeps the slot
// until the caller is done with it, and forgets it then.
#pragma once

#include "container/container_pool.hpp"

namespace berth::container {

class ContainerPool::SlotHold {
 public:
  // `slot` may be null.
  SlotHold(ContainerPool& pool, ActionSlot* slot) : pool_(pool), slot_(slot) {
    if (slot_ != nullptr) ++slot_->holds;
  }
  ~SlotHold() {
    if (slot_ == nullptr) return;
    --slot_->holds;
    pool_.forget_slot_if_unused(*slot_);
  }
  SlotHold(const SlotHold&) = delete;
  SlotHold& operator=(const SlotHold&) = delete;

 private:
  ContainerPool& pool_;
  ActionSlot* const slot_;
};

}  // namespace berth::container
