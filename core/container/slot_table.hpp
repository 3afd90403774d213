// SPDX-License-Identifier: Apache-2.0
// The slots of a pool, by namespace and action. Private to the pool. Not thread-safe.
//
// A look-up is part of every activation, and among a hundred thousand slots the misses of the cache
// are what it costs. So the table is flat: a byte of each hash in one array, which tells nearly
// always where the slot is, its address in a second one, and then the slot itself, whose first line
// has what it is compared by. It never shrinks below what it once held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "container/pool_lists.hpp"

namespace berth::container {

class SlotTable {
 public:
  SlotTable();
  ~SlotTable();
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  // The slot of that action's revision for that namespace, or null.
  ActionSlot* find(const Tenant& tenant, const entity::Action& action) const;
  // Makes one that is not there yet; its address stays until remove().
  ActionSlot& add(Tenant& tenant, entity::ActionPtr action);
  // The end of `slot`.
  void remove(ActionSlot& slot);

  std::size_t size() const { return size_; }

 private:
  std::size_t place_of(std::size_t hash) const { return hash & (tags_.size() - 1); }
  std::size_t next(std::size_t place) const { return (place + 1) & (tags_.size() - 1); }
  void put(ActionSlot* slot);
  void grow();

  std::vector<std::uint8_t> tags_;  // 0: free; else 0x80 and seven bits of the hash
  std::vector<ActionSlot*> slots_;  // owned
  std::size_t size_ = 0;
};

}  // namespace berth::container
