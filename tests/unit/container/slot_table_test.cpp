// SPDX-License-Identifier: Apache-2.0
#include "container/slot_table.hpp"

#include <gtest/gtest.h>
#include <map>
#include <random>

#include "unit/container/fakes.hpp"

namespace berth::container {
namespace {

TEST(SlotTable, FindsByNamespaceActionAndRevision) {
  SlotTable table;
  Tenant guest, other;
  const auto first = test::make_action("a");
  ActionSlot& slot = table.add(guest, first);
  EXPECT_EQ(table.find(guest, *first), &slot);
  EXPECT_EQ(table.find(guest, *test::make_action("a")), &slot) << "another object of the same";
  EXPECT_EQ(table.find(guest, *test::make_action("a", 256, 2)), nullptr);
  EXPECT_EQ(table.find(other, *first), nullptr);
  entity::Action packaged = *first;
  packaged.package = "p";
  EXPECT_EQ(table.find(guest, packaged), nullptr);
  entity::Action foreign = *first;
  foreign.namespace_name = "else";
  EXPECT_EQ(table.find(guest, foreign), nullptr);
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
  for (int step = 0; step < 20'000; ++step) {
    const int tenant = static_cast<int>(random() % 3);
    const int number = static_cast<int>(random() % (step < 10'000 ? 500 : 20));
    const auto key = std::pair(tenant, number);
    const auto found = known.find(key);
    ASSERT_EQ(table.find(tenants[tenant], *action(number)),
              found == known.end() ? nullptr : found->second);
    if (found == known.end()) {
      known[key] = &table.add(tenants[tenant], action(number));
    } else if (random() % 2 == 0) {
      table.remove(*found->second);
      known.erase(found);
    }
    ASSERT_EQ(table.size(), known.size());
  }
  for (const auto& [key, slot] : known) {
    ASSERT_EQ(table.find(tenants[key.first], *action(key.second)), slot);
  }
}

}  // namespace
}  // namespace berth::container
