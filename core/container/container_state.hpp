// SPDX-License-Identifier: Apache-2.0
// The life of one container as one table: which state follows which event.
//
// The pool asks the table before it does anything to a container, so that a late or doubled event
// (a destroy that races with a death, a pause that ends after the container was removed) cannot
// bring one into a state nobody thought of. Pure functions; thread-safe.
//
//   creating -> prewarmed -> initialising -> running <-> ready -> pausing -> paused -> resuming ->
//   ready and from every one of them -> removing -> gone; prewarmed -> resizing -> prewarmed
//
// One that an earlier berthd left goes from creating to what it was found as.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace berth::container {

enum class State : std::uint8_t {
  kCreating,      // waits for memory or for the factory
  kPrewarmed,     // started, holds no action's code
  kInitialising,  // an activation has it to send /init
  kReady,         // holds an action's code and runs nothing
  kRunning,       // runs at least one activation
  kPausing,
  kPaused,
  kResuming,
  kResizing,  // a prewarmed one that the factory gives more memory
  kRemoving,  // out of service: ends when what runs in it ended and the factory destroyed it
  kGone,      // final
};
inline constexpr std::size_t kStates = 11;

enum class Event : std::uint8_t {
  kCreated,        // the factory made it, or it was found prewarmed
  kAdopted,        // it was found with an action's code, and nobody uses it
  kAdoptedPaused,  // and it is paused
  kInit,           // an activation takes it and sends /init
  kInitialised,    // /init was answered well
  kRun,            // an activation takes it, to run
  kIdle,           // its last activation ended; of one initialising: nothing was sent
  kPause,          // the pool asks the factory to pause it
  kPaused,         // and that is done
  kPauseRefused,   // the factory cannot pause; the container is as before
  kResume,         // the pool asks the factory to resume it
  kResumed,        // and that is done
  kResize,         // the pool asks the factory to give it more memory
  kResized,        // and that is done
  kFailed,         // the transition or activation under way failed
  kRemove,         // the pool wants it gone: evicted, idle for too long, unfit
  kDied,           // it ended by itself
  kDestroyed,      // the factory destroyed it, or never made it
};
inline constexpr std::size_t kEvents = 18;

// The state after `event`, or nullopt if the event must not happen in `state` (a bug of the pool).
std::optional<State> next_state(State state, Event event);

std::string_view to_string(State state);
std::string_view to_string(Event event);

}  // namespace berth::container
