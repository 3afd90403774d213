// SPDX-License-Identifier: Apache-2.0
#include "support/outstanding.hpp"

#include <future>
#include <gtest/gtest.h>
#include <optional>

namespace berth::support {
namespace {

using namespace std::chrono_literals;

TEST(OutstandingTest, ItsEndWaitsForTheLastCall) {
  std::optional<Outstanding> calls(std::in_place);
  std::shared_ptr<void> first = calls->hold(), second = calls->hold();
  std::shared_ptr<void> copy = first;
  first.reset();
  second.reset();
  auto ended = std::async(std::launch::async, [&] { calls.reset(); });
  EXPECT_EQ(ended.wait_for(50ms), std::future_status::timeout) << "a copy lives";
  copy.reset();
  EXPECT_EQ(ended.wait_for(60s), std::future_status::ready);
}

TEST(OutstandingTest, NothingIsWaitedForWhenNothingIsOutstanding) {
  Outstanding calls;
  calls.hold();
}

}  // namespace
}  // namespace berth::support
