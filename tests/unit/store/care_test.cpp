// SPDX-License-Identifier: Apache-2.0
// Backup and search for damage, while the store is in use.
#include <atomic>
#include <fcntl.h>
#include <fstream>
#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <thread>

#include "store/file_care.hpp"
#include "store/sqlite_connection.hpp"
#include "store_fixture.hpp"

namespace berth::store {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

class Care : public StoreTest {
 protected:
  Result<std::uint64_t> back_up(const std::filesystem::path& to) {
    return await<std::uint64_t>(
        [&](Executor on, auto done) { store_->back_up(on, to, std::move(done)); });
  }
  Result<std::vector<std::string>> find_damage(
      std::optional<std::filesystem::path> other = std::nullopt) {
    return await<std::vector<std::string>>(
        [&](Executor on, auto done) { store_->find_damage(on, other, std::move(done)); });
  }
  void change(const std::filesystem::path& path, const char* sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &db), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(db, sql, nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(db);
    sqlite3_close(db);
  }
  std::filesystem::path copy() const { return directory_.path() / "copy.db"; }
};

TEST_F(Care, ABackupUnderLoadIsAWholeStore) {
  open();
  ASSERT_TRUE(put(make_action("hello")));
  for (unsigned i = 0; i < 500; ++i) store_->activations().put_later(make_activation(i));
  ASSERT_TRUE(flush());
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    for (unsigned i = 1000; !stop; ++i) {
      store_->activations().put_later(make_activation(i));
      if (i % 100 == 0) (void)flush();
    }
  });
  const auto bytes = back_up(copy());
  stop = true;
  writer.join();
  ASSERT_TRUE(bytes) << bytes.error().to_string();
  EXPECT_EQ(*bytes, std::filesystem::file_size(copy()));
  struct stat facts {};
  ASSERT_EQ(::stat(copy().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
  EXPECT_THAT(find_damage(copy()).value(), IsEmpty());
  EXPECT_EQ(code_of(back_up(copy())), StatusCode::kAlreadyExists);
  store_.reset();
  // It is put where the store was.
  std::filesystem::remove(file().string() + "-wal");
  std::filesystem::rename(copy(), file());
  open();
  EXPECT_TRUE(get("guest/hello"));
  for (unsigned i = 0; i < 500; ++i) EXPECT_TRUE(get_record(id_of(i)));
}

TEST_F(Care, WhatIsQueuedIsInterruptedInARestoredBackup) {
  open();
  Work work;
  work.activation_id = id_of(1);
  work.namespace_name = "guest";
  work.received_ms = 1234;
  ASSERT_TRUE(await<void>(
      [&](Executor on, auto done) { store_->work().enqueue(on, work, std::move(done)); }));
  const std::filesystem::path other = copy().string() + ".partial";
  std::ofstream(other) << "somebody's";
  ASSERT_TRUE(back_up(copy()));
  EXPECT_EQ(std::filesystem::file_size(other), 10u) << "not ours to remove";
  std::filesystem::remove(other);
  store_.reset();
  const auto rows = [&] {
    open();
    auto page = await<std::vector<Work>>(
        [&](Executor on, auto done) { store_->work().left_over(on, 0, std::move(done)); });
    EXPECT_TRUE(page && page->size() == 1);
    return page && page->size() == 1 ? page->front() : Work();
  };
  EXPECT_EQ(rows().started_ms, 0) << "where it was accepted it runs";
  store_.reset();
  std::filesystem::remove(file().string() + "-wal");
  std::filesystem::rename(copy(), file());
  EXPECT_EQ(rows().started_ms, 1234) << "and nowhere else";
  std::size_t files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    EXPECT_TRUE(entry.path().filename().string().starts_with(file().filename().string()))
        << entry.path();
    ++files;
  }
  EXPECT_GE(files, 1u);
}

