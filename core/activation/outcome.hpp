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
// Ours: the reason is no fault of the action.
Response whisk_error(std::string_view text);

inline constexpr std::string_view kInterrupted =
    "The activation was interrupted because Berth is shutting down.";

// By an end of Berth that nobody asked for; told by the next start.
inline constexpr std::string_view kInterruptedByCrash =
    "The activation was interrupted because Berth stopped while it was running.";
inline constexpr std::string_view kActionGone =
    "Action could not be found or may have been deleted.";

// What the annotations say besides the action.
struct Timing {
  std::int64_t wait_ms = 0;
  std::optional<std::int64_t> init_ms;  // if /init ran
  bool timed_out = false;
};

// The record's annotations as JSON text: limits, path, kind, timeout, waitTime, initTime, causedBy.
std::string annotations_json(const entity::Action& action, const Timing& timing,
                             bool caused_by_sequence);

}  // namespace berth::activation
