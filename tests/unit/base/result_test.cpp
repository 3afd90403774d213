// SPDX-License-Identifier: Apache-2.0
#include "base/result.hpp"

#include <gtest/gtest.h>
#include <memory>

namespace berth {
namespace {

Result<std::unique_ptr<int>> make(bool good) {
  if (!good) return sdk::unavailable("engine is down");
  return std::make_unique<int>(1);
}

TEST(Result, HoldsAValueOrAStatus) {
  EXPECT_EQ(**make(true), 1);
  const auto failed = make(false);
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code(), StatusCode::kUnavailable);
  EXPECT_TRUE(failed.error().retryable());
  EXPECT_EQ(failed.error().to_string(), "UNAVAILABLE: engine is down");
  EXPECT_EQ(failed.error().with_context("create").message(), "create: engine is down");
}

TEST(Result, ReadingAFailedOneThrows) {
  EXPECT_THROW((void)make(false).value(), std::logic_error);
}

}  // namespace
}  // namespace berth
