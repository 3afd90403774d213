// SPDX-License-Identifier: Apache-2.0
// The slots of a pool, by namespace and action. Private to the pool. Not thread-safe.
//
// A look-up is part of every activation, and among a hundred thousand slots the misses of the cache
// are what it costs. So a slot is found by the address of its action first, which touches nothing
// of the action: mostly it is the very object that the slot has. Only another object of the same
// action is looked up by what it says. Both ways are flat: a byte of each hash in one array, which
// tells nearly always where the slot is, its address in a second one, and then the slot itself,
// whose first line has what it is compared by. The table never shrinks below what it once held.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "container/pool_lists.hpp"
#include "container/slab.hpp"

namespace berth::container {

// One way to the slots. `Hash` gives that of a slot, mixed well: places are its low bits and tags
// its high ones.
template <std::size_t (*Hash)(const ActionSlot&)>
class SlotIndex {
 public:
  // The slot of that hash which `is_it`, or null.
  template <typename Test>
  ActionSlot* find(std::size_t hash, const Test& is_it) const {
    const std::uint8_t tag = tag_of(hash);
    for (std::size_t place = place_of(hash); tags_[place] != 0; place = next(place)) {
      if (tags_[place] == tag && is_it(*slots_[place])) return slots_[place];
    }
    return nullptr;
  }
  void add(ActionSlot& slot);
  void remove(ActionSlot& slot);
  // Calls `visit` with each slot, which may end it.
  template <typename Visit>
  void for_each(const Visit& visit) const {
    for (ActionSlot* slot : slots_) {
      if (slot != nullptr) visit(*slot);
    }
  }

 private:
  static constexpr std::size_t kLeast = 64;  // a power of two

  static std::uint8_t tag_of(std::size_t hash) {
    return static_cast<std::uint8_t>(0x80 | (hash >> 57));
  }
  std::size_t place_of(std::size_t hash) const { return hash & (tags_.size() - 1); }
  std::size_t next(std::size_t place) const { return (place + 1) & (tags_.size() - 1); }
  void put(ActionSlot& slot);
  void grow();

  std::vector<std::uint8_t> tags_ =  // 0: free; else 0x80 and seven bits of the hash
      std::vector<std::uint8_t>(kLeast);
  std::vector<ActionSlot*> slots_ = std::vector<ActionSlot*>(kLeast);
  std::size_t size_ = 0;
};

std::size_t hash_by_object(const ActionSlot& slot);
std::size_t hash_by_content(const ActionSlot& slot);

class SlotTable {
 public:
  SlotTable() = default;
  ~SlotTable();
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  // The slot of that action's revision for that namespace, or null. One whose object nobody else
  // has any more takes `action` for its own.
  ActionSlot* find(const Tenant& tenant, const entity::ActionPtr& action);
  // Makes one that is not there yet; its address stays until remove().
  ActionSlot& add(Tenant& tenant, entity::ActionPtr action);
  // The end of `slot`.
  void remove(ActionSlot& slot);

  std::size_t size() const { return memory_.memory().taken(); }

 private:
  ActionSlot* find_by_content(const Tenant& tenant, const entity::ActionPtr& action);

  Slab<ActionSlot> memory_;
  SlotIndex<hash_by_object> by_object_;
  SlotIndex<hash_by_content> by_content_;
};

}  // namespace berth::container
