// SPDX-License-Identifier: Apache-2.0
#include "container/container_state.hpp"

#include <array>

namespace berth::container {
namespace {

// One row a state, one column an event; kNo: must not happen.
constexpr std::uint8_t kNo = 0xff;
using Row = std::array<std::uint8_t, kEvents>;

constexpr std::uint8_t to(State state) {
  return static_cast<std::uint8_t>(state);
}
constexpr std::uint8_t kPrew = to(State::kPrewarmed), kInit = to(State::kInitialising),
                       kReady = to(State::kReady), kRun = to(State::kRunning),
                       kPing = to(State::kPausing), kPsed = to(State::kPaused),
                       kResu = to(State::kResuming), kRsiz = to(State::kResizing),
                       kRemo = to(State::kRemoving), kGone = to(State::kGone);

// clang-format off
constexpr std::array<Row, kStates> kTable{{
    //                        created  adopted  ad.paus  init     init'd   run      idle     pause    paused   refused  resume   resumed  resize   resized  failed   remove   died     destroyed
    /* creating     */ Row{   kPrew,   kReady,  kPsed,   kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kGone,   kRemo,   kRemo,   kNo},
    /* prewarmed    */ Row{   kNo,     kNo,     kNo,     kInit,   kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kRsiz,   kNo,     kRemo,   kRemo,   kRemo,   kNo},
    /* initialising */ Row{   kNo,     kNo,     kNo,     kNo,     kRun,    kNo,     kPrew,   kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kRemo,   kRemo,   kRemo,   kNo},
    /* ready        */ Row{   kNo,     kNo,     kNo,     kNo,     kNo,     kRun,    kNo,     kPing,   kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kRemo,   kRemo,   kRemo,   kNo},
    /* running      */ Row{   kNo,     kNo,     kNo,     kNo,     kNo,     kRun,    kReady,  kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kRemo,   kRemo,   kRemo,   kNo},
    /* pausing      */ Row{   kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kPsed,   kReady,  kNo,     kNo,     kNo,     kNo,     kRemo,   kRemo,   kRemo,   kNo},
    /* paused       */ Row{   kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kResu,   kNo,     kNo,     kNo,     kRemo,   kRemo,   kRemo,   kNo},
    /* resuming     */ Row{   kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kReady,  kNo,     kNo,     kRemo,   kRemo,   kRemo,   kNo},
    /* resizing     */ Row{   kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kNo,     kPrew,   kRemo,   kRemo,   kRemo,   kNo},
    // What was under way when the removal began still answers, and changes nothing.
    /* removing     */ Row{   kRemo,   kNo,     kNo,     kNo,     kRemo,   kNo,     kRemo,   kNo,     kRemo,   kRemo,   kNo,     kRemo,   kNo,     kRemo,   kRemo,   kRemo,   kRemo,   kGone},
    /* gone         */ Row{   kNo,     kNo,     kNo,     kNo,     kGone,   kNo,     kGone,   kNo,     kGone,   kGone,   kNo,     kGone,   kNo,     kGone,   kGone,   kGone,   kGone,   kNo},
}};
// clang-format on

constexpr std::array<std::string_view, kStates> kStateNames{
    "creating", "prewarmed", "initialising", "ready",    "running", "pausing",
    "paused",   "resuming",  "resizing",     "removing", "gone"};
constexpr std::array<std::string_view, kEvents> kEventNames{
    "created", "adopted", "adopted paused", "init",          "initialised", "run",
    "idle",    "pause",   "paused",         "pause refused", "resume",      "resumed",
    "resize",  "resized", "failed",         "remove",        "died",        "destroyed"};

}  // namespace

std::optional<State> next_state(State state, Event event) {
  const std::uint8_t next = kTable[to(state)][static_cast<std::size_t>(event)];
  if (next == kNo) return std::nullopt;
  return static_cast<State>(next);
}

std::string_view to_string(State state) {
  return kStateNames[to(state)];
}
std::string_view to_string(Event event) {
  return kEventNames[static_cast<std::size_t>(event)];
}

}  // namespace berth::container
