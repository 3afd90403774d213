// SPDX-License-Identifier: Apache-2.0
#include "container/slot_table.hpp"

#include <functional>
#include <string_view>
#include <utility>

namespace berth::container {
namespace {

constexpr std::size_t kLeast = 64;  // a power of two

// Mixed well, as places are its low bits and tags its high ones.
std::size_t hash_of(const Tenant& tenant, const entity::Action& action) {
  std::uint64_t hash = std::hash<std::string_view>()(action.name);
  hash ^= reinterpret_cast<std::uintptr_t>(&tenant) >> 4;
  hash ^= action.revision * 0x9e3779b97f4a7c15ull;
  hash *= 0xbf58476d1ce4e5b9ull;
  return hash ^ (hash >> 29);
}

std::uint8_t tag_of(std::size_t hash) {
  return static_cast<std::uint8_t>(0x80 | (hash >> 57));
}

bool is_for(const ActionSlot& slot, const Tenant& tenant, const entity::Action& action) {
  if (slot.tenant != &tenant) return false;
  const entity::Action& own = *slot.action;
  // Mostly it is the very same object.
  return &own == &action ||
         (own.revision == action.revision && own.name == action.name &&
          own.package == action.package && own.namespace_name == action.namespace_name);
}

}  // namespace

SlotTable::SlotTable() : tags_(kLeast), slots_(kLeast) {}

SlotTable::~SlotTable() {
  for (std::size_t place = 0; place < tags_.size(); ++place) {
    if (tags_[place] != 0) delete slots_[place];
  }
}

ActionSlot* SlotTable::find(const Tenant& tenant, const entity::Action& action) const {
  const std::size_t hash = hash_of(tenant, action);
  const std::uint8_t tag = tag_of(hash);
  for (std::size_t place = place_of(hash); tags_[place] != 0; place = next(place)) {
    if (tags_[place] == tag && is_for(*slots_[place], tenant, action)) return slots_[place];
  }
  return nullptr;
}

ActionSlot& SlotTable::add(Tenant& tenant, entity::ActionPtr action) {
  // At most half full: then a look-up ends after one step or two.
  if (2 * (size_ + 1) > tags_.size()) grow();
  auto slot = std::make_unique<ActionSlot>();
  slot->tenant = &tenant;
  slot->action = std::move(action);
  put(slot.get());
  ++size_;
  return *slot.release();
}

void SlotTable::put(ActionSlot* slot) {
  const std::size_t hash = hash_of(*slot->tenant, *slot->action);
  std::size_t place = place_of(hash);
  while (tags_[place] != 0) place = next(place);
  tags_[place] = tag_of(hash);
  slots_[place] = slot;
}

void SlotTable::grow() {
  std::vector<std::uint8_t> tags(tags_.size() * 2);
  std::vector<ActionSlot*> slots(slots_.size() * 2);
  tags.swap(tags_);
  slots.swap(slots_);
  for (std::size_t place = 0; place < tags.size(); ++place) {
    if (tags[place] != 0) put(slots[place]);
  }
}

void SlotTable::remove(ActionSlot& slot) {
  std::size_t hole = place_of(hash_of(*slot.tenant, *slot.action));
  while (slots_[hole] != &slot) hole = next(hole);
  // What stands behind it for want of its place moves up, so that no look-up ends too early.
  for (std::size_t place = next(hole); tags_[place] != 0; place = next(place)) {
    const std::size_t home = place_of(hash_of(*slots_[place]->tenant, *slots_[place]->action));
    const std::size_t mask = tags_.size() - 1;
    if (((place - home) & mask) < ((place - hole) & mask)) continue;
    tags_[hole] = tags_[place];
    slots_[hole] = slots_[place];
    hole = place;
  }
  tags_[hole] = 0;
  slots_[hole] = nullptr;
  --size_;
  delete &slot;
}

}  // namespace berth::container
