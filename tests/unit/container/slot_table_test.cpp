// SPDX-License-Identifier: Apache-2.0
#include "container/slot_table.hpp"

#include <gtest/gtest.h>
#include <map>
#include <memory>
#include <random>

#include "unit/container/fakes.hpp"

namespace berth::container {
namespace {

TEST(SlotTable, FindsByNamespaceActionAndRevision) {
  SlotTable table;
  Tenant guest, other;
  const auto first = test::make_action("a");
  ActionSlot& slot = table.add(guest, first);
  EXPECT_EQ(table.find(guest, first), &slot);
  EXPECT_EQ(table.find(guest, test::make_action("a")), &slot) << "another object of the same";
  EXPECT_EQ(table.find(guest, test::make_action("a", 256, 2)), nullptr);
  EXPECT_EQ(table.find(other, first), nullptr);
  const auto packaged = std::make_shared<entity::Action>(*first);
  packaged->package = "p";
  EXPECT_EQ(table.find(guest, packaged), nullptr);
  const auto foreign = std::make_shared<entity::Action>(*first);
  foreign->namespace_name = "else";
  EXPECT_EQ(table.find(guest, foreign), nullptr);
}

TEST(SlotTable, AnObjectThatOnlyTheSlotHasIsReplaced) {
  SlotTable table;
  Tenant guest, other;
  auto first = test::make_action("a");
  const std::weak_ptr<const entity::Action> old = first;
  ActionSlot& slot = table.add(guest, first);
  ActionSlot& beside = table.add(other, test::make_action("a"));
  const auto second = test::make_action("a");
  EXPECT_EQ(table.find(guest, second), &slot);
  EXPECT_EQ(slot.action, first) << "others still have it";
  first.reset();
  EXPECT_EQ(table.find(guest, second), &slot);
  EXPECT_EQ(slot.action, second);
  EXPECT_TRUE(old.expired());
  EXPECT_EQ(table.find(guest, second), &slot) << "and is found by it from now on";
  EXPECT_EQ(table.find(other, second), &beside);
  table.remove(slot);
  EXPECT_EQ(table.find(guest, second), nullptr);
  EXPECT_EQ(table.find(other, second), &beside);
}

// Beside a plain map, through growth and many holes.
TEST(SlotTable, KeepsWhatWasPutThroughAnyOrderOfRemovals) {
  SlotTable table;
  Tenant tenants[3];
  std::map<std::pair<int, int>, ActionSlot*> known;
  std::mt19937 random(4711);
  const auto action = [](int number) {
    return test::make_action("a" + std::to_string(number), 256, 1 + number % 2);
  };
  // Some activations have the object that was there before, some one of their own.
  std::map<int, entity::ActionPtr> objects;
  const auto object = [&](int number) {
    entity::ActionPtr& kept = objects[number];
    if (!kept || random() % 3 == 0) kept = action(number);
    return kept;
  };
  for (int step = 0; step < 20'000; ++step) {
    const int tenant = static_cast<int>(random() % 3);
    const int number = static_cast<int>(random() % (step < 10'000 ? 500 : 20));
    const auto key = std::pair(tenant, number);
    const auto found = known.find(key);
    ASSERT_EQ(table.find(tenants[tenant], object(number)),
              found == known.end() ? nullptr : found->second);
    if (found == known.end()) {
      known[key] = &table.add(tenants[tenant], object(number));
    } else if (random() % 2 == 0) {
      table.remove(*found->second);
      known.erase(found);
    }
    ASSERT_EQ(table.size(), known.size());
  }
  for (const auto& [key, slot] : known) {
    ASSERT_EQ(table.find(tenants[key.first], action(key.second)), slot);
  }
}

}  // namespace
}  // namespace berth::container