TEST_F(Care, AStopEndsWhatTakesLong) {
  open();
  CareStop stop;
  stop.stop();
  EXPECT_EQ(code_of(store::back_up(file(), copy(), stop)), StatusCode::kUnavailable);
  EXPECT_FALSE(std::filesystem::exists(copy()));
  EXPECT_EQ(code_of(store::find_damage(file(), stop)), StatusCode::kUnavailable);
  // One that is under way ends likewise.
  auto connection = Connection::open(file(), Connection::Mode::kReadOnly);
  ASSERT_TRUE(connection);
  std::atomic<bool> end{false};
  (*connection)->end_when(end);
  std::thread later([&] { end = true; });
  Query query(
      **connection,
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n");
  EXPECT_EQ(query.run().code(), StatusCode::kUnavailable);
  later.join();
}

TEST_F(Care, ABackupThatFailsLeavesNothing) {
  open();
  EXPECT_EQ(code_of(back_up("relative.db")), StatusCode::kInvalidArgument);
  const auto refused = back_up(directory_.path() / "none" / "copy.db");
  EXPECT_FALSE(refused);
  EXPECT_THAT(refused.error().message(), HasSubstr("none/copy.db"));
  EXPECT_FALSE(std::filesystem::exists(directory_.path() / "none"));
}

TEST_F(Care, FindsNothingInAGoodStore) {
  open();
  ASSERT_TRUE(create_namespace("guest"));
  ASSERT_TRUE(put(make_action("hello")));
  ASSERT_TRUE(put(make_activation(1)));
  const auto found = find_damage();
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_THAT(*found, IsEmpty());
}

TEST_F(Care, FindsWhatCannotBe) {
  open();
  ASSERT_TRUE(create_namespace("guest"));
  ASSERT_TRUE(put(make_activation(1)));
  ASSERT_TRUE(back_up(copy()));
  change(copy(),
         "INSERT INTO work VALUES(1,(SELECT id FROM activations),'','','','','','',0,0,'','');"
         "UPDATE keys SET namespace = 'nowhere';"
         "INSERT INTO actions VALUES(1,'guest/a','guest','',0,'{','');"
         "INSERT INTO entities VALUES(1,'guest/p',1,'guest',0,0,'{');"
         "INSERT INTO alarms VALUES('guest/t','guest',0,'{');"
         "INSERT INTO alarms VALUES('guest/sealed','guest',0,'aes-128 AAAA')");
  const auto found = find_damage(copy());
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_THAT(*found, testing::Contains(HasSubstr(id_of(1) + " has both a record and a row")));
  EXPECT_THAT(*found, testing::Contains(HasSubstr("belongs to no namespace")));
  EXPECT_THAT(*found, testing::Contains("action guest/a cannot be read"));
  EXPECT_THAT(*found, testing::Contains("entity guest/p cannot be read"));
  EXPECT_THAT(*found, testing::Contains("the alarm of guest/t cannot be read"));
  EXPECT_THAT(*found, testing::Not(testing::Contains(HasSubstr("sealed"))));
}

TEST_F(Care, FindsBrokenPages) {
  open();
  for (unsigned i = 0; i < 300; ++i) store_->activations().put_later(make_activation(i));
  ASSERT_TRUE(flush());
  ASSERT_TRUE(back_up(copy()));
  {
    std::fstream raw(copy(), std::ios::in | std::ios::out | std::ios::binary);
    raw.seekp(4096 * 20);
    raw << std::string(4096 * 10, '\x55');
  }
  const auto found = find_damage(copy());
  ASSERT_TRUE(found) << found.error().to_string();
  EXPECT_FALSE(found->empty());
}

TEST_F(Care, TellsWhatIsNoStore) {
  open();
  EXPECT_EQ(code_of(find_damage(directory_.path() / "none.db")), StatusCode::kNotFound);
  change(directory_.path() / "other.db", "CREATE TABLE t(x)");
  EXPECT_EQ(code_of(find_damage(directory_.path() / "other.db")), StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace berth::store
