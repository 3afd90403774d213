// SPDX-License-Identifier: Apache-2.0
// Bad data directories and bad files: each with its own error and mend, and none of them written
// to.
#include <fstream>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/files.hpp"
#include "store_fixture.hpp"

namespace berth::store {
namespace {

class Open : public StoreTest {
 protected:
  Status refusal() {
    auto store = SqliteStore::open(file(), {});
    return store ? Status() : store.error();
  }
  void run_sql(const std::string& sql) {
    sqlite3* db = nullptr;
    ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
    char* error = nullptr;
    ASSERT_EQ(sqlite3_exec(db, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(db);
  }
};

void expect_text(const Status& status, std::initializer_list<std::string> parts) {
  for (const std::string& part : parts) {
    EXPECT_NE(status.message().find(part), std::string::npos)
        << status.to_string() << "\nlacks " << part;
  }
}

TEST_F(Open, FilesArePrivate) {
  open();
  ASSERT_TRUE(put(make_action("a")));
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) {
    struct stat facts {};
    ASSERT_EQ(::stat((file().string() + suffix).c_str(), &facts), 0) << suffix;
    EXPECT_EQ(facts.st_mode & 0777, 0600u) << suffix;
  }
}

TEST_F(Open, MakesAnOpenedFilePrivate) {
  open();
  store_.reset();
  ASSERT_EQ(::chmod(file().c_str(), 0644), 0);
  open();
  struct stat facts {};
  ASSERT_EQ(::stat(file().c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0600u);
}

TEST_F(Open, RefusesAFileOfANewerBerth) {
  open();
  store_.reset();
  run_sql("PRAGMA user_version = 7");
  const Status status = refusal();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  expect_text(status, {file().string(), "written by a newer Berth (schema 7, this one knows 4)",
                       "run that version"});
}

TEST_F(Open, RefusesAnotherProgramsDatabase) {
  run_sql("CREATE TABLE theirs(x); INSERT INTO theirs VALUES(1)");
  const Status status = refusal();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  expect_text(status, {file().string(), "another program", "another data directory"});
}

TEST_F(Open, RefusesWhatIsNoDatabase) {
  std::ofstream(file()) << std::string(8192, 'x');
  const Status status = refusal();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  expect_text(status, {file().string(), "restore a backup"});
  EXPECT_EQ(std::filesystem::file_size(file()), 8192u);
}

TEST_F(Open, FindsDamage) {
  open();
  for (unsigned i = 0; i < 400; ++i) store_->activations().put_later(make_activation(i));
  ASSERT_TRUE(store_->close().ok());
  store_.reset();
  {
    std::fstream damaged(file(), std::ios::in | std::ios::out | std::ios::binary);
    const auto size = std::filesystem::file_size(file());
    for (std::uintmax_t at = 16 * 4096; at + 64 < size; at += 4096) {
      damaged.seekp(static_cast<std::streamoff>(at));
      damaged << std::string(64, '\xee');
    }
  }
  const Status status = refusal();
  EXPECT_EQ(status.code(), StatusCode::kDataLoss);
  expect_text(status, {file().string(), "damaged", "restore a backup"});
}

TEST_F(Open, RefusesADirectoryThatIsNotThere) {
  auto store = SqliteStore::open(directory_.path() / "none" / "berth.db", {});
  ASSERT_FALSE(store);
  EXPECT_EQ(store.error().code(), StatusCode::kNotFound);
  expect_text(store.error(), {"none/berth.db", "make the directory"});
}

TEST_F(Open, RefusesAFileThatIsADirectory) {
  std::filesystem::create_directory(file());
  EXPECT_FALSE(refusal().ok());
}

TEST_F(Open, RefusesADirectoryItMayNotWrite) {
  // Root may write anywhere: it becomes nobody in a child for the trial.
  ASSERT_EQ(::chmod(directory_.path().c_str(), 0555), 0);
  int pipe_fds[2];
  ASSERT_EQ(::pipe(pipe_fds), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    if (::geteuid() == 0 && (::setgid(65534) != 0 || ::setuid(65534) != 0)) ::_exit(2);
    const std::string text = refusal().to_string();
    (void)!::write(pipe_fds[1], text.data(), text.size());
    ::_exit(0);
  }
  ::close(pipe_fds[1]);
  char buffer[1024] = {};
  const ssize_t got = ::read(pipe_fds[0], buffer, sizeof buffer - 1);
  ::close(pipe_fds[0]);
  int exit = 0;
  ::waitpid(child, &exit, 0);
  ASSERT_EQ(exit, 0);
  ASSERT_GT(got, 0);
  const std::string text = buffer;
  EXPECT_NE(text.find("PERMISSION_DENIED"), std::string::npos) << text;
  EXPECT_NE(text.find("another data directory"), std::string::npos) << text;
  ::chmod(directory_.path().c_str(), 0755);
}

TEST_F(Open, OneStoreAtATime) {
  open();
  const Status status = refusal();
  EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
  expect_text(status,
              {file().string(),
               "in use by another berthd (process " + std::to_string(::getpid()) + ")", "stop it"});
  store_.reset();
  EXPECT_TRUE(refusal().ok());
}

TEST_F(Open, AfterCloseEveryCallIsAnswered) {
  open();
  ASSERT_TRUE(store_->close().ok());
  ASSERT_TRUE(store_->close().ok());
  EXPECT_EQ(code_of(get("guest/a")), StatusCode::kUnavailable);
  EXPECT_EQ(code_of(put(make_action("a"))), StatusCode::kUnavailable);
  EXPECT_EQ(code_of(put(make_activation(1))), StatusCode::kUnavailable);
  EXPECT_EQ(code_of(get_record(id_of(1))), StatusCode::kUnavailable);
  EXPECT_EQ(code_of(list_records({})), StatusCode::kUnavailable);
  EXPECT_EQ(code_of(create_namespace("x")), StatusCode::kUnavailable);
  store_->activations().put_later(make_activation(1));
}

// close() must answer what is under way, and leave one file without a WAL.
TEST_F(Open, CloseAnswersWhatIsUnderWay) {
  open();
  boost::asio::io_context context;
  int answers = 0;
  for (unsigned i = 0; i < 500; ++i) {
    store_->activations().put(context.get_executor(), make_activation(i), [&](Result<void> result) {
      EXPECT_TRUE(result);
      ++answers;
    });
    store_->activations().list(context.get_executor(), {.namespace_name = "guest"},
                               [&](auto) { ++answers; });
  }
  ASSERT_TRUE(store_->close().ok());
  context.run();
  EXPECT_EQ(answers, 1000);
  std::error_code none;
  const auto wal = std::filesystem::file_size(file().string() + "-wal", none);
  EXPECT_TRUE(none || wal == 0);
}

}  // namespace
}  // namespace berth::store
