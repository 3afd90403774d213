// SPDX-License-Identifier: Apache-2.0
#include "spool.hpp"

#include <fstream>
#include <gtest/gtest.h>
#include <random>
#include <signal.h>
#include <sys/resource.h>

#include "splunk_support.hpp"

namespace berth::splunk {
namespace {

class SpoolTest : public testing::Test {
 protected:
  void open(std::uint64_t max_bytes = 1 << 30, std::uint64_t segment_bytes = 4096) {
    spool_.reset();
    spool_ = std::make_unique<Spool>(
        Spool::Options{directory_.path() / "spool", max_bytes, segment_bytes, memory_});
    recovery_ = {};
    const sdk::Status status = spool_->open(recovery_);
    ASSERT_TRUE(status.ok()) << status.to_string();
  }
  sdk::Status append(const std::string& events, unsigned char id = 1) {
    std::vector<Spool::Item> items(1);
    items[0].id.fill(id);
    items[0].events = events;
    return spool_->append(std::move(items));
  }
  std::string take(std::uint64_t from = 0, std::uint64_t bytes = 1 << 20,
                   std::uint64_t records = 1 << 20) {
    Spool::Batch batch;
    EXPECT_TRUE(spool_->take(from, bytes, records, batch).ok());
    last_ = batch.last;
    return batch.empty() ? "(none)" : batch.events;
  }
  std::vector<std::filesystem::path> files() const {
    std::vector<std::filesystem::path> found;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path() / "spool")) {
      if (entry.path().extension() == ".q") found.push_back(entry.path());
    }
    std::sort(found.begin(), found.end());
    return found;
  }

  TemporaryDirectory directory_;
  std::uint64_t memory_ = 32 << 20;
  std::unique_ptr<Spool> spool_;
  Spool::Recovery recovery_;
  std::uint64_t last_ = 0;
};

TEST_F(SpoolTest, GivesWhatItWasGivenInOrder) {
  open();
  EXPECT_EQ(take(), "(none)");
  for (const char* text : {"a", "bb", "ccc"}) ASSERT_TRUE(append(text).ok());
  EXPECT_EQ(take(), "abbccc");
  EXPECT_EQ(take(1), "bbccc");
  EXPECT_EQ(take(0, 3), "abb");
  EXPECT_EQ(take(2, 1), "ccc") << "at least one";
  EXPECT_EQ(take(0, 100, 1), "a");
  EXPECT_EQ(take(3), "(none)");
}

TEST_F(SpoolTest, WhatIsAcknowledgedIsGoneForGood) {
  open();
  for (const char* text : {"a", "b", "c"}) ASSERT_TRUE(append(text).ok());
  spool_->acknowledge(1);
  EXPECT_EQ(spool_->first(), 2u);
  EXPECT_EQ(take(), "c");
  open();
  EXPECT_EQ(recovery_.records, 1u);
  EXPECT_EQ(take(), "c");
  spool_->acknowledge(0);
  open();
  EXPECT_EQ(recovery_.records, 0u);
  ASSERT_TRUE(append("d").ok());
  EXPECT_EQ(take(), "d");
}

TEST_F(SpoolTest, WhatIsOnlyOnDiskIsReadBack) {
  memory_ = 10;
  open();
  std::string all;
  for (int i = 0; i < 200; ++i) {
    const std::string text = "record " + std::to_string(i) + std::string(100, 'x') + ";";
    ASSERT_TRUE(append(text).ok());
    all += text;
  }
  EXPECT_GT(files().size(), 3u);
  EXPECT_EQ(take(), all);
}

TEST_F(SpoolTest, FilesAreDeletedOnceTheyAreAcknowledged) {
  open();
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(append(std::string(200, 'x')).ok());
  const std::size_t before = files().size();
  EXPECT_GT(before, 5u);
  spool_->acknowledge(100);
  EXPECT_LT(files().size(), before);
  spool_->acknowledge(199);
  EXPECT_EQ(files().size(), 1u);
  EXPECT_EQ(spool_->stats().bytes, 0u);
}

