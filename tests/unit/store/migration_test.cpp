// SPDX-License-Identifier: Apache-2.0
// Files of earlier schemas, as earlier programs wrote them (tests/data/store), become this one's
// with all that is in them.
#include <filesystem>
#include <sqlite3.h>

#include "store/schema.hpp"
#include "store_fixture.hpp"

namespace berth::store {
namespace {

class Migration : public StoreTest {
 protected:
  void take(const std::string& name) {
    const std::filesystem::path source(BERTH_SOURCE_DIR);
    std::filesystem::copy_file(source / "tests/data/store" / name, file());
    std::filesystem::permissions(
        file(), std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
  }
  std::int64_t number(const char* sql) const {
    sqlite3* db = nullptr;
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_prepare_v2(db, sql, -1, &statement, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    const std::int64_t value =
        sqlite3_step(statement) == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : -1;
    sqlite3_finalize(statement);
    sqlite3_close(db);
    return value;
  }
};

TEST_F(Migration, FromVersion1KeepsEverything) {
  take("version1.db");
  ASSERT_EQ(number("PRAGMA user_version"), 1);
  open();
  EXPECT_EQ(number("PRAGMA user_version"), kSchemaVersion);

  const auto guest = store_->auth().authenticate("27affe50-3e12-4512-9fca-f92182ff1067",
                                                 "version-1-test-secret-of-guest");
  ASSERT_TRUE(guest);
  EXPECT_EQ(guest->namespace_name, "guest");
  EXPECT_EQ(guest->limits, nullptr);
  EXPECT_EQ(store_->auth().namespaces().size(), 2u);

  const auto hello = get("guest/hello");
  ASSERT_TRUE(hello) << hello.error().to_string();
  EXPECT_EQ((*hello)->revision, 1u);
  EXPECT_NE((*hello)->exec.code.find("def main(a):"), std::string::npos);
  const auto other = get("guest/other");
  ASSERT_TRUE(other);
  ASSERT_EQ((*other)->parameters.size(), 1u);

  const auto records = list_records({.namespace_name = "guest"});
  ASSERT_TRUE(records);
  ASSERT_EQ(records->size(), 4u);
  EXPECT_EQ(records->back().activation_id, "bd8f173ec283c41ee127579b4dfb9b0e");
  EXPECT_EQ(records->back().result, R"({"n": 1})");

  // What version 2 brought.
  Work work;
  work.activation_id = id_of(1);
  work.namespace_name = "guest";
  ASSERT_TRUE(await<void>(
      [&](Executor on, auto done) { store_->work().enqueue(on, work, std::move(done)); }));
  entity::NamespaceLimits limits;
  limits.invocations_per_minute = 7;
  ASSERT_TRUE(set_limits("second", limits));
  // And revisions go on where they were.
  const auto next = put(make_action("new"));
  ASSERT_TRUE(next);
  EXPECT_EQ((*next)->revision, 3u);
  open();
  EXPECT_EQ(store_->work().size(), 1u);
  ASSERT_TRUE(store_->auth().find_namespace("second")->limits);
  EXPECT_EQ(*store_->auth().find_namespace("second")->limits, limits);
}

TEST_F(Migration, FromVersion2KeepsEverything) {
  take("version2.db");
  ASSERT_EQ(number("PRAGMA user_version"), 2);
  open();
  EXPECT_EQ(number("PRAGMA user_version"), kSchemaVersion);

  EXPECT_TRUE(store_->auth().authenticate("27affe50-3e12-4512-9fca-f92182ff1067",
                                          "version-1-test-secret-of-guest"));
  const auto second = store_->auth().find_namespace("second");
  ASSERT_TRUE(second && second->limits);
  entity::NamespaceLimits limits;
  limits.invocations_per_minute = 7;
  limits.allowed_kinds = {"python:3.11"};
  EXPECT_EQ(*second->limits, limits);

  const auto steer = get("guest/steer");
  ASSERT_TRUE(steer) << steer.error().to_string();
  EXPECT_EQ((*steer)->revision, 3u);
  EXPECT_EQ((*steer)->exec.code, "def main(a):\n    return {}\n");
  const auto& annotations = (*steer)->annotations;
  ASSERT_FALSE(annotations.empty());
  EXPECT_EQ(annotations[0].key, "conductor");
  EXPECT_EQ(annotations[0].value, true);
  EXPECT_EQ(list_records({.namespace_name = "guest"})->size(), 4u);

  // One that waits, and one that had begun.
  const auto left = await<std::vector<Work>>(
      [&](Executor on, auto done) { store_->work().left_over(on, 0, std::move(done)); });
  ASSERT_TRUE(left) << left.error().to_string();
  ASSERT_EQ(left->size(), 2u);
  EXPECT_EQ((*left)[0].activation_id, "a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1a1");
  EXPECT_EQ((*left)[0].path, "guest/hello");
  EXPECT_EQ((*left)[0].arguments, R"({"n":1})");
  EXPECT_EQ((*left)[0].started_ms, 0);
  EXPECT_EQ((*left)[0].binding, "");
  EXPECT_EQ((*left)[1].path, "guest/steer");
  EXPECT_EQ((*left)[1].received_ms, 1796015980000);
  EXPECT_EQ((*left)[1].started_ms, 1796015980005);
  EXPECT_FALSE((*left)[1].unreadable);

  // What version 3 brought.
  ASSERT_TRUE(change({.put = make_package("p")}));
  EXPECT_TRUE(get_entity(entity::Collection::kPackages, "guest/p"));
  ASSERT_TRUE(await<void>([&](Executor on, auto done) {
    store_->alarms().put_alarm(on, {"guest/t", "guest", 7, "{}"}, std::move(done));
  }));
  EXPECT_EQ(number("SELECT next FROM alarms"), 7);
}

TEST_F(Migration, FromVersion3KeepsEverything) {
  take("version3.db");
  ASSERT_EQ(number("PRAGMA user_version"), 3);
  open();
  EXPECT_EQ(number("PRAGMA user_version"), kSchemaVersion);

  const auto guest = store_->auth().authenticate("27affe50-3e12-4512-9fca-f92182ff1067",
                                                 "version-1-test-secret-of-guest");
  ASSERT_TRUE(guest);
  EXPECT_FALSE(guest->blocked);
  for (const entity::Right right : {entity::Right::kRead, entity::Right::kPut,
                                    entity::Right::kDelete, entity::Right::kActivate}) {
    EXPECT_TRUE(guest->rights.has(right));
  }
  const auto inner = get("guest/lib/inner");
  ASSERT_TRUE(inner) << inner.error().to_string();
  EXPECT_EQ((*inner)->package, "lib");
  const auto lib = get_entity(entity::Collection::kPackages, "guest/lib");
  ASSERT_TRUE(lib) << lib.error().to_string();
  EXPECT_TRUE((*lib)->publish);
  ASSERT_EQ((*lib)->parameters.size(), 2u);
  EXPECT_TRUE((*lib)->parameters[1].init);
  const auto mine = get_entity(entity::Collection::kPackages, "guest/mine");
  ASSERT_TRUE(mine);
  EXPECT_EQ(static_cast<const entity::Package&>(**mine).binding,
            (entity::PackageName{"guest", "lib"}));
  const auto trigger = get_entity(entity::Collection::kTriggers, "guest/t");
  ASSERT_TRUE(trigger);
  const auto& links = static_cast<const entity::Trigger&>(**trigger).rules;
  ASSERT_TRUE(links.contains("guest/r"));
  EXPECT_FALSE(links.at("guest/r").active);
  const auto rule = get_entity(entity::Collection::kRules, "guest/r");
  ASSERT_TRUE(rule);
  EXPECT_EQ(static_cast<const entity::Rule&>(**rule).action, "guest/hello");
  EXPECT_EQ(number("SELECT next FROM alarms"), 1893456000000);
  const auto left = await<std::vector<Work>>(
      [&](Executor on, auto done) { store_->work().left_over(on, 0, std::move(done)); });
  ASSERT_TRUE(left);
  ASSERT_EQ(left->size(), 3u);
  EXPECT_EQ(left->back().binding, "guest/mine");

  // What version 4 brought.
  ASSERT_TRUE(await<void>([&](Executor on, auto done) {
    store_->keys().set_blocked(on, "guest", true, std::move(done));
  }));
  EXPECT_FALSE(store_->auth().authenticate("27affe50-3e12-4512-9fca-f92182ff1067",
                                           "version-1-test-secret-of-guest"));
  // And revisions go on where they were.
  const auto next = change({.put = make_package("p")});
  ASSERT_TRUE(next);
  EXPECT_GT(next->front()->revision, (*rule)->revision);
}

TEST_F(Migration, AFileMadeNowHasTheSameTablesAsAMigratedOne) {
  const auto tables = [this] {
    std::vector<std::string> all;
    sqlite3* db = nullptr;
    EXPECT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
    sqlite3_exec(
        db, "SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name",
        [](void* into, int, char** columns, char**) {
          static_cast<std::vector<std::string>*>(into)->emplace_back(columns[0]);
          return 0;
        },
        &all, nullptr);
    sqlite3_close(db);
    return all;
  };
  open();
  store_.reset();
  const std::vector<std::string> made = tables();
  std::filesystem::remove(file());
  for (const char* name : {"version1.db", "version2.db", "version3.db"}) {
    take(name);
    open();
    store_.reset();
    EXPECT_EQ(tables(), made) << name;
    std::filesystem::remove(file());
  }
}

}  // namespace
}  // namespace berth::store
