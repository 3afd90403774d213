// SPDX-License-Identifier: Apache-2.0
#include "activation/outcome.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "activation/json_shape.hpp"
#include "activation/utf8.hpp"
#include "base/json_text.hpp"

namespace berth::activation {
namespace {

using container::Reply;
using entity::Outcome;

constexpr std::string_view kExited =
    "The action did not produce a valid response and exited unexpectedly.";
constexpr std::string_view kNotInitialised =
    "The action did not initialize and exited unexpectedly.";

// `json` is the text of any value.
Response error_of(Outcome outcome, std::string_view json, std::uint64_t size = 0) {
  Response response;
  response.outcome = outcome;
  response.result = R"({"error":)";
  response.result.append(json).append("}");
  response.size = size;
  return response;
}

Response error_text(Outcome outcome, std::string_view text, std::uint64_t size = 0) {
  Response response;
  response.outcome = outcome;
  response.result = R"({"error":)";
  append_json_string(response.result, text);
  response.result.push_back('}');
  response.size = size;
  return response;
}

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// "<text>: <body>", or "<text>." without one.
std::string with_body(std::string_view text, std::string body) {
  std::string whole(text);
  if (body.empty()) return whole + ".";
  return whole + ": " + to_utf8(std::move(body));
}

Response too_long(Outcome outcome, std::uint64_t length, std::uint64_t limit, std::string begin) {
  return error_text(
      outcome,
      fmt::format("The action produced a response that exceeded the allowed length: {} > {} bytes. "
                  "The truncated response was: {}",
                  length, limit, to_utf8(std::move(begin))),
      length);
}

Response too_long(Outcome outcome, Reply& reply, const ReplyContext& context) {
  const std::uint64_t limit = context.max_response_bytes;
  const std::uint64_t length = reply.length > limit ? reply.length : reply.body.size();
  return too_long(outcome, length, limit, std::move(reply.body));
}

std::string timeout_text(std::int64_t timeout_ms, bool init) {
  return fmt::format("The action exceeded its time limits of {} milliseconds{}", timeout_ms,
                     init ? " during initialization." : ".");
}

// A reply that did not come because the container ended.
Response ended(const ReplyContext& context, std::string_view otherwise) {
  if (!context.out_of_memory) return error_text(Outcome::kDeveloperError, otherwise);
  return error_text(
      Outcome::kDeveloperError,
      fmt::format("The action exhausted its memory: limit {} MB.", context.memory_mb));
}

}  // namespace

Response run_response(Reply& reply, const ReplyContext& context) {
  if (reply.timed_out) {
    return error_text(Outcome::kDeveloperError, timeout_text(context.timeout_ms, false));
  }
  if (reply.exchange != http::Exchange::kResponse) {
    return ended(context, kExited);
  }
  if (reply.truncated) return too_long(Outcome::kApplicationError, reply, context);

  const std::uint64_t size = reply.body.size();
  const JsonShape shape = json_shape(reply.body);
  if (reply.status == 200 && (shape == JsonShape::kObject || shape == JsonShape::kArray)) {
    Response response;
    response.size = size;
    const std::string_view text = trimmed(reply.body);
    if (text.size() != reply.body.size()) {
      response.result = std::string(text);
    } else {
      response.result = std::move(reply.body);
    }
    return response;
  }
  if (shape == JsonShape::kObjectWithError) {
    return error_of(reply.status == 200 ? Outcome::kApplicationError : Outcome::kDeveloperError,
                    raw_member(reply.body, "error"), size);
  }
  return error_text(Outcome::kDeveloperError,
                    with_body("The action did not produce a valid JSON or JSON Array response",
                              std::move(reply.body)),
                    size);
}

Response init_response(Reply& reply, const ReplyContext& context) {
  if (reply.timed_out) {
    return error_text(Outcome::kDeveloperError, timeout_text(context.timeout_ms, true));
  }
  if (reply.exchange != http::Exchange::kResponse) {
    return ended(context, kNotInitialised);
  }
  if (reply.truncated) return too_long(Outcome::kDeveloperError, reply, context);
  const std::uint64_t size = reply.body.size();
  if (json_shape(reply.body) == JsonShape::kObjectWithError) {
    return error_of(Outcome::kDeveloperError, raw_member(reply.body, "error"), size);
  }
  return error_text(Outcome::kDeveloperError,
                    with_body("The action failed during initialization", std::move(reply.body)),
                    size);
}

Response start_failed_response(const Status& why, std::string_view image) {
  if (!why.user_error()) return whisk_error("Failed to provision resources to run the action.");
  switch (why.code()) {
    case StatusCode::kFailedPrecondition:
      return error_text(Outcome::kDeveloperError,
                        fmt::format("executable file not found in image {}", image));
    case StatusCode::kAborted:
    case StatusCode::kDeadlineExceeded:
      return error_text(Outcome::kDeveloperError,
                        with_body("The action did not initialize and exited unexpectedly",
                                  std::string(why.message())));
    default:
      return error_text(Outcome::kDeveloperError,
                        with_body(fmt::format("Failed to pull container image '{}'", image),
                                  std::string(why.message())));
  }
}

Response too_long_response(std::string result, std::uint64_t max_bytes) {
  const std::uint64_t length = result.size();
  result.resize(std::min(length, max_bytes));
  return too_long(Outcome::kApplicationError, length, max_bytes, std::move(result));
}

Response application_error(std::string_view text) {
  return error_text(Outcome::kApplicationError, text);
}

Response whisk_error(std::string_view text) {
  return error_text(Outcome::kWhiskError, text);
}

std::string trace_json(const Trace& trace) {
  std::string text;
  text.reserve(160);
  text.append(R"({"transaction":)");
  append_json_string(text, trace.transaction_id);
  if (!trace.container.empty()) {
    text.append(R"(,"container":)");
    append_json_string(text, trace.container);
    text.append(R"(,"start":)");
    append_json_string(text, trace.start);
  }
  text.append(R"(,"queue":)");
  append_number(text, trace.queue_us);
  const auto append_time = [&text](std::string_view key, const std::optional<std::int64_t>& time) {
    if (!time) return;
    text.append(key);
    append_number(text, *time);
  };
  append_time(R"(,"mark":)", trace.mark_us);
  append_time(R"(,"init":)", trace.init_us);
  append_time(R"(,"run":)", trace.run_us);
  if (trace.reschedules > 0) {
    text.append(R"(,"reschedules":)");
    append_number(text, static_cast<std::int64_t>(trace.reschedules));
  }
  text.push_back('}');
  return text;
}

std::string annotations_json(const entity::Action& action, const Timing& timing,
                             bool caused_by_sequence) {
  std::string text;
  text.reserve(384);
  text.append(R"([{"key":"limits","value":{"concurrency":)");
  append_number(text, action.limits.concurrency);
  text.append(R"(,"logs":)");
  append_number(text, action.limits.logs_mb);
  text.append(R"(,"memory":)");
  append_number(text, action.limits.memory_mb);
  text.append(R"(,"timeout":)");
  append_number(text, action.limits.timeout_ms);
  text.append(R"(}},{"key":"path","value":)");
  append_json_string(text, action.path());
  text.append(R"(},{"key":"kind","value":)");
  append_json_string(text, action.exec.kind);
  text.append(R"(},{"key":"timeout","value":)").append(timing.timed_out ? "true" : "false");
  text.append(R"(},{"key":"waitTime","value":)");
  append_number(text, timing.wait_ms);
  if (timing.init_ms) {
    text.append(R"(},{"key":"initTime","value":)");
    append_number(text, *timing.init_ms);
  }
  if (!action.binding.empty()) {
    text.append(R"(},{"key":"binding","value":)");
    append_json_string(text, action.binding);
  }
  if (caused_by_sequence) text.append(R"(},{"key":"causedBy","value":"sequence")");
  if (!timing.trace.empty()) text.append(R"(},{"key":"trace","value":)").append(timing.trace);
  text.append("}]");
  return text;
}

}  // namespace berth::activation
