// SPDX-License-Identifier: Apache-2.0
// How the store's own statements find the records of activations: by an index, without sorting, and
// with the same work whether there are few records or ten million. What SQLite itself counts tells,
// no clock: the steps of its machine, and the pages that it looked at.
//
// BERTH_STORE_RECORDS says how many the large store has; 20,000 without it.
#include <chrono>
#include <cstdlib>
#include <functional>
#include <gmock/gmock.h>
#include <map>
#include <mutex>
#include <sqlite3.h>
#include <string>
#include <thread>

#include "store_fixture.hpp"

namespace berth::store {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Cost {
  int runs = 0;
  int steps = 0;    // of the machine
  int pages = 0;    // looked at, in the cache or not
  int scanned = 0;  // rows passed in a table without an index
  int sorted = 0;   // sorts
};

// What all connections of this process have run since forget(), by the statement's text.
class Seen {
 public:
  static Seen& get() {
    static Seen seen;
    return seen;
  }
  void forget() {
    const std::lock_guard lock(mutex_);
    costs_.clear();
  }
  std::map<std::string, Cost> of_records() const {
    const std::lock_guard lock(mutex_);
    std::map<std::string, Cost> found;
    for (const auto& [sql, cost] : costs_) {
      if (sql.find("activations") != std::string::npos) found.emplace(sql, cost);
    }
    return found;
  }
  // Of the only statement about records that was run.
  Cost only() const {
    const auto found = of_records();
    EXPECT_EQ(found.size(), 1u);
    return found.empty() ? Cost() : found.begin()->second;
  }

  static int watch(sqlite3* db, const char**, const sqlite3_api_routines*) {
    return sqlite3_trace_v2(db, SQLITE_TRACE_PROFILE, &Seen::finished, nullptr);
  }

 private:
  static int finished(unsigned, void*, void* what, void*) {
    auto* const statement = static_cast<sqlite3_stmt*>(what);
    const auto counted = [statement](int which) {
      return sqlite3_stmt_status(statement, which, 1);
    };
    Cost cost{.runs = 1,
              .steps = counted(SQLITE_STMTSTATUS_VM_STEP),
              .scanned = counted(SQLITE_STMTSTATUS_FULLSCAN_STEP),
              .sorted = counted(SQLITE_STMTSTATUS_SORT)};
    for (const int which : {SQLITE_DBSTATUS_CACHE_HIT, SQLITE_DBSTATUS_CACHE_MISS}) {
      int now = 0;
      int highest = 0;
      sqlite3_db_status(sqlite3_db_handle(statement), which, &now, &highest, 1);
      cost.pages += now;
    }
    Seen& seen = get();
    const std::lock_guard lock(seen.mutex_);
    Cost& sum = seen.costs_[sqlite3_sql(statement)];
    sum.runs += cost.runs;
    sum.steps += cost.steps;
    sum.pages += cost.pages;
    sum.scanned += cost.scanned;
    sum.sorted += cost.sorted;
    return 0;
  }

  mutable std::mutex mutex_;
  std::map<std::string, Cost> costs_;
};

constexpr std::int64_t kFirstMs = 1'700'000'000'000;
constexpr const char* kSpace = "space3";    // one of ten
constexpr const char* kAction = "action3";  // one of seven of it

class Plans : public StoreTest {
 protected:
  Plans() { sqlite3_auto_extension(reinterpret_cast<void (*)()>(&Seen::watch)); }
  ~Plans() override {
    store_.reset();
    sqlite3_cancel_auto_extension(reinterpret_cast<void (*)()>(&Seen::watch));
  }

