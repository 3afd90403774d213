// SPDX-License-Identifier: Apache-2.0
#include "container/container_state.hpp"

#include <gtest/gtest.h>
#include <map>
#include <utility>

namespace berth::container {
namespace {

// Every pair that may happen; all others must not.
const std::map<std::pair<State, Event>, State> kAllowed = {
    {{State::kCreating, Event::kCreated}, State::kPrewarmed},
    {{State::kCreating, Event::kAdopted}, State::kReady},
    {{State::kCreating, Event::kAdoptedPaused}, State::kPaused},
    {{State::kCreating, Event::kFailed}, State::kGone},
    {{State::kCreating, Event::kRemove}, State::kRemoving},
    {{State::kCreating, Event::kDied}, State::kRemoving},

    {{State::kPrewarmed, Event::kInit}, State::kInitialising},
    {{State::kPrewarmed, Event::kResize}, State::kResizing},
    {{State::kPrewarmed, Event::kFailed}, State::kRemoving},
    {{State::kPrewarmed, Event::kRemove}, State::kRemoving},
    {{State::kPrewarmed, Event::kDied}, State::kRemoving},

    {{State::kInitialising, Event::kInitialised}, State::kRunning},
    {{State::kInitialising, Event::kIdle}, State::kPrewarmed},
    {{State::kInitialising, Event::kFailed}, State::kRemoving},
    {{State::kInitialising, Event::kRemove}, State::kRemoving},
    {{State::kInitialising, Event::kDied}, State::kRemoving},

    {{State::kReady, Event::kRun}, State::kRunning},
    {{State::kReady, Event::kPause}, State::kPausing},
    {{State::kReady, Event::kFailed}, State::kRemoving},
    {{State::kReady, Event::kRemove}, State::kRemoving},
    {{State::kReady, Event::kDied}, State::kRemoving},

    {{State::kRunning, Event::kRun}, State::kRunning},
    {{State::kRunning, Event::kIdle}, State::kReady},
    {{State::kRunning, Event::kFailed}, State::kRemoving},
    {{State::kRunning, Event::kRemove}, State::kRemoving},
    {{State::kRunning, Event::kDied}, State::kRemoving},

    {{State::kPausing, Event::kPaused}, State::kPaused},
    {{State::kPausing, Event::kPauseRefused}, State::kReady},
    {{State::kPausing, Event::kFailed}, State::kRemoving},
    {{State::kPausing, Event::kRemove}, State::kRemoving},
    {{State::kPausing, Event::kDied}, State::kRemoving},

    {{State::kPaused, Event::kResume}, State::kResuming},
    {{State::kPaused, Event::kFailed}, State::kRemoving},
    {{State::kPaused, Event::kRemove}, State::kRemoving},
    {{State::kPaused, Event::kDied}, State::kRemoving},

    {{State::kResuming, Event::kResumed}, State::kReady},
    {{State::kResuming, Event::kFailed}, State::kRemoving},
    {{State::kResuming, Event::kRemove}, State::kRemoving},
    {{State::kResuming, Event::kDied}, State::kRemoving},

    {{State::kResizing, Event::kResized}, State::kPrewarmed},
    {{State::kResizing, Event::kFailed}, State::kRemoving},
    {{State::kResizing, Event::kRemove}, State::kRemoving},
    {{State::kResizing, Event::kDied}, State::kRemoving},

    {{State::kRemoving, Event::kCreated}, State::kRemoving},
    {{State::kRemoving, Event::kInitialised}, State::kRemoving},
    {{State::kRemoving, Event::kIdle}, State::kRemoving},
    {{State::kRemoving, Event::kPaused}, State::kRemoving},
    {{State::kRemoving, Event::kPauseRefused}, State::kRemoving},
    {{State::kRemoving, Event::kResumed}, State::kRemoving},
    {{State::kRemoving, Event::kResized}, State::kRemoving},
    {{State::kRemoving, Event::kFailed}, State::kRemoving},
    {{State::kRemoving, Event::kRemove}, State::kRemoving},
    {{State::kRemoving, Event::kDied}, State::kRemoving},
    {{State::kRemoving, Event::kDestroyed}, State::kGone},

    {{State::kGone, Event::kInitialised}, State::kGone},
    {{State::kGone, Event::kIdle}, State::kGone},
    {{State::kGone, Event::kPaused}, State::kGone},
    {{State::kGone, Event::kPauseRefused}, State::kGone},
    {{State::kGone, Event::kResumed}, State::kGone},
    {{State::kGone, Event::kResized}, State::kGone},
    {{State::kGone, Event::kFailed}, State::kGone},
    {{State::kGone, Event::kRemove}, State::kGone},
    {{State::kGone, Event::kDied}, State::kGone},
};

class EveryPair : public testing::TestWithParam<std::tuple<int, int>> {};

TEST_P(EveryPair, IsAsTheTableSays) {
  const auto state = static_cast<State>(std::get<0>(GetParam()));
  const auto event = static_cast<Event>(std::get<1>(GetParam()));
  const auto expected = kAllowed.find({state, event});
  const std::optional<State> next = next_state(state, event);
  if (expected == kAllowed.end()) {
    EXPECT_FALSE(next) << to_string(state) << " + " << to_string(event);
  } else {
    ASSERT_TRUE(next) << to_string(state) << " + " << to_string(event);
    EXPECT_EQ(*next, expected->second) << to_string(state) << " + " << to_string(event);
  }
}

INSTANTIATE_TEST_SUITE_P(ContainerState, EveryPair,
                         testing::Combine(testing::Range(0, static_cast<int>(kStates)),
                                          testing::Range(0, static_cast<int>(kEvents))));

TEST(ContainerState, EveryStateCanEnd) {
  for (std::size_t i = 0; i < kStates; ++i) {
    const auto state = static_cast<State>(i);
    if (state == State::kGone) continue;
    ASSERT_TRUE(next_state(state, Event::kDied)) << to_string(state);
    EXPECT_EQ(next_state(state, Event::kDied), State::kRemoving) << to_string(state);
  }
  EXPECT_EQ(next_state(State::kRemoving, Event::kDestroyed), State::kGone);
}

}  // namespace
}  // namespace berth::container
