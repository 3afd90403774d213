// SPDX-License-Identifier: Apache-2.0
#include "container/ledger.hpp"

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ids.hpp"

namespace berth::container {
namespace {

class LedgerTest : public testing::Test {
 protected:
  LedgerTest() { std::filesystem::create_directory(directory); }
  ~LedgerTest() override { std::filesystem::remove_all(directory); }

  std::unique_ptr<Ledger> open() {
    auto opened = Ledger::open(path);
    EXPECT_TRUE(opened) << (opened ? "" : opened.error().to_string());
    return opened ? std::move(*opened) : nullptr;
  }
  static LedgerEntry entry(const std::string& id) {
    LedgerEntry made;
    made.id = id;
    made.kind = "python:3";
    made.image = "img/python:1";
    made.memory_bytes = 256ull << 20;
    made.concurrency = 3;
    made.settings = 0xfedcba9876543210ull;
    made.namespace_uuid = "uuid";
    made.namespace_name = "guest";
    made.action_namespace = "whisk.system";
    made.package = "p";
    made.action = "a \"quoted\" one";
    made.revision = 77;
    return made;
  }
  static const Ledger::Left* find(const std::vector<Ledger::Left>& left, const std::string& id) {
    const auto found = std::find_if(left.begin(), left.end(),
                                    [&](const Ledger::Left& one) { return one.entry.id == id; });
    return found == left.end() ? nullptr : &*found;
  }

  const std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("berth-ledger-" + random_hex(6));
  const std::filesystem::path path = directory / "ledger";
};

TEST_F(LedgerTest, WhatIsWrittenIsFoundAgain) {
  {
    auto ledger = open();
    ledger->write(Ledger::kNoSlot, entry("one"), true);
    const auto two = ledger->write(Ledger::kNoSlot, entry("two"), true);
    const auto three = ledger->write(Ledger::kNoSlot, entry("three"), false);
    LedgerEntry stem = entry("four");
    stem.namespace_uuid = stem.namespace_name = stem.action_namespace = stem.package = stem.action =
        "";
    stem.user_provided = true;
    ledger->write(Ledger::kNoSlot, stem, false);
    ledger->set_busy(two, false);
    ledger->remove(three);
    EXPECT_TRUE(ledger->take_left().empty()) << "that is for what an earlier one left";
  }
  struct stat info {};
  ASSERT_EQ(::stat(path.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
  auto ledger = open();
  const auto left = ledger->take_left();
  ASSERT_EQ(left.size(), 3u);
  ASSERT_NE(find(left, "one"), nullptr);
  EXPECT_TRUE(find(left, "one")->busy);
  const LedgerEntry& one = find(left, "one")->entry;
  EXPECT_EQ(one.kind, "python:3");
  EXPECT_EQ(one.image, "img/python:1");
  EXPECT_EQ(one.memory_bytes, 256ull << 20);
  EXPECT_EQ(one.concurrency, 3u);
  EXPECT_EQ(one.settings, 0xfedcba9876543210ull);
  EXPECT_EQ(one.namespace_uuid, "uuid");
  EXPECT_EQ(one.namespace_name, "guest");
  EXPECT_EQ(one.action_namespace, "whisk.system");
  EXPECT_EQ(one.package, "p");
  EXPECT_EQ(one.action, "a \"quoted\" one");
  EXPECT_EQ(one.revision, 77u);
  EXPECT_FALSE(one.user_provided);
  EXPECT_FALSE(find(left, "two")->busy);
  EXPECT_TRUE(find(left, "four")->entry.prewarmed());
  EXPECT_TRUE(find(left, "four")->entry.user_provided);
  EXPECT_TRUE(ledger->take_left().empty()) << "once";
}

TEST_F(LedgerTest, GrowsAndUsesFreeSlotsAgain) {
  {
    auto ledger = open();
    std::vector<Ledger::Slot> slots;
    for (int i = 0; i < 1000; ++i) {
      slots.push_back(ledger->write(Ledger::kNoSlot, entry(std::to_string(i)), false));
    }
    for (const Ledger::Slot slot : slots) ASSERT_NE(slot, Ledger::kNoSlot);
    for (int i = 0; i < 1000; i += 2) ledger->remove(slots[static_cast<std::size_t>(i)]);
  }
  const auto size = std::filesystem::file_size(path);
  auto ledger = open();
  EXPECT_EQ(ledger->take_left().size(), 500u);
  for (int i = 0; i < 500; ++i) ledger->write(Ledger::kNoSlot, entry("again"), false);
  EXPECT_EQ(std::filesystem::file_size(path), size);
}

TEST_F(LedgerTest, AnEntryThatWasCutShortIsNone) {
  {
    auto ledger = open();
    ledger->write(Ledger::kNoSlot, entry("whole"), false);
    ledger->write(Ledger::kNoSlot, entry("torn"), false);
  }
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  file.clear();
  file.seekp(static_cast<std::streamoff>(text.find("torn")));
  file.put('X');
  file.close();
  const auto left = open()->take_left();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].entry.id, "whole");
}

TEST_F(LedgerTest, AFileOfAnotherFormatIsEmptied) {
  std::ofstream(path) << std::string(5000, 'x');
  auto ledger = open();
  ASSERT_NE(ledger, nullptr);
  EXPECT_TRUE(ledger->take_left().empty());
  EXPECT_NE(ledger->write(Ledger::kNoSlot, entry("one"), false), Ledger::kNoSlot);
}

TEST_F(LedgerTest, WhatIsTooLongIsNotNoted) {
  auto ledger = open();
  EXPECT_EQ(ledger->write(Ledger::kNoSlot, entry(std::string(2000, 'i')), false), Ledger::kNoSlot);
  const auto slot = ledger->write(Ledger::kNoSlot, entry("one"), false);
  EXPECT_EQ(ledger->write(slot, entry(std::string(2000, 'i')), false), Ledger::kNoSlot);
  ledger.reset();
  EXPECT_TRUE(open()->take_left().empty());
}

TEST_F(LedgerTest, ADirectoryThatIsNotThereIsNamed) {
  const auto opened = Ledger::open(directory / "none" / "ledger");
  ASSERT_FALSE(opened);
  EXPECT_NE(opened.error().message().find((directory / "none").string()), std::string::npos);
}

TEST_F(LedgerTest, WhatAKilledProcessWroteIsThere) {
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    auto opened = Ledger::open(path);
    if (opened) {
      const auto slot = (*opened)->write(Ledger::kNoSlot, entry("one"), false);
      (*opened)->write(Ledger::kNoSlot, entry("two"), false);
      (*opened)->set_busy(slot, true);
    }
    ::raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  const auto left = open()->take_left();
  ASSERT_EQ(left.size(), 2u);
  EXPECT_TRUE(find(left, "one")->busy);
  EXPECT_FALSE(find(left, "two")->busy);
}

}  // namespace
}  // namespace berth::container
