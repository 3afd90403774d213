// SPDX-License-Identifier: Apache-2.0
// What an activation came to: pure functions from what the container did to the response and to the
// record's annotations, with OpenWhisk's texts. Thread-safe.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.hpp"
#include "container/action_client.hpp"
#include "entity/activation.hpp"

namespace berth::activation {

struct Response {
  entity::Outcome outcome = entity::Outcome::kSuccess;
  std::string result = "{}";  // JSON text, valid: the action's, or {"error": ...}
  std::uint64_t size = 0;     // bytes of the raw response
};

// What else is known when a reply is judged.
struct ReplyContext {
  std::int64_t timeout_ms = 0;
  std::uint64_t max_response_bytes = 0;
  bool out_of_memory = false;  // the container was killed for it
  std::int64_t memory_mb = 0;  // its limit
};

// The reply to /run. Takes the body.
Response run_response(container::Reply& reply, const ReplyContext& context);
// A reply to /init that is not a success.
Response init_response(container::Reply& reply, const ReplyContext& context);
// No container could be made. `exec_image` is the image as the author gave it.
Response start_failed_response(const Status& why, std::string_view image);
// In place of a result of more than `max_bytes`.
Response too_long_response(std::string result, std::uint64_t max_bytes);
// The reason is the action's own, told by us.
Response application_error(std::string_view text);
// Ours: the reason is no fault of the action.
Response whisk_error(std::string_view text);

inline constexpr std::string_view kInterrupted =
    "The activation was interrupted because Berth is shutting down.";

// By an end of Berth that nobody asked for; told by the next start.
inline constexpr std::string_view kInterruptedByCrash =
    "The activation was interrupted because Berth stopped while it was running.";
inline constexpr std::string_view kActionGone =
    "Action could not be found or may have been deleted.";
inline constexpr std::string_view kArgumentsUnreadable =
    "The activation's arguments cannot be decrypted any more.";
inline constexpr std::string_view kActionUnreadable =
    "The action is damaged in the store and could not be run.";

// What the annotations say besides the action.
struct Timing {
  std::int64_t wait_ms = 0;
  std::optional<std::int64_t> init_ms;  // if /init ran
  bool timed_out = false;
  std::string trace;  // JSON text of trace_json(); empty: none
};

// Where an activation's time went, for who wants to see more than waitTime and initTime. Times in
// microseconds.
struct Trace {
  std::string_view transaction_id;
  std::string_view container;           // its name; empty: none was there
  std::string_view start;               // "cold", "prewarmed" or "warm"
  std::int64_t queue_us = 0;            // from the Invoker's acceptance to the container
  std::optional<std::int64_t> mark_us;  // until the row of a durable one was marked
  std::optional<std::int64_t> init_us;
  std::optional<std::int64_t> run_us;
  std::uint32_t reschedules = 0;  // containers that were gone when it came
};
std::string trace_json(const Trace& trace);

// The record's annotations as JSON text: limits, path, kind, timeout, waitTime, initTime, causedBy,
// trace.
std::string annotations_json(const entity::Action& action, const Timing& timing,
                             bool caused_by_sequence);

}  // namespace berth::activation
