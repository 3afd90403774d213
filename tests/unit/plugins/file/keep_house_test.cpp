// SPDX-License-Identifier: Apache-2.0
// What happens to files as they get old: new ones are begun, full ones compressed, old ones
// deleted.
#include <cstdlib>
#include <fcntl.h>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <thread>

#include "file_support.hpp"

namespace berth::file {
namespace {

std::int64_t now = 0;
std::int64_t test_now() {
  return now;
}

class KeepHouse : public testing::Test {
 protected:
  KeepHouse() { now = 1'700'000'000'000; }

  LogFiles::Options options() const {
    LogFiles::Options made{.directory = directory_.path(), .max_file_bytes = 65536, .max_files = 0};
    made.now_ms = &test_now;
    return made;
  }
  void open(const LogFiles::Options& options) {
    files_ = std::make_unique<LogFiles>(options);
    Recovery recovery;
    const sdk::Status status = files_->open(recovery);
    ASSERT_TRUE(status.ok()) << status.to_string();
  }
  // An activation with one line of `size` bytes.
  void append(std::uint64_t number, std::size_t size) {
    const std::string text(size, static_cast<char>('a' + number % 26));
    const std::string id = id_of(number);
    berth_activation_ref ref{};
    ref.struct_size = sizeof ref;
    ref.activation_id = sdk::str(id);
    ref.namespace_name = sdk::str("guest");
    const berth_log_line line{BERTH_STREAM_STDOUT, 0, now * 1'000'000, 0, sdk::str(text)};
    std::vector<Block> blocks(1);
    blocks[0].bytes = format_lines(sdk::ActivationRefView(ref), {&line, 1}, true, 0);
    blocks[0].id = *parse_id(id);
    blocks[0].flags = kChunkFirst | kChunkFinal;
    std::size_t written = 0;
    const sdk::Status status = files_->append(blocks, written);
    ASSERT_TRUE(status.ok()) << status.to_string();
  }
  void keep() {
    ASSERT_TRUE(files_->seal_full().ok());
    ASSERT_TRUE(files_->keep_house(nullptr).ok());
  }
  std::size_t found(std::uint64_t number, std::size_t size = 0) {
    const Fetched fetched = files_->fetch(*parse_id(id_of(number)), "guest", "", 1 << 20);
    if (!fetched.status.ok()) return 0;
    EXPECT_FALSE(fetched.partial);
    if (size != 0) {
      EXPECT_EQ(fetched.page.bytes(), size);
    }
    return fetched.page.size();
  }
  std::size_t count(const std::string& suffix) const {
    return files_in(directory_.path(), suffix).size();
  }

