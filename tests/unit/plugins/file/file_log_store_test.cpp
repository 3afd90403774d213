// SPDX-License-Identifier: Apache-2.0
#include "file_log_store.hpp"

#include <atomic>
#include <gtest/gtest.h>
#include <thread>

#include "file_support.hpp"

namespace berth::file {
namespace {

using Texts = std::vector<std::string>;

class FileLogStoreTest : public testing::Test {
 protected:
  void SetUp() override { open("{}"); }
  void open(const std::string& config) {
    store_.reset();
    store_ = std::make_unique<Store>(directory_.path(), config);
    ASSERT_TRUE(store_->start().ok());
  }
  TemporaryDirectory directory_;
  std::unique_ptr<Store> store_;
};

TEST_F(FileLogStoreTest, KeepsWhatItWasGiven) {
  const auto lines = make_lines({"hello", "", "\xc3\xa4\t\"\\\x01", "last"});
  ASSERT_TRUE(store_->append(id_of(1), lines).ok());
  const Answer answer = store_->fetch(id_of(1));
  ASSERT_TRUE(answer.status.ok());
  EXPECT_FALSE(answer.status.partial());
  EXPECT_EQ(answer.next_cursor, "");
  ASSERT_EQ(answer.lines.size(), lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    EXPECT_EQ(answer.lines[i].text, lines[i].text);
    EXPECT_EQ(answer.lines[i].stream, lines[i].stream);
    EXPECT_EQ(answer.lines[i].time_ns, lines[i].time_ns);
    EXPECT_EQ(answer.lines[i].sequence, lines[i].sequence);
  }
}

TEST_F(FileLogStoreTest, KnowsNothingFromAnEnd) {
  EXPECT_EQ(store_->fetch(id_of(1)).status.code(), sdk::StatusCode::kNotFound);
  ASSERT_TRUE(store_->append(id_of(1), {}).ok());
  const Answer empty = store_->fetch(id_of(1));
  EXPECT_TRUE(empty.status.ok());
  EXPECT_FALSE(empty.status.partial());
  EXPECT_TRUE(empty.lines.empty());
  // No lines and no end: nothing to keep.
  ASSERT_TRUE(store_->append(id_of(2), {}, false).ok());
  EXPECT_EQ(store_->fetch(id_of(2)).status.code(), sdk::StatusCode::kNotFound);
}

TEST_F(FileLogStoreTest, PartsComeTogether) {
  ASSERT_TRUE(store_->append(id_of(1), make_lines({"a", "b"}), false).ok());
  ASSERT_TRUE(store_->append(id_of(2), make_lines({"other"}), false).ok());
  EXPECT_EQ(texts_of(store_->fetch(id_of(1))), (Texts{"a", "b"}));
  EXPECT_FALSE(store_->fetch(id_of(1)).status.partial()) << "it still runs";
  ASSERT_TRUE(store_->append(id_of(1), make_lines({"c"}, 2), false).ok());
  ASSERT_TRUE(store_->append(id_of(1), {}, true).ok());
  EXPECT_EQ(texts_of(store_->fetch(id_of(1))), (Texts{"a", "b", "c"}));
  // What never ended before a restart has lost its end.
  open("{}");
  EXPECT_FALSE(store_->fetch(id_of(1)).status.partial());
  EXPECT_TRUE(store_->fetch(id_of(2)).status.partial());
}

TEST_F(FileLogStoreTest, AnAppendGivenTwiceIsShownOnce) {
  const auto lines = make_lines({"a", "b"});
  ASSERT_TRUE(store_->append(id_of(1), lines).ok());
  ASSERT_TRUE(store_->append(id_of(1), lines).ok());
  EXPECT_EQ(texts_of(store_->fetch(id_of(1))), (Texts{"a", "b"}));
}

TEST_F(FileLogStoreTest, Pages) {
  Texts texts;
  for (int i = 0; i < 100; ++i) texts.push_back("line " + std::to_string(i));
  ASSERT_TRUE(store_->append(id_of(1), make_lines(texts)).ok());
  for (const std::uint64_t max_bytes : {0, 1, 7, 20, 100, 899, 100'000}) {
    EXPECT_EQ(texts_of(store_->fetch_all(id_of(1), max_bytes)), texts) << max_bytes;
  }
  const Answer first = store_->fetch(id_of(1), "", 20);
  EXPECT_EQ(first.lines.size(), 3u);
  EXPECT_FALSE(first.next_cursor.empty());
  EXPECT_EQ(store_->fetch(id_of(1), "", 0).lines.size(), 1u) << "at least one";
}

TEST_F(FileLogStoreTest, PagesOverPartsAndFiles) {
  open(R"({"max_file_bytes":65536})");
  Texts texts;
  for (std::uint64_t i = 0; i < 30; ++i) {
    texts.push_back(std::to_string(i) + std::string(10'000, 'x'));
    ASSERT_TRUE(store_->append(id_of(1), make_lines({texts.back()}, i), i == 29).ok());
    ASSERT_TRUE(store_->append(id_of(100 + i), make_lines({"other"})).ok());
  }
  EXPECT_GT(files_in(directory_.path(), ".jsonl").size(), 3u);
  EXPECT_EQ(texts_of(store_->fetch_all(id_of(1), 25'000)), texts);
}

TEST_F(FileLogStoreTest, HugeLines) {
  const std::string huge(9 * 1024 * 1024, 'h');
  open(R"({"max_file_bytes":1048576,"max_queued_bytes":1048576})");
  ASSERT_TRUE(store_->append(id_of(1), make_lines({"before", huge, "after"})).ok());
  ASSERT_TRUE(store_->append(id_of(2), make_lines({"next"})).ok());
  EXPECT_EQ(texts_of(store_->fetch_all(id_of(1))), (Texts{"before", huge, "after"}));
  open("{}");
  EXPECT_EQ(texts_of(store_->fetch_all(id_of(1))), (Texts{"before", huge, "after"}));
  EXPECT_EQ(texts_of(store_->fetch_all(id_of(2))), Texts{"next"});
}

TEST_F(FileLogStoreTest, LogsBelongToTheirNamespace) {
  ASSERT_TRUE(store_->append(id_of(1), make_lines({"secret"})).ok());
  EXPECT_EQ(store_->fetch(id_of(1), "", 100, "other").status.code(), sdk::StatusCode::kNotFound);
  EXPECT_TRUE(store_->fetch(id_of(1), "", 100, "").status.ok());
}

TEST_F(FileLogStoreTest, InvalidInput) {
  EXPECT_EQ(store_->append("nonsense", make_lines({"x"})).code(),
            sdk::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->append("../../../../etc/passwd", make_lines({"x"})).code(),
            sdk::StatusCode::kInvalidArgument);
  auto lines = make_lines({"x"});
  lines[0].stream = static_cast<sdk::Stream>(7);
  EXPECT_EQ(store_->append(id_of(1), lines).code(), sdk::StatusCode::kInvalidArgument);
  EXPECT_EQ(store_->fetch("nonsense").status.code(), sdk::StatusCode::kNotFound);
  ASSERT_TRUE(store_->append(id_of(1), make_lines({"x"})).ok());
  for (const char* cursor :
       {"x", "1", "1.2", "1.2.", "1.2.3.4", "-1.2.3", "1.2.99999999999999999999"}) {
    EXPECT_EQ(store_->fetch(id_of(1), cursor).status.code(), sdk::StatusCode::kInvalidArgument)
        << cursor;
  }
  // A cursor into nowhere is an end.
  EXPECT_TRUE(store_->fetch(id_of(1), "77.0.0").lines.empty());
}

TEST_F(FileLogStoreTest, TheOrderOfStates) {
  Store store(directory_.path() / "other");
  EXPECT_EQ(store.append(id_of(1), make_lines({"x"})).code(), sdk::StatusCode::kFailedPrecondition);
  EXPECT_EQ(store.fetch(id_of(1)).status.code(), sdk::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(store.start().ok());
  EXPECT_EQ(store.start().code(), sdk::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(store.stop().ok());
  EXPECT_TRUE(store.stop().ok());
  EXPECT_EQ(store.append(id_of(1), make_lines({"x"})).code(), sdk::StatusCode::kUnavailable);
  EXPECT_EQ(store.drain().code(), sdk::StatusCode::kUnavailable);
}

TEST_F(FileLogStoreTest, EverythingUnderWayIsAnsweredAtTheEnd) {
  std::vector<std::uint64_t> ops;
  for (std::uint64_t i = 0; i < 500; ++i)
    ops.push_back(store_->append_later(id_of(i), make_lines({"x"}), true));
  ASSERT_TRUE(store_->stop().ok());
  for (const std::uint64_t op : ops) EXPECT_TRUE(store_->wait(op).status.ok());
  open("{}");
  for (std::uint64_t i = 0; i < 500; ++i) EXPECT_EQ(texts_of(store_->fetch(id_of(i))), Texts{"x"});
}

TEST_F(FileLogStoreTest, EverySyncPolicyKeepsLogs) {
  for (const char* config : {R"({"sync":"never"})", R"({"sync":"always"})",
                             R"({"sync":"interval","sync_interval_ms":10})"}) {
    open(config);
    const std::string id = id_of(std::hash<std::string>()(config) & 0xffff);
    ASSERT_TRUE(store_->append(id, make_lines({config})).ok());
    ASSERT_TRUE(store_->drain().ok());
    EXPECT_EQ(texts_of(store_->fetch(id)), Texts{config});
  }
}

// While files fill, are indexed and are deleted, every answered append can be fetched.
TEST_F(FileLogStoreTest, ConcurrentAppendsAndFetches) {
  open(R"({"max_file_bytes":65536})");
  constexpr std::uint64_t kEach = 300;
  std::vector<std::thread> threads;
  for (std::uint64_t t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      for (std::uint64_t i = 0; i < kEach; ++i) {
        const std::uint64_t number = t * kEach + i;
        const Texts texts{std::to_string(number), std::string(number % 700, 'y')};
        ASSERT_TRUE(store_->append(id_of(number), make_lines(texts)).ok());
        ASSERT_EQ(texts_of(store_->fetch(id_of(number))), texts);
        const std::uint64_t older = t * kEach + i / 2;
        ASSERT_EQ(texts_of(store_->fetch(id_of(older)))[0], std::to_string(older));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(files_in(directory_.path(), ".jsonl").size(), 5u);
}

TEST_F(FileLogStoreTest, FetchesGoOnWhileFilesAreDeleted) {
  open(R"({"max_file_bytes":65536,"max_files":2})");
  std::atomic<bool> stop{false};
  std::atomic<std::uint64_t> newest{0};
  ASSERT_TRUE(store_->append(id_of(0), make_lines({"0"})).ok());
  std::thread reader([&] {
    while (!stop) {
      const std::uint64_t number = newest;
      const Answer answer = store_->fetch(id_of(number > 5 ? number - 5 : 0));
      // It is there whole, or it is gone.
      EXPECT_TRUE(answer.status.code() == sdk::StatusCode::kNotFound ||
                  (answer.status.ok() && !answer.status.partial() && answer.lines.size() == 1))
          << answer.status.to_string();
    }
  });
  for (std::uint64_t i = 1; i < 400; ++i) {
    ASSERT_TRUE(store_->append(id_of(i), make_lines({std::string(9'000, 'z')})).ok());
    newest = i;
  }
  stop = true;
  reader.join();
  ASSERT_TRUE(store_->stop().ok());
  EXPECT_EQ(files_in(directory_.path(), ".jsonl").size(), 2u);
  EXPECT_EQ(files_in(directory_.path(), ".idx").size(), 2u);
}

}  // namespace
}  // namespace berth::file