  // With SQLite alone, as ten million would take the store's writer a while.
  void run(const std::string& sql, const std::function<void(sqlite3_stmt*)>& row = {}) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
    sqlite3_exec(db, "PRAGMA synchronous = off; PRAGMA cache_size = -400000", nullptr, nullptr,
                 nullptr);
    sqlite3_stmt* statement = nullptr;
    EXPECT_EQ(sqlite3_prepare_v2(db, sql.c_str(), -1, &statement, nullptr), SQLITE_OK)
        << sqlite3_errmsg(db);
    int code = SQLITE_ROW;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      if (row) row(statement);
    }
    EXPECT_EQ(code, SQLITE_DONE) << sqlite3_errmsg(db);
    sqlite3_finalize(statement);
    sqlite3_close(db);
  }

  // A new store with so many records, a millisecond apart.
  void fill(std::int64_t count) {
    store_.reset();
    std::filesystem::remove(file());
    open();
    ASSERT_TRUE(store_->close().ok());
    run("WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < " +
        std::to_string(count) +
        ") INSERT INTO activations(id, namespace, entity, start, namespace_uuid, subject, name, "
        "version, path, cause, \"end\", duration, outcome, size, annotations, result) "
        "SELECT randomblob(16), 'space' || (i % 10), 'action' || (i % 70), " +
        std::to_string(kFirstMs) +
        " + i, 'u', 's', 'action' || (i % 70), '0.0.1', 'space' || (i % 10) || '/action' || "
        "(i % 70), '', 1, 5, 0, 27, '[{\"key\":\"kind\",\"value\":\"python:3.11\"}]', "
        "'{\"greeting\":\"Hello, World\"}' FROM n");
    ids_.clear();
    const std::int64_t last = count - 1;
    for (const std::int64_t nearly : {std::int64_t{3}, last / 3, last / 2, last - 10}) {
      run("SELECT lower(hex(id)) FROM activations WHERE sequence > " + std::to_string(nearly) +
              " AND namespace = 'space3' ORDER BY sequence LIMIT 1",
          [this](sqlite3_stmt* row) {
            ids_.emplace_back(reinterpret_cast<const char*>(sqlite3_column_text(row, 0)));
          });
    }
    ASSERT_EQ(ids_.size(), 4u);
    open();
    last_ms_ = kFirstMs + last;
  }

  // A page of thirty.
  void list(ActivationQuery query) {
    query.namespace_name = kSpace;
    const auto found = list_records(query);
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_EQ(found->size(), 30u);
  }
  void count(ActivationQuery query) {
    query.namespace_name = kSpace;
    const auto found = count_records(query);
    ASSERT_TRUE(found) << found.error().to_string();
    EXPECT_GT(*found, 0);
  }

  // Each read of a kind, with what one of it costs once the statement is prepared.
  std::map<std::string, Cost> costs() {
    const std::int64_t middle_ms = kFirstMs + (last_ms_ - kFirstMs) / 2;
    const std::map<std::string, std::function<void(int)>> reads = {
        {"get", [&](int i) { EXPECT_TRUE(get_record(ids_[i], kSpace)); }},
        {"list", [&](int) { list({.summaries = true}); }},
        {"list whole records", [&](int) { list({}); }},
        {"list of an action", [&](int) { list({.name = kAction, .summaries = true}); }},
        {"list from the middle", [&](int) { list({.upto_ms = middle_ms, .summaries = true}); }},
        {"list of an action from the middle",
         [&](int) { list({.name = kAction, .upto_ms = middle_ms, .summaries = true}); }},
        {"count of a second",
         [&](int) { count({.since_ms = middle_ms, .upto_ms = middle_ms + 999}); }},
    };
    std::map<std::string, Cost> costs;
    for (const auto& [name, read] : reads) {
      Seen::get().forget();
      for (int i = 0; i < 4; ++i) read(i);
      costs[name] = Seen::get().only();
      EXPECT_EQ(costs[name].runs, 4) << name;
    }
    return costs;
  }

  std::vector<std::string> ids_;  // of some records of kSpace
  std::int64_t last_ms_ = 0;
};

std::int64_t many() {
  const char* const text = std::getenv("BERTH_STORE_RECORDS");
  return text != nullptr ? std::atoll(text) : 20'000;
}

