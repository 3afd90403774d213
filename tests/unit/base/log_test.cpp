// SPDX-License-Identifier: Apache-2.0
#include "base/log.hpp"

#include <gtest/gtest.h>

namespace berth::log {
namespace {

TEST(FormatLine, LogfmtQuotesOnlyWhatNeedsIt) {
  const Field fields[] = {{"id", "c1"}, {"error", "no \"room\"\nleft"}, {"empty", ""}};
  EXPECT_EQ(
      format_line(Format::kLogfmt, "T", Level::kWarn, "pool", "start failed", fields),
      R"(time=T level=warn component=pool msg="start failed" id=c1 error="no \"room\"\nleft" empty="")");
}

TEST(FormatLine, JsonIsOneObject) {
  const Field fields[] = {{"id", "c1"}};
  EXPECT_EQ(format_line(Format::kJson, "T", Level::kInfo, "pool", "a\nb", fields),
            R"({"time":"T","level":"info","component":"pool","msg":"a\nb","id":"c1"})");
}

TEST(Level, BelowTheMinimumIsNotEnabled) {
  configure(Level::kWarn, Format::kLogfmt);
  EXPECT_FALSE(enabled(Level::kInfo));
  EXPECT_TRUE(enabled(Level::kError));
  configure(Level::kInfo, Format::kLogfmt);
}

}  // namespace
}  // namespace berth::log
