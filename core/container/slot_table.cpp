// SPDX-License-Identifier: Apache-2.0
#include "container/slot_table.hpp"

#include <functional>
#include <string_view>
#include <utility>

namespace berth::container {
namespace {

std::size_t mix(std::uint64_t hash, const Tenant& tenant) {
  hash ^= reinterpret_cast<std::uintptr_t>(&tenant) >> 4;
  hash *= 0xbf58476d1ce4e5b9ull;
  return hash ^ (hash >> 29);
}

std::size_t hash_of(const Tenant& tenant, const entity::Action* object) {
  return mix((reinterpret_cast<std::uintptr_t>(object) >> 4) * 0x9e3779b97f4a7c15ull, tenant);
}

std::size_t hash_of(const Tenant& tenant, const entity::Action& action) {
  const std::uint64_t name = std::hash<std::string_view>()(action.name);
  return mix(name ^ (action.revision * 0x9e3779b97f4a7c15ull), tenant);
}

bool is_same(const entity::Action& a, const entity::Action& b) {
  return a.revision == b.revision && a.name == b.name && a.package == b.package &&
         a.namespace_name == b.namespace_name;
}

}  // namespace

std::size_t hash_by_object(const ActionSlot& slot) {
  return hash_of(*slot.tenant, slot.object);
}
std::size_t hash_by_content(const ActionSlot& slot) {
  return hash_of(*slot.tenant, *slot.action);
}

template <std::size_t (*Hash)(const ActionSlot&)>
void SlotIndex<Hash>::add(ActionSlot& slot) {
  // At most half full: then a look-up ends after one step or two.
  if (2 * (size_ + 1) > tags_.size()) grow();
  put(slot);
  ++size_;
}

template <std::size_t (*Hash)(const ActionSlot&)>
void SlotIndex<Hash>::put(ActionSlot& slot) {
  const std::size_t hash = Hash(slot);
  std::size_t place = place_of(hash);
  while (tags_[place] != 0) place = next(place);
  tags_[place] = tag_of(hash);
  slots_[place] = &slot;
}

template <std::size_t (*Hash)(const ActionSlot&)>
void SlotIndex<Hash>::grow() {
  std::vector<std::uint8_t> tags(tags_.size() * 2);
  std::vector<ActionSlot*> slots(slots_.size() * 2);
  tags.swap(tags_);
  slots.swap(slots_);
  for (std::size_t place = 0; place < tags.size(); ++place) {
    if (tags[place] != 0) put(*slots[place]);
  }
}

template <std::size_t (*Hash)(const ActionSlot&)>
void SlotIndex<Hash>::remove(ActionSlot& slot) {
  std::size_t hole = place_of(Hash(slot));
  while (slots_[hole] != &slot) hole = next(hole);
  // What stands behind it for want of its place moves up, so that no look-up ends too early.
  for (std::size_t place = next(hole); tags_[place] != 0; place = next(place)) {
    const std::size_t home = place_of(Hash(*slots_[place]));
    const std::size_t mask = tags_.size() - 1;
    if (((place - home) & mask) < ((place - hole) & mask)) continue;
    tags_[hole] = tags_[place];
    slots_[hole] = slots_[place];
    hole = place;
  }
  tags_[hole] = 0;
  slots_[hole] = nullptr;
  --size_;
}

SlotTable::~SlotTable() {
  by_content_.for_each([this](ActionSlot& slot) { memory_.end(&slot); });
}

ActionSlot* SlotTable::find(const Tenant& tenant, const entity::ActionPtr& action) {
  const auto is_it = [&](const ActionSlot& slot) {
    return slot.object == action.get() && slot.tenant == &tenant;
  };
  ActionSlot* const slot = by_object_.find(hash_of(tenant, action.get()), is_it);
  return slot != nullptr ? slot : find_by_content(tenant, action);
}

ActionSlot* SlotTable::find_by_content(const Tenant& tenant, const entity::ActionPtr& action) {
  const auto is_it = [&](const ActionSlot& slot) {
    return slot.tenant == &tenant && is_same(*slot.action, *action);
  };
  ActionSlot* const slot = by_content_.find(hash_of(tenant, *action), is_it);
  if (slot == nullptr || slot->action.use_count() > 1) return slot;
  by_object_.remove(*slot);
  slot->action = action;
  slot->object = action.get();
  by_object_.add(*slot);
  return slot;
}

ActionSlot& SlotTable::add(Tenant& tenant, entity::ActionPtr action) {
  ActionSlot* const slot = memory_.make(tenant, std::move(action));
  by_object_.add(*slot);
  by_content_.add(*slot);
  return *slot;
}

void SlotTable::remove(ActionSlot& slot) {
  by_object_.remove(slot);
  by_content_.remove(slot);
  memory_.end(&slot);
}

}  // namespace berth::container
