// SPDX-License-Identifier: Apache-2.0
// What is in the directory after rotation, crashes and damage.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "file_support.hpp"

namespace berth::file {
namespace {

using Texts = std::vector<std::string>;

// Files of at least 64 KiB, so that a few appends fill one.
constexpr const char* kSmallFiles = R"({"max_file_bytes":65536})";

class LogFilesTest : public testing::Test {
 protected:
  std::filesystem::path file(int number, const std::string& suffix = ".jsonl") const {
    char name[32];
    std::snprintf(name, sizeof name, "logs-%010d", number);
    return directory_.path() / (name + suffix);
  }
  // Activation `number` with three lines that together are about 20 KB.
  static std::vector<sdk::LogLine> lines_of(std::uint64_t number) {
    return make_lines(
        {"a" + std::to_string(number), std::string(20'000, 'x'), "c" + std::to_string(number)});
  }
  void fill(Store& store, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t i = from; i < to; ++i) ASSERT_TRUE(store.append(id_of(i), lines_of(i)).ok());
  }
  static void expect_there(Store& store, std::uint64_t from, std::uint64_t to) {
    for (std::uint64_t i = from; i < to; ++i) {
      const Answer answer = store.fetch(id_of(i));
      ASSERT_TRUE(answer.status.ok()) << i << " " << answer.status.to_string();
      EXPECT_FALSE(answer.status.partial()) << i;
      ASSERT_EQ(answer.lines.size(), 3u) << i;
      EXPECT_EQ(answer.lines[2].text, "c" + std::to_string(i));
    }
  }

  TemporaryDirectory directory_;
};

TEST_F(LogFilesTest, RotateBySize) {
  Store store(directory_.path(), kSmallFiles);
  ASSERT_TRUE(store.start().ok());
  fill(store, 0, 20);
  expect_there(store, 0, 20);
  ASSERT_TRUE(store.stop().ok());
  EXPECT_EQ(files_in(directory_.path(), ".jsonl").size(), 7u);
  EXPECT_EQ(files_in(directory_.path(), ".idx").size(), 7u);
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    struct stat facts {};
    ASSERT_EQ(::stat(entry.path().c_str(), &facts), 0);
    EXPECT_EQ(facts.st_mode & 0777, 0600u) << entry.path();
    if (entry.path().extension() == ".jsonl") {
      EXPECT_LE(facts.st_size, 65536) << entry.path();
    }
  }
}

TEST_F(LogFilesTest, TheOldestGoesFirst) {
  Store store(directory_.path(), R"({"max_file_bytes":65536,"max_files":3})");
  ASSERT_TRUE(store.start().ok());
  fill(store, 0, 20);
  ASSERT_TRUE(store.drain().ok());
  EXPECT_EQ(files_in(directory_.path(), ".jsonl").size(), 3u);
  EXPECT_EQ(store.fetch(id_of(0)).status.code(), sdk::StatusCode::kNotFound);
  expect_there(store, 14, 20);
  ASSERT_TRUE(store.stop().ok());
  EXPECT_EQ(files_in(directory_.path(), ".idx").size(), 3u);
}

TEST_F(LogFilesTest, ComeBackAfterARestart) {
  for (std::uint64_t round = 0; round < 4; ++round) {
    Store store(directory_.path(), kSmallFiles);
    ASSERT_TRUE(store.start().ok());
    expect_there(store, 0, round * 5);
    fill(store, round * 5, round * 5 + 5);
    expect_there(store, 0, round * 5 + 5);
    ASSERT_TRUE(store.stop().ok());
  }
  // The newest file is gone on with.
  EXPECT_EQ(files_in(directory_.path(), ".jsonl").size(), 7u);
}

TEST_F(LogFilesTest, ATornLastLineIsDroppedAndNothingElse) {
  const std::string whole = [&] {
    Store store(directory_.path());
    EXPECT_TRUE(store.start().ok());
    EXPECT_TRUE(store.append(id_of(1), make_lines({"one", "two"})).ok());
    EXPECT_TRUE(store.append(id_of(2), make_lines({"three", "torn"}), true).ok());
    EXPECT_TRUE(store.stop().ok());
    return read_text(file(1));
  }();
  const std::size_t last = whole.rfind('\n', whole.size() - 2) + 1;
  // Wherever the write was cut, with an index that knows more than there is, and without one.
  for (std::size_t keep = last; keep < whole.size(); keep += 9) {
    for (const bool with_index : {true, false}) {
      const TemporaryDirectory other;
      const auto log = other.path() / file(1).filename();
      std::ofstream(log, std::ios::binary) << whole.substr(0, keep);
      if (with_index)
        std::filesystem::copy(file(1, ".idx"), other.path() / file(1, ".idx").filename());
      Store store(other.path());
      ASSERT_TRUE(store.start().ok());
      EXPECT_EQ(read_text(log), whole.substr(0, last)) << keep;
      EXPECT_EQ(texts_of(store.fetch(id_of(1))), (Texts{"one", "two"}));
      EXPECT_FALSE(store.fetch(id_of(1)).status.partial());
      const Answer cut = store.fetch(id_of(2));
      EXPECT_EQ(texts_of(cut), Texts{"three"});
      EXPECT_TRUE(cut.status.partial()) << "its end is lost, and the reader is told";
      // What comes next begins on a line of its own.
      ASSERT_TRUE(store.append(id_of(3), make_lines({"next"})).ok());
      EXPECT_EQ(texts_of(store.fetch(id_of(3))), Texts{"next"});
    }
  }
}

TEST_F(LogFilesTest, LostAndDamagedIndexesAreMadeAgain) {
  {
    Store store(directory_.path(), kSmallFiles);
    ASSERT_TRUE(store.start().ok());
    fill(store, 0, 12);
    ASSERT_TRUE(store.stop().ok());
  }
  std::filesystem::remove(file(1, ".idx"));
  std::ofstream(file(2, ".idx")) << "not an index";
  std::filesystem::resize_file(file(3, ".idx"), 60);
  std::filesystem::copy(file(1), directory_.path() / "logs-1.jsonl");  // a name that is not ours
  std::ofstream(file(900, ".idx")) << "of a log file that is gone";
  std::ofstream(file(901, ".idx.tmp")) << "half written";
  Store store(directory_.path(), kSmallFiles);
  ASSERT_TRUE(store.start().ok());
  expect_there(store, 0, 12);
  ASSERT_TRUE(store.stop().ok());
  EXPECT_EQ(files_in(directory_.path(), ".idx").size(), 4u);
  EXPECT_TRUE(files_in(directory_.path(), ".tmp").empty());
  for (int i = 1; i <= 4; ++i) EXPECT_NE(SortedIndex::open(file(i, ".idx")), nullptr) << i;
}

// An index written at a clean stop covers only the start of a file that was gone on with and then
// killed.
TEST_F(LogFilesTest, AnOldIndexIsGoneOnWith) {
  {
    Store store(directory_.path());
    ASSERT_TRUE(store.start().ok());
    fill(store, 0, 3);
    ASSERT_TRUE(store.stop().ok());
  }
  const std::string old_index = read_text(file(1, ".idx"));
  {
    Store store(directory_.path());
    ASSERT_TRUE(store.start().ok());
    fill(store, 3, 6);
    ASSERT_TRUE(store.stop().ok());
  }
  std::ofstream(file(1, ".idx"), std::ios::binary) << old_index;
  Store store(directory_.path());
  ASSERT_TRUE(store.start().ok());
  expect_there(store, 0, 6);
}

TEST_F(LogFilesTest, DamageInTheMiddleCostsOnlyItsLine) {
  {
    Store store(directory_.path());
    ASSERT_TRUE(store.start().ok());
    ASSERT_TRUE(store.append(id_of(1), make_lines({"one", "two", "three"})).ok());
    ASSERT_TRUE(store.append(id_of(2), make_lines({"four"})).ok());
    ASSERT_TRUE(store.stop().ok());
  }
  std::string text = read_text(file(1));
  text.replace(text.find("two") - 8, 4, std::string(4, '\0'));
  std::ofstream(file(1), std::ios::binary) << text;
  for (const bool with_index : {true, false}) {
    if (!with_index) std::filesystem::remove(file(1, ".idx"));
    Store store(directory_.path());
    ASSERT_TRUE(store.start().ok());
    const Answer damaged = store.fetch(id_of(1));
    ASSERT_TRUE(damaged.status.ok()) << damaged.status.to_string();
    EXPECT_TRUE(damaged.status.partial());
    EXPECT_EQ(texts_of(damaged), (Texts{"one", "three"}));
    EXPECT_FALSE(store.fetch(id_of(2)).status.partial());
    ASSERT_TRUE(store.stop().ok());
  }
}

TEST_F(LogFilesTest, WhatLiesInADeletedFileIsPartial) {
  const TemporaryDirectory other;
  Store store(directory_.path(), kSmallFiles);
  ASSERT_TRUE(store.start().ok());
  ASSERT_TRUE(store.append(id_of(1), make_lines({"first"}), false).ok());
  fill(store, 10, 14);
  ASSERT_TRUE(store.append(id_of(1), make_lines({"second"}, 1), true).ok());
  EXPECT_EQ(texts_of(store.fetch(id_of(1))), (Texts{"first", "second"}));
  EXPECT_FALSE(store.fetch(id_of(1)).status.partial());
  ASSERT_TRUE(store.stop().ok());
  std::filesystem::remove(file(1));
  Store again(directory_.path(), kSmallFiles);
  ASSERT_TRUE(again.start().ok());
  const Answer rest = again.fetch(id_of(1));
  EXPECT_EQ(texts_of(rest), Texts{"second"});
  EXPECT_TRUE(rest.status.partial());
}

TEST_F(LogFilesTest, OneStoreADirectory) {
  Store store(directory_.path());
  ASSERT_TRUE(store.start().ok());
  {
    Store other(directory_.path());
    const sdk::Status status = other.start();
    EXPECT_EQ(status.code(), sdk::StatusCode::kFailedPrecondition);
    EXPECT_NE(status.message().find("in use by another berthd"), std::string::npos);
    EXPECT_EQ(other.append(id_of(1), make_lines({"x"})).code(), sdk::StatusCode::kUnavailable);
  }
  ASSERT_TRUE(store.stop().ok());
  Store next(directory_.path());
  EXPECT_TRUE(next.start().ok());
}

TEST_F(LogFilesTest, BadDirectories) {
  {
    Store store(directory_.path() / "a" / "b");
    const sdk::Status status = store.start();
    EXPECT_FALSE(status.ok());
    EXPECT_NE(status.message().find("a/b"), std::string::npos) << status.to_string();
  }
  std::ofstream(directory_.path() / "file") << "x";
  EXPECT_FALSE(Store(directory_.path() / "file").start().ok());
  // A link planted where we would write is not followed.
  std::filesystem::create_directory(directory_.path() / "planted");
  std::filesystem::create_symlink(directory_.path() / "file",
                                  directory_.path() / "planted" / "logs-0000000001.jsonl");
  EXPECT_FALSE(Store(directory_.path() / "planted").start().ok());
  EXPECT_EQ(read_text(directory_.path() / "file"), "x");
  // One level is made, private.
  ASSERT_TRUE(Store(directory_.path() / "made").start().ok());
  struct stat facts {};
  ASSERT_EQ(::stat((directory_.path() / "made").c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0700u);
}

}  // namespace
}  // namespace berth::file
