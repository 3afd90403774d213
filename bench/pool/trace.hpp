// SPDX-License-Identifier: Apache-2.0
// Actions, users and a runtimes manifest for the pool's benchmark, and traces of invocations.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "entity/action.hpp"
#include "entity/identity.hpp"
#include "entity/runtimes.hpp"

namespace berth::bench {

inline constexpr std::uint64_t kActionBytes = 256ull << 20;

entity::RuntimesManifest make_manifest(const std::string& stem_cells = "[]");
entity::ActionPtr make_action(const std::string& name);
entity::Identity make_user(const std::string& name);

struct Invocation {
  std::chrono::microseconds at{0};
  std::uint32_t action = 0;
  std::chrono::milliseconds length{0};
};

// `count` invocations at `per_second` on average, Poisson, of actions whose popularity follows Zipf
// (exponent 1); lengths 5 to 100 ms; every ten seconds a burst of a hundred of one action at once.
// The same each time.
std::vector<Invocation> make_trace(std::uint32_t actions, std::size_t count, double per_second);

// What comes by the clock: for `hours` hours, every quarter of an hour the same sixteen actions at
// once, those of another quarter being others; and between them single invocations of 64 actions at
// random.
std::vector<Invocation> make_timetable(int hours);
inline constexpr std::uint32_t kTimetableActions = 128;

}  // namespace berth::bench