TEST_F(SpoolTest, IsBounded) {
  open(1000);
  ASSERT_TRUE(append(std::string(900, 'a')).ok());
  const sdk::Status full = append(std::string(200, 'b'));
  EXPECT_EQ(full.code(), sdk::StatusCode::kResourceExhausted);
  EXPECT_TRUE(full.retryable());
  spool_->acknowledge(0);
  EXPECT_TRUE(append(std::string(5000, 'c')).ok()) << "however long, one goes into an empty spool";
}

TEST_F(SpoolTest, KnowsWhatIsPendingOfAnActivation) {
  open();
  ASSERT_TRUE(append("a", 1).ok());
  ASSERT_TRUE(append("b", 2).ok());
  ASSERT_TRUE(append("c", 1).ok());
  RecordId id;
  id.fill(1);
  EXPECT_EQ(spool_->pending(id), (std::vector<std::string>{"a", "c"}));
  spool_->acknowledge(0);
  EXPECT_EQ(spool_->pending(id), (std::vector<std::string>{"c"}));
}

TEST_F(SpoolTest, ATornEndIsCutOff) {
  open(1 << 30, 1 << 20);
  for (const char* text : {"aaaa", "bbbb"}) ASSERT_TRUE(append(text).ok());
  const auto path = files().at(0);
  const auto whole = std::filesystem::file_size(path);
  for (std::uintmax_t cut = 1; cut < whole / 2; ++cut) {
    spool_.reset();
    std::filesystem::resize_file(path, whole - cut);
    open(1 << 30, 1 << 20);
    EXPECT_EQ(take(), "aaaa");
    ASSERT_TRUE(append("bbbb").ok());
    EXPECT_EQ(take(), "aaaabbbb");
  }
}

TEST_F(SpoolTest, GarbageIsNotSent) {
  std::mt19937 random(3);
  for (int round = 0; round < 30; ++round) {
    open();
    ASSERT_TRUE(append("good").ok());
    spool_.reset();
    const auto path = files().back();
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto size = static_cast<std::streamoff>(std::filesystem::file_size(path));
    file.seekp(static_cast<std::streamoff>(random() % static_cast<unsigned>(size)));
    file.put(static_cast<char>(random()));
    file.close();
    open();
    std::string events = take();
    if (events == "(none)") events.clear();
    while (events.rfind("good", 0) == 0) events.erase(0, 4);
    ASSERT_EQ(events, "");
  }
}

TEST_F(SpoolTest, ADamagedPositionOnlySendsAgain) {
  open();
  for (const char* text : {"a", "b"}) ASSERT_TRUE(append(text).ok());
  spool_->acknowledge(0);
  spool_.reset();
  std::ofstream(directory_.path() / "spool/position", std::ios::binary) << std::string(24, 'z');
  open();
  EXPECT_EQ(take(), "ab");
}

TEST_F(SpoolTest, IsOnePlaceForOneProcess) {
  open();
  Spool other({directory_.path() / "spool", 1000, 1000});
  Spool::Recovery recovery;
  const sdk::Status status = other.open(recovery);
  EXPECT_EQ(status.code(), sdk::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("spool_directory"), std::string::npos);
}

TEST_F(SpoolTest, AFullDiskIsSaidAndForgotten) {
  open(1 << 30, 1 << 20);
  ASSERT_TRUE(append("before").ok());
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto ignored = ::signal(SIGXFSZ, SIG_IGN);
  rlimit tight = before;
  tight.rlim_cur = 4096;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &tight), 0);
  const sdk::Status full = append(std::string(20'000, 'x'));
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, ignored);
  EXPECT_EQ(full.code(), sdk::StatusCode::kResourceExhausted) << full.to_string();
  EXPECT_TRUE(full.retryable());
  ASSERT_TRUE(append("after").ok());
  EXPECT_EQ(take(), "beforeafter");
  open(1 << 30, 1 << 20);
  EXPECT_EQ(recovery_.torn_bytes, 0u);
  EXPECT_EQ(take(), "beforeafter");
}

}  // namespace
}  // namespace berth::splunk
