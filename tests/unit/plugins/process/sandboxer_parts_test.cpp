// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <set>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "sandboxer/id_ranges.hpp"
#include "sandboxer/loop.hpp"
#include "sandboxer/seccomp_filter.hpp"
#include "sandboxer/sys.hpp"

namespace berth::process {
namespace {

TEST(IdRanges, AreDisjointAndReusedLast) {
  IdRanges ids;
  ids.reset(100'000, 10'000, 2'000, 3);
  std::set<uint32_t> taken;
  uint32_t first = 0;
  for (int i = 0; i < 5; ++i) {
    const auto id = ids.take();
    ASSERT_TRUE(id.has_value());
    if (i == 0) first = *id;
    EXPECT_EQ((*id - 100'000) % 2'000, 0u);
    EXPECT_LT(*id, 110'000u);
    taken.insert(*id);
  }
  EXPECT_EQ(taken.size(), 5u);
  EXPECT_EQ(first, 106'000u) << "begins where the seed says";
  EXPECT_FALSE(ids.take().has_value());
  ids.give_back(104'000);
  ids.give_back(102'000);
  ids.give_back(99'999);  // not ours
  EXPECT_EQ(ids.take(), 104'000u);
  EXPECT_EQ(ids.take(), 102'000u);
  EXPECT_FALSE(ids.take().has_value());
}

TEST(IdRanges, MayNotOverlapOtherUsersRanges) {
  const auto check = [](uint32_t start, uint32_t count, uint32_t size, const char* text) {
    return check_id_range(start, count, size, text, "/etc/subuid");
  };
  EXPECT_TRUE(check(1'000'000, 65536, 2048, "").ok());
  EXPECT_TRUE(check(1'000'000, 65536, 2048, "alice:100000:65536\n#rubbish\n::\n").ok());
  const auto status = check(100'000, 65536, 2048, "bob:1:2\nalice:165535:65536\n");
  EXPECT_EQ(status.code(), sdk::StatusCode::kFailedPrecondition);
  EXPECT_NE(status.message().find("alice"), std::string::npos) << status.message();
  EXPECT_NE(status.message().find("subordinate_start"), std::string::npos);
  EXPECT_TRUE(check(100'000, 65536, 2048, "berth:100000:65536\n").ok()) << "it is for us";
  EXPECT_FALSE(check(0, 65536, 2048, "").ok()) << "host root";
  EXPECT_FALSE(check(1000, 65536, 2048, "").ok()) << "ordinary users";
  EXPECT_FALSE(check(4'294'900'000, 200'000, 2048, "").ok()) << "wraps around";
  EXPECT_FALSE(check(1'000'000, 65536, 1000, "").ok()) << "the inner id must fit";
}

TEST(Seccomp, CompilesToOneProgramTheKernelTakes) {
  std::vector<sock_filter> program;
  ASSERT_TRUE(compile_seccomp_filter(program).ok());
  EXPECT_GT(program.size(), 50u);
  EXPECT_LT(program.size(), 4096u) << "the kernel's limit";
}

TEST(Loop, RunsTimersInOrderAndIdleWorkLast) {
  Loop loop;
  std::string order;
  loop.when_idle([&] { order += "i"; });
  const uint64_t now = sys::monotonic_ns();
  loop.at(now + 20'000'000, [&] {
    order += "c";
    loop.stop();
  });
  loop.at(now + 10'000'000, [&] { order += "b"; });
  const auto cancelled = loop.at(now + 1, [&] { order += "X"; });
  loop.cancel(cancelled);
  const UniqueFd event(::eventfd(1, EFD_CLOEXEC));
  loop.watch(event.get(), EPOLLIN, [&](uint32_t) {
    order += "a";
    loop.unwatch(event.get());
  });
  loop.run();
  EXPECT_EQ(order, "aibc");
}

TEST(Loop, AnUnwatchedDescriptorIsNotCalledInTheSameTurn) {
  Loop loop;
  const UniqueFd one(::eventfd(1, EFD_CLOEXEC)), two(::eventfd(1, EFD_CLOEXEC));
  int calls = 0;
  const auto callback = [&](uint32_t) {
    ++calls;
    loop.unwatch(one.get());
    loop.unwatch(two.get());
    loop.after_ms(1, [&] { loop.stop(); });
  };
  loop.watch(one.get(), EPOLLIN, callback);
  loop.watch(two.get(), EPOLLIN, callback);
  loop.run();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace berth::process