  TemporaryDirectory directory_;
  std::unique_ptr<LogFiles> files_;
};

TEST_F(KeepHouse, ANewFileIsBegunWhenTheOldOneIsOld) {
  LogFiles::Options wanted = options();
  wanted.max_file_age = std::chrono::seconds(60);
  open(wanted);
  std::int64_t next = 0;
  append(1, 10);
  ASSERT_TRUE(files_->rotate_if_old(next).ok());
  EXPECT_EQ(next, now + 60'000);
  now += 59'999;
  append(2, 10);
  EXPECT_EQ(count(".jsonl"), 1u);
  now += 1;
  ASSERT_TRUE(files_->rotate_if_old(next).ok());
  EXPECT_EQ(count(".jsonl"), 2u);
  // An empty one may be as old as it likes.
  now += 600'000;
  ASSERT_TRUE(files_->rotate_if_old(next).ok());
  EXPECT_EQ(count(".jsonl"), 2u);
  append(3, 10);
  // The age is that of the first line, also in the next life.
  ASSERT_TRUE(files_->close().ok());
  now += 60'000;
  open(wanted);
  append(4, 10);
  EXPECT_EQ(count(".jsonl"), 3u);
  for (std::uint64_t i = 1; i <= 4; ++i) EXPECT_EQ(found(i), 1u) << i;
}

TEST_F(KeepHouse, WhatIsTooOldIsDeleted) {
  LogFiles::Options wanted = options();
  wanted.max_age = std::chrono::hours(1);
  open(wanted);
  for (std::uint64_t i = 0; i < 6; ++i) {
    append(i, 40'000);
    now += 20 * 60'000;
  }
  keep();
  // The newest may be as old as it likes; of the others those of the last hour are left.
  EXPECT_EQ(found(0), 0u);
  EXPECT_EQ(found(1), 0u);
  EXPECT_EQ(found(2), 0u) << "an hour and a bit";
  for (std::uint64_t i = 3; i < 6; ++i) EXPECT_EQ(found(i), 1u) << i;
  now += 10 * 3'600'000;
  keep();
  EXPECT_EQ(found(4), 0u);
  EXPECT_EQ(found(5), 1u);
}

TEST_F(KeepHouse, WhatIsTooMuchIsDeleted) {
  LogFiles::Options wanted = options();
  wanted.max_bytes = 150'000;
  open(wanted);
  for (std::uint64_t i = 0; i < 10; ++i) append(i, 40'000);
  keep();
  EXPECT_LE(files_->stats().bytes, 150'000u);
  EXPECT_EQ(found(9), 1u);
  EXPECT_EQ(found(0), 0u);
}

TEST_F(KeepHouse, FullFilesArePackedAndStillRead) {
  LogFiles::Options wanted = options();
  wanted.pack = true;
  open(wanted);
  for (std::uint64_t i = 0; i < 12; ++i) append(i, 20'000 + i);
  const std::uint64_t before = files_->stats().bytes;
  keep();
  EXPECT_EQ(count(".jsonl"), 1u) << "the newest";
  EXPECT_GE(count(".jsonl.gz"), 3u);
  EXPECT_LT(files_->stats().bytes, before / 2);
  for (std::uint64_t i = 0; i < 12; ++i) EXPECT_EQ(found(i, 20'000 + i), 1u) << i;
  // They are what gzip makes, too.
  const auto packed = directory_.path() / files_in(directory_.path(), ".jsonl.gz").front();
  EXPECT_EQ(std::system(("gzip -t " + packed.string()).c_str()), 0);
  // And in the next life, also without their indexes.
  ASSERT_TRUE(files_->close().ok());
  files_.reset();
  for (const std::string& name : files_in(directory_.path(), ".idx")) {
    std::filesystem::remove(directory_.path() / name);
  }
  open(wanted);
  for (std::uint64_t i = 0; i < 12; ++i) EXPECT_EQ(found(i, 20'000 + i), 1u) << i;
}

TEST_F(KeepHouse, ACrashWhilePackingLeavesTheFile) {
  LogFiles::Options wanted = options();
  wanted.pack = true;
  open(wanted);
  for (std::uint64_t i = 0; i < 4; ++i) append(i, 40'000);
  ASSERT_TRUE(files_->close().ok());
  files_.reset();
  std::ofstream(directory_.path() / "logs-0000000001.jsonl.gz.tmp") << "half";
  open(wanted);
  EXPECT_EQ(count(".tmp"), 0u);
  EXPECT_EQ(found(0, 40'000), 1u);
  const bool stop = true;
  EXPECT_EQ(files_->keep_house(&stop).code(), sdk::StatusCode::kCancelled);
  EXPECT_EQ(count(".tmp"), 0u);
  EXPECT_EQ(found(0, 40'000), 1u);
  // Both are there if it crashes between the packing and the deletion.
  const auto plain = directory_.path() / "logs-0000000001.jsonl";
  std::filesystem::copy_file(plain, directory_.path() / "aside");
  keep();
  EXPECT_TRUE(files_->close().ok());
  files_.reset();
  std::filesystem::rename(directory_.path() / "aside", plain);
  open(wanted);
  EXPECT_EQ(found(0, 40'000), 1u);
  EXPECT_FALSE(std::filesystem::exists(plain));
}

TEST_F(KeepHouse, APackedFileThatIsDamagedIsNotReadAsIfItWereWhole) {
  LogFiles::Options wanted = options();
  wanted.pack = true;
  open(wanted);
  for (std::uint64_t i = 0; i < 4; ++i) append(i, 40'000);
  keep();
  const auto packed = directory_.path() / files_in(directory_.path(), ".jsonl.gz").front();
  std::fstream(packed, std::ios::in | std::ios::out | std::ios::binary).seekp(60).put('\x55');
  const Fetched fetched = files_->fetch(*parse_id(id_of(0)), "guest", "", 1 << 20);
  EXPECT_TRUE(!fetched.status.ok() || fetched.partial || fetched.page.empty());
}

TEST(GzipBlocksTest, AnyPlaceIsRead) {
  const TemporaryDirectory directory;
  const auto plain = directory.path() / "plain";
  const auto packed = directory.path() / "packed.gz";
  std::string text;
  for (std::uint64_t i = 0; text.size() < 3'500'000; ++i) text += std::to_string(i * 7919) + "\n";
  std::ofstream(plain, std::ios::binary) << text;
  const support::UniqueFd fd(::open(plain.c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_TRUE(GzipBlocks::pack(fd.get(), text.size(), packed).ok());
  const auto blocks = GzipBlocks::open(packed);
  ASSERT_NE(blocks, nullptr);
  EXPECT_EQ(blocks->size(), text.size());
  EXPECT_LT(blocks->disk_size(), text.size());
  for (const std::size_t at :
       {std::size_t{0}, std::size_t{1'048'570}, std::size_t{2'000'000}, text.size() - 7}) {
    for (const std::size_t bytes : {std::size_t{1}, std::size_t{7}, std::size_t{1'200'000}}) {
      std::string got(bytes, '\0');
      const bool inside = at + bytes <= text.size();
      ASSERT_EQ(blocks->read(got.data(), bytes, at), inside);
      if (inside) {
        EXPECT_EQ(got, text.substr(at, bytes));
      }
    }
  }
  // Cut anywhere it is refused, or shorter by whole blocks.
  for (std::uintmax_t size = blocks->disk_size() - 1; size > 10; size -= size / 7 + 1) {
    std::filesystem::resize_file(packed, size);
    const auto cut = GzipBlocks::open(packed);
    EXPECT_TRUE(cut == nullptr || cut->size() % GzipBlocks::kBlockBytes == 0);
  }
}

TEST(UserLogsTest, AreWhatOpenWhiskWrites) {
  const TemporaryDirectory directory;
  Store store(directory.path() / "own",
              R"({"userlogs_directory":")" + directory.path().string() + R"("})");
  ASSERT_TRUE(store.start().ok());
  ASSERT_TRUE(store.append(id_of(7), make_lines({"hello \"you\"", ""})).ok());
  ASSERT_TRUE(store.stop().ok());
  const auto names = files_in(directory.path(), ".log");
  ASSERT_EQ(names.size(), 1u);
  EXPECT_EQ(names[0].rfind("userlogs-", 0), 0u);
  const std::string text = read_text(directory.path() / names[0]);
  EXPECT_EQ(text.substr(0, text.find('\n')),
            R"({"log":"hello \"you\"\n","stream":"stdout","time":"2023-11-14T22:13:20.123456789Z",)"
            R"("activationId":"00000000000000000000000000000007","action":"guest/demo/hello",)"
            R"("namespace":"guest","namespaceId":"23bc46b1-71f6-4ed5-8c54-816aa4f8c502"})");
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  struct stat facts {};
  ASSERT_EQ(::stat((directory.path() / names[0]).c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 0777, 0666u) << "whoever ships them reads them";
}

// A shipper takes files away by renaming or deleting them.
TEST(UserLogsTest, AFileThatIsGoneIsFollowedByAnother) {
  const TemporaryDirectory directory;
  UserLogs logs(directory.path());
  ASSERT_TRUE(logs.append("one\n", 1).ok());
  std::filesystem::remove(directory.path() / "userlogs-1.log");
  ASSERT_TRUE(logs.append("two\n", 2).ok());
  EXPECT_EQ(read_text(directory.path() / "userlogs-2.log"), "two\n");
  UserLogs nowhere(directory.path() / "missing");
  EXPECT_FALSE(nowhere.append("x\n", 3).ok());
}

TEST(FileLogStoreKeeps, PackedFilesAreFoundByItsOwnThread) {
  const TemporaryDirectory directory;
  Store store(directory.path(), R"({"max_file_bytes":65536,"max_files":0,"compress":"gzip"})");
  ASSERT_TRUE(store.start().ok());
  for (std::uint64_t i = 0; i < 12; ++i) {
    ASSERT_TRUE(store.append(id_of(i), make_lines({std::string(30'000, 'x')})).ok());
  }
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(60);
  while (files_in(directory.path(), ".jsonl.gz").size() < 5 &&
         std::chrono::steady_clock::now() < until) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_GE(files_in(directory.path(), ".jsonl.gz").size(), 5u);
  for (std::uint64_t i = 0; i < 12; ++i) EXPECT_EQ(store.fetch(id_of(i)).lines.size(), 1u) << i;
}

}  // namespace
}  // namespace berth::file
