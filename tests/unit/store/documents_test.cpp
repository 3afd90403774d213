// SPDX-License-Identifier: Apache-2.0
// Packages, triggers and rules in the store.
#include <sqlite3.h>

#include "store/entity_cache.hpp"
#include "store_fixture.hpp"

namespace berth::store {
namespace {

using entity::Collection;

class Documents : public StoreTest {
 protected:
  Documents() { open(); }

  static std::shared_ptr<entity::Trigger> make_trigger(const std::string& name) {
    auto trigger = std::make_shared<entity::Trigger>();
    trigger->namespace_name = "guest";
    trigger->name = name;
    trigger->updated_ms = 1000;
    return trigger;
  }
  std::vector<std::string> names(Collection collection, bool public_only = false,
                                 std::int64_t skip = 0, std::int64_t limit = 30) {
    const auto listed = await<std::vector<entity::EntityPtr>>([&](Executor on, auto done) {
      store_->entities().list_entities(on, {collection, "guest", public_only, skip, limit},
                                       std::move(done));
    });
    std::vector<std::string> all;
    for (const auto& entity : listed.value()) all.push_back(entity->name);
    return all;
  }
};

TEST_F(Documents, WhatWasPutComesBackAfterARestart) {
  const auto stored = change({.put = make_package("demo")});
  ASSERT_TRUE(stored) << stored.error().to_string();
  ASSERT_EQ(stored->size(), 1u);
  EXPECT_GT(stored->front()->revision, 0u);
  open();
  EXPECT_EQ(store_->entities().cached_entity(Collection::kPackages, "guest/demo"), nullptr);
  const auto read = get_entity(Collection::kPackages, "guest/demo");
  ASSERT_TRUE(read);
  EXPECT_EQ((*read)->revision, stored->front()->revision);
  EXPECT_EQ((*read)->parameters.front().key, "p");
  EXPECT_EQ(store_->entities().cached_entity(Collection::kPackages, "guest/demo"), *read);
}

TEST_F(Documents, OnlyTheExpectedRevisionIsReplaced) {
  const std::uint64_t first = change({.put = make_package("demo")}).value().front()->revision;
  EXPECT_EQ(code_of(change({.put = make_package("demo")})), StatusCode::kAlreadyExists);
  EXPECT_EQ(code_of(change({.put = make_package("demo"), .expected_revision = first + 1})),
            StatusCode::kAborted);
  const auto second = change({.put = make_package("demo"), .expected_revision = first});
  ASSERT_TRUE(second);
  EXPECT_GT(second->front()->revision, first);
  EXPECT_EQ(code_of(change({.put = make_package("gone"), .expected_revision = 99})),
            StatusCode::kAborted);
}

TEST_F(Documents, AllChangesOrNone) {
  ASSERT_TRUE(change({.put = make_package("there")}));
  std::vector<EntityChange> both;
  both.push_back({.put = make_trigger("t")});
  both.push_back({.put = make_package("there")});
  EXPECT_EQ(code_of(change(std::move(both))), StatusCode::kAlreadyExists);
  EXPECT_EQ(code_of(get_entity(Collection::kTriggers, "guest/t")), StatusCode::kNotFound);
}

TEST_F(Documents, ANameIsOneThingOnly) {
  ASSERT_TRUE(change({.put = make_package("p")}));
  ASSERT_TRUE(put(make_action("a")));
  EXPECT_EQ(code_of(change({.put = make_trigger("p")})), StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(change({.put = make_trigger("a")})), StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(put(make_action("p"))), StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(get("guest/p")), StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(get_entity(Collection::kRules, "guest/p")), StatusCode::kFailedPrecondition);
  EXPECT_EQ(code_of(get_entity(Collection::kRules, "guest/a")), StatusCode::kFailedPrecondition);
  // In a package it is another name.
  EXPECT_TRUE(put(make_action("p", "p")));
}

TEST_F(Documents, AnActionNeedsItsPackage) {
  EXPECT_EQ(code_of(put(make_action("a", "p"))), StatusCode::kNotFound);
  ASSERT_TRUE(change({.put = make_package("p")}));
  EXPECT_TRUE(put(make_action("a", "p")));
}

TEST_F(Documents, APackageGoesWithItsActionsOrNotAtAll) {
  const std::uint64_t revision = change({.put = make_package("p")}).value().front()->revision;
  ASSERT_TRUE(put(make_action("a", "p")));
  ASSERT_TRUE(put(make_action("b", "p")));
  ASSERT_TRUE(put(make_action("a")));
  EntityChange removal{
      .collection = Collection::kPackages, .path = "guest/p", .expected_revision = revision};
  const auto refused = change(removal);
  ASSERT_EQ(code_of(refused), StatusCode::kOutOfRange);
  EXPECT_EQ(refused.error().message(), "2");
  EXPECT_TRUE(get("guest/p/a"));
  removal.with_contents = true;
  const auto removed = change(removal);
  ASSERT_TRUE(removed);
  EXPECT_TRUE(removed->empty());
  EXPECT_EQ(code_of(get("guest/p/a")), StatusCode::kNotFound);
  EXPECT_EQ(code_of(get_entity(Collection::kPackages, "guest/p")), StatusCode::kNotFound);
  EXPECT_TRUE(get("guest/a"));
}

TEST_F(Documents, ListsNewestFirstAndToStrangersOnlyWhatIsPublic) {
  for (int i = 0; i < 4; ++i) {
    auto package = make_package("p" + std::to_string(i));
    package->updated_ms = 1000 + i;
    package->publish = i % 2 == 1;
    if (i == 3) package->binding = entity::PackageName{"guest", "p1"};
    ASSERT_TRUE(change({.put = package}));
  }
  ASSERT_TRUE(change({.put = make_trigger("t")}));
  EXPECT_EQ(names(Collection::kPackages), (std::vector<std::string>{"p3", "p2", "p1", "p0"}));
  EXPECT_EQ(names(Collection::kPackages, false, 1, 2), (std::vector<std::string>{"p2", "p1"}));
  EXPECT_EQ(names(Collection::kPackages, true), (std::vector<std::string>{"p1"}));
  EXPECT_EQ(names(Collection::kTriggers), (std::vector<std::string>{"t"}));
  EXPECT_TRUE(names(Collection::kRules).empty());
  const auto counted = await<std::int64_t>([&](Executor on, auto done) {
    store_->entities().count_entities(on, {Collection::kPackages, "guest", false, 1, 1},
                                      std::move(done));
  });
  EXPECT_EQ(counted.value(), 3);
}

// However many come together.
TEST_F(Documents, ANamespaceHasNoMoreThanItMay) {
  boost::asio::io_context context;
  int made = 0;
  int refused = 0;
  for (int i = 0; i < 10; ++i) {
    EntityChange one{.put = make_trigger("t" + std::to_string(i)), .max_in_namespace = 3};
    std::vector<EntityChange> changes;
    changes.push_back(std::move(one));
    store_->entities().change_entities(context.get_executor(), std::move(changes),
                                       [&](const Result<std::vector<entity::EntityPtr>>& stored) {
                                         stored ? ++made : ++refused;
                                         if (!stored)
                                           EXPECT_EQ(stored.error().code(),
                                                     StatusCode::kOutOfRange);
                                       });
  }
  context.run();
  EXPECT_EQ(made, 3);
  EXPECT_EQ(refused, 7);
  EXPECT_EQ(names(Collection::kTriggers).size(), 3u);
  // Those of other collections are not counted, and what is there may be replaced.
  EXPECT_TRUE(change({.put = make_package("p"), .max_in_namespace = 1}));
  const auto there = get_entity(Collection::kTriggers, "guest/t0");
  ASSERT_TRUE(there);
  EXPECT_TRUE(change(
      {.put = make_trigger("t0"), .expected_revision = (*there)->revision, .max_in_namespace = 3}));
}

TEST_F(Documents, GoWithTheirNamespace) {
  ASSERT_TRUE(create_namespace("guest"));
  ASSERT_TRUE(change({.put = make_package("p")}));
  const auto remove_it = [&](bool force) {
    return await<void>([&](Executor on, auto done) {
      store_->auth().remove_namespace(on, "guest", force, std::move(done));
    });
  };
  EXPECT_EQ(code_of(remove_it(false)), StatusCode::kFailedPrecondition);
  ASSERT_TRUE(remove_it(true));
  EXPECT_EQ(store_->entities().cached_entity(Collection::kPackages, "guest/p"), nullptr);
  EXPECT_EQ(code_of(get_entity(Collection::kPackages, "guest/p")), StatusCode::kNotFound);
}

TEST_F(Documents, ADamagedOneDoesNotTakeTheOthersWithIt) {
  for (const char* name : {"a", "b", "c"}) ASSERT_TRUE(change({.put = make_trigger(name)}));
  store_.reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(db, "UPDATE entities SET body = '{' WHERE path = 'guest/b'", nullptr,
                         nullptr, nullptr),
            SQLITE_OK);
  EXPECT_EQ(sqlite3_changes(db), 1);
  sqlite3_close(db);
  open();
  EXPECT_EQ(names(Collection::kTriggers), (std::vector<std::string>{"c", "a"}));
}

TEST(EntityCacheTest, ForgetsRatherThanGrows) {
  EntityCache cache(4096);
  for (int i = 0; i < 10; ++i) {
    auto package = make_package("p" + std::to_string(i));
    cache.put(package, 100);
  }
  int kept = 0;
  for (int i = 0; i < 10; ++i) kept += cache.find("guest/p" + std::to_string(i)) != nullptr;
  EXPECT_GE(kept, 1);
  EXPECT_LE(kept, 3);
  EXPECT_NE(cache.find("guest/p9"), nullptr);
  // What was read before a write must not enter after it.
  const std::uint64_t epoch = cache.epoch();
  cache.remove("guest/p9");
  cache.offer(make_package("p9"), 100, epoch);
  EXPECT_EQ(cache.find("guest/p9"), nullptr);
}

}  // namespace
}  // namespace berth::store
