// SPDX-License-Identifier: Apache-2.0
#include "store/action_cache.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include "store/entity_cache.hpp"
#include "store_fixture.hpp"

namespace berth::store {
namespace {

entity::ActionPtr sized(const std::string& name, std::size_t code_bytes,
                        const std::string& space = "guest") {
  entity::Action action = make_action(name, "", space);
  action.exec.code = std::string(code_bytes, 'x');
  return std::make_shared<const entity::Action>(std::move(action));
}

TEST(ActionCache, FindsWhatWasPut) {
  ActionCache cache(1 << 20);
  EXPECT_EQ(cache.find("guest/a"), nullptr);
  const auto action = sized("a", 10);
  cache.put(action);
  EXPECT_EQ(cache.find("guest/a"), action);
  cache.remove("guest/a");
  EXPECT_EQ(cache.find("guest/a"), nullptr);
}

// A reader that began before a write must not bring back what was there before it.
TEST(ActionCache, RefusesWhatWasReadBeforeAWrite) {
  ActionCache cache(1 << 20);
  const std::uint64_t before = cache.epoch();
  const auto fresh = sized("a", 20);
  cache.put(fresh);
  cache.offer(sized("a", 10), before);
  EXPECT_EQ(cache.find("guest/a"), fresh);
  const std::uint64_t before_removal = cache.epoch();
  cache.remove("guest/a");
  cache.offer(fresh, before_removal);
  EXPECT_EQ(cache.find("guest/a"), nullptr);
  cache.offer(fresh, cache.epoch());
  EXPECT_EQ(cache.find("guest/a"), fresh);
}

TEST(ActionCache, EvictsWhatWasNotUsed) {
  ActionCache cache(100'000);
  cache.put(sized("hot", 30'000));
  cache.put(sized("cold", 30'000));
  EXPECT_NE(cache.find("guest/hot"), nullptr);
  cache.put(sized("new", 60'000));
  EXPECT_NE(cache.find("guest/hot"), nullptr);
  EXPECT_EQ(cache.find("guest/cold"), nullptr);
  EXPECT_NE(cache.find("guest/new"), nullptr);
}

TEST(ActionCache, CountsWhatParametersAndAnnotationsHold) {
  const std::string big(20'000, 'x');
  const std::vector<entity::Parameter> kBig = {
      {.key = "k", .value = boost::json::value(big)},
      {.key = "k", .value = boost::json::object{{big, boost::json::array{1, 2}}}},
      {.key = "k", .encryption = "aes-128", .sealed = big},
      {.key = big}};
  for (const entity::Parameter& parameter : kBig) {
    for (const auto list : {&entity::Action::parameters, &entity::Action::annotations}) {
      ActionCache cache(20'000);
      auto action = std::make_shared<entity::Action>(*sized("a", 10));
      ((*action).*list).push_back(parameter);
      cache.put(action);
      EXPECT_EQ(cache.find("guest/a"), nullptr);
    }
  }
}

TEST(EntityCache, EvictsWhatWasNotUsed) {
  EntityCache cache(100'000);
  const auto named = [](const std::string& name) { return make_package(name); };
  cache.put(named("a-hot"), 30'000);
  cache.put(named("b-cold"), 30'000);
  EXPECT_NE(cache.find("guest/a-hot"), nullptr);
  cache.put(named("c-new"), 60'000);
  EXPECT_NE(cache.find("guest/a-hot"), nullptr) << "its path is the smallest";
  EXPECT_EQ(cache.find("guest/b-cold"), nullptr);
  EXPECT_NE(cache.find("guest/c-new"), nullptr);
  cache.put(named("d"), 100'000);
  EXPECT_EQ(cache.find("guest/d"), nullptr) << "bigger than the cache with what it costs itself";
  EXPECT_NE(cache.find("guest/a-hot"), nullptr);
  cache.remove_namespace("guest");
  EXPECT_EQ(cache.find("guest/a-hot"), nullptr);
  cache.put(named("e"), 90'000);
  EXPECT_NE(cache.find("guest/e"), nullptr);
}

TEST(ActionCache, TakesNothingBiggerThanItself) {
  ActionCache cache(10'000);
  cache.put(sized("small", 100));
  cache.put(sized("big", 20'000));
  EXPECT_EQ(cache.find("guest/big"), nullptr);
  EXPECT_NE(cache.find("guest/small"), nullptr);
  // An update that no longer fits must not leave the old one there.
  cache.put(sized("small", 20'000));
  EXPECT_EQ(cache.find("guest/small"), nullptr);
}

TEST(ActionCache, ForgetsANamespace) {
  ActionCache cache(1 << 20);
  cache.put(sized("a", 10));
  cache.put(sized("a", 10, "guest2"));
  cache.remove_namespace("guest");
  EXPECT_EQ(cache.find("guest/a"), nullptr);
  EXPECT_NE(cache.find("guest2/a"), nullptr);
}

TEST(ActionCache, KeepsManyUpdatesOfOne) {
  ActionCache cache(1 << 20);
  for (int i = 0; i < 1000; ++i) cache.put(sized("a", 10));
  EXPECT_NE(cache.find("guest/a"), nullptr);
}

}  // namespace
}  // namespace berth::store
