// SPDX-License-Identifier: Apache-2.0
#include "base/metrics.hpp"

#include <gmock/gmock.h>
#include <stdexcept>

namespace berth {
namespace {

using testing::HasSubstr;

TEST(Metrics, AppearInTheText) {
  Metrics metrics;
  metrics.counter("berth_a_total", "A.", {{"kind", "x"}}).add(2);
  metrics.gauge("berth_b", "B.").set(7);
  metrics.histogram("berth_c_seconds", "C.").observe(0.003);
  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("berth_a_total{kind=\"x\"} 2"));
  EXPECT_THAT(text, HasSubstr("berth_b 7"));
  EXPECT_THAT(text, HasSubstr("berth_c_seconds_count 1"));
  EXPECT_THAT(text, HasSubstr("berth_c_seconds_bucket{le=\"0.005\"} 1"));
}

TEST(Metrics, TheSameSeriesIsTheSameObject) {
  Metrics metrics;
  EXPECT_EQ(&metrics.counter("berth_a_total", "A.", {{"k", "1"}}),
            &metrics.counter("berth_a_total", "A.", {{"k", "1"}}));
  EXPECT_NE(&metrics.counter("berth_a_total", "A.", {{"k", "1"}}),
            &metrics.counter("berth_a_total", "A.", {{"k", "2"}}));
}

TEST(Metrics, ANameHasOneKind) {
  Metrics metrics;
  metrics.counter("berth_a", "A.");
  EXPECT_THROW(metrics.gauge("berth_a", "A."), std::invalid_argument);
  EXPECT_THROW(metrics.gauge("not a name", "A."), std::invalid_argument);
}

}  // namespace
}  // namespace berth