// Else the others would show nothing.
TEST_F(Plans, WhatGoesWithoutAnIndexIsSeen) {
  fill(5000);
  Seen::get().forget();
  run("SELECT * FROM activations WHERE subject = 's' ORDER BY version");
  const Cost cost = Seen::get().only();
  EXPECT_GE(cost.scanned, 4999);
  EXPECT_EQ(cost.sorted, 1);
  EXPECT_GE(cost.pages, 100);
  EXPECT_GE(cost.steps, 5000);
}

TEST_F(Plans, RecordsAreFoundByAnIndex) {
  fill(5000);
  Seen::get().forget();
  const std::int64_t middle_ms = kFirstMs + 2500;
  for (const bool summaries : {false, true}) {
    for (const char* name : {"", kAction}) {
      list({.name = name, .summaries = summaries});
      list({.name = name, .since_ms = kFirstMs, .upto_ms = middle_ms, .summaries = summaries});
      list({.name = name, .skip = 5, .summaries = summaries});
      count({.name = name});
      count({.name = name, .since_ms = middle_ms});
    }
  }
  EXPECT_TRUE(get_record(ids_[0], kSpace));
  EXPECT_TRUE(put(make_activation(1)));
  EXPECT_TRUE(put(make_activation(1))) << "the same again";
  const auto seen = Seen::get().of_records();
  EXPECT_GE(seen.size(), 8u) << "get, put, two counts and four lists";
  for (const auto& [sql, cost] : seen) {
    EXPECT_EQ(cost.scanned, 0) << sql;
    EXPECT_EQ(cost.sorted, 0) << sql;
    run("EXPLAIN QUERY PLAN " + sql, [&sql = sql](sqlite3_stmt* row) {
      const std::string plan = reinterpret_cast<const char*>(sqlite3_column_text(row, 3));
      EXPECT_THAT(plan, Not(HasSubstr("SCAN"))) << sql;
      EXPECT_THAT(plan, Not(HasSubstr("TEMP B-TREE"))) << sql;
    });
  }
}

// Retention looks at what it deletes, and not at what it keeps.
TEST_F(Plans, WhatIsTooOldIsFoundWithoutLookingAtTheRest) {
  fill(5000);
  store_.reset();
  SqliteStore::Options options;
  options.retention.max_count = 4000;
  options.retention.batch = 100;
  options.retention.check_every = std::chrono::milliseconds(1);
  Seen::get().forget();
  open(options);
  const auto left = [&] {
    std::int64_t rows = 0;
    run("SELECT count(*) FROM activations",
        [&](sqlite3_stmt* row) { rows = sqlite3_column_int64(row, 0); });
    return rows;
  };
  const auto end = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (left() > 4000 && std::chrono::steady_clock::now() < end) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  ASSERT_EQ(left(), 4000);
  ASSERT_TRUE(store_->close().ok());
  int deletes = 0;
  for (const auto& [sql, cost] : Seen::get().of_records()) {
    if (!sql.starts_with("DELETE")) continue;
    deletes += cost.runs;
    EXPECT_EQ(cost.sorted, 0) << sql;
    EXPECT_LE(cost.scanned, cost.runs * options.retention.batch) << sql;
  }
  EXPECT_GE(deletes, 10);
}

TEST_F(Plans, AReadAmongManyDoesWhatOneAmongFewDoes) {
  fill(6000);
  const auto few = costs();
  fill(many());
  for (const auto& [name, cost] : costs()) {
    const Cost& small = few.at(name);
    std::printf("%s: %d steps, %d pages; among few %d, %d\n", name.c_str(), cost.steps / 4,
                cost.pages / 4, small.steps / 4, small.pages / 4);
    EXPECT_EQ(cost.scanned, 0) << name;
    EXPECT_EQ(cost.sorted, 0) << name;
    EXPECT_LE(cost.steps, small.steps) << name;
    // The trees have grown by two levels at most: of the index once, of the table for each row. And
    // what lay in one page of the index may lie in two, on each level.
    EXPECT_LE(cost.pages, small.pages + cost.runs * (2 * (1 + 30) + 4)) << name;
  }
}

}  // namespace
}  // namespace berth::store
