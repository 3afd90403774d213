// SPDX-License-Identifier: Apache-2.0
// How a call ended: one `Status` for plugins and for the core.
//
// A Status is a value: a canonical code (numbered as in gRPC), flags and a message for people. The
// message names what went wrong, where, and the mend. Thread-compatible: const access from several
// threads is fine.
//
// Which code:
//  - kInvalidArgument: the caller must change the request; kFailedPrecondition: the state must
//  change.
//  - kUnavailable (with kRetryable): retrying just this call may help. kAborted: retry a larger
//  unit.
//  - kResourceExhausted: a limit or a lack of room; kRetryable if room may come.
//  - kInternal: a bug, ours or the plugin's.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include "berth/plugin/abi.h"

namespace berth::sdk {

enum class StatusCode : std::int32_t {
  kOk = BERTH_OK,
  kCancelled = BERTH_CANCELLED,
  kUnknown = BERTH_UNKNOWN,
  kInvalidArgument = BERTH_INVALID_ARGUMENT,
  kDeadlineExceeded = BERTH_DEADLINE_EXCEEDED,
  kNotFound = BERTH_NOT_FOUND,
  kAlreadyExists = BERTH_ALREADY_EXISTS,
  kPermissionDenied = BERTH_PERMISSION_DENIED,
  kResourceExhausted = BERTH_RESOURCE_EXHAUSTED,
  kFailedPrecondition = BERTH_FAILED_PRECONDITION,
  kAborted = BERTH_ABORTED,
  kOutOfRange = BERTH_OUT_OF_RANGE,
  kUnimplemented = BERTH_UNIMPLEMENTED,
  kInternal = BERTH_INTERNAL,
  kUnavailable = BERTH_UNAVAILABLE,
  kDataLoss = BERTH_DATA_LOSS,
  kUnauthenticated = BERTH_UNAUTHENTICATED,
};

// The canonical name, e.g. "NOT_FOUND". A code this version does not know is "UNKNOWN".
constexpr std::string_view to_string(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "OK";
    case StatusCode::kCancelled: return "CANCELLED";
    case StatusCode::kUnknown: return "UNKNOWN";
    case StatusCode::kInvalidArgument: return "INVALID_ARGUMENT";
    case StatusCode::kDeadlineExceeded: return "DEADLINE_EXCEEDED";
    case StatusCode::kNotFound: return "NOT_FOUND";
    case StatusCode::kAlreadyExists: return "ALREADY_EXISTS";
    case StatusCode::kPermissionDenied: return "PERMISSION_DENIED";
    case StatusCode::kResourceExhausted: return "RESOURCE_EXHAUSTED";
    case StatusCode::kFailedPrecondition: return "FAILED_PRECONDITION";
    case StatusCode::kAborted: return "ABORTED";
    case StatusCode::kOutOfRange: return "OUT_OF_RANGE";
    case StatusCode::kUnimplemented: return "UNIMPLEMENTED";
    case StatusCode::kInternal: return "INTERNAL";
    case StatusCode::kUnavailable: return "UNAVAILABLE";
    case StatusCode::kDataLoss: return "DATA_LOSS";
    case StatusCode::kUnauthenticated: return "UNAUTHENTICATED";
  }
  return "UNKNOWN";
}

// Flags of a Status, to be or-ed.
inline constexpr std::uint32_t kRetryable = BERTH_STATUS_RETRYABLE;
inline constexpr std::uint32_t kPartial = BERTH_STATUS_PARTIAL;
inline constexpr std::uint32_t kUserError = BERTH_STATUS_USER_ERROR;

class [[nodiscard]] Status {
 public:
  // OK.
  Status() = default;
  Status(StatusCode code, std::string message, std::uint32_t flags = 0)
      : code_(code), flags_(flags), message_(std::move(message)) {}

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  std::uint32_t flags() const { return flags_; }
  bool retryable() const { return (flags_ & kRetryable) != 0; }
  bool partial() const { return (flags_ & kPartial) != 0; }
  bool user_error() const { return (flags_ & kUserError) != 0; }
  const std::string& message() const { return message_; }

  // "NOT_FOUND: no such container", or "OK".
  std::string to_string() const {
    std::string text(sdk::to_string(code_));
    if (!message_.empty()) text.append(": ").append(message_);
    return text;
  }

  // The same status with `where` put before its message, for one more level of context.
  Status with_context(std::string_view where) const {
    return Status(code_, std::string(where) + ": " + message_, flags_);
  }
  Status with_flags(std::uint32_t flags) const { return Status(code_, message_, flags_ | flags); }

  friend bool operator==(const Status& a, const Status& b) {
    return a.code_ == b.code_ && a.flags_ == b.flags_ && a.message_ == b.message_;
  }

 private:
  StatusCode code_ = StatusCode::kOk;
  std::uint32_t flags_ = 0;
  std::string message_;
};

inline Status cancelled(std::string m) {
  return {StatusCode::kCancelled, std::move(m)};
}
inline Status invalid_argument(std::string m) {
  return {StatusCode::kInvalidArgument, std::move(m)};
}
inline Status deadline_exceeded(std::string m) {
  return {StatusCode::kDeadlineExceeded, std::move(m)};
}
inline Status not_found(std::string m) {
  return {StatusCode::kNotFound, std::move(m)};
}
inline Status already_exists(std::string m) {
  return {StatusCode::kAlreadyExists, std::move(m)};
}
inline Status permission_denied(std::string m) {
  return {StatusCode::kPermissionDenied, std::move(m)};
}
inline Status resource_exhausted(std::string m) {
  return {StatusCode::kResourceExhausted, std::move(m), kRetryable};
}
inline Status failed_precondition(std::string m) {
  return {StatusCode::kFailedPrecondition, std::move(m)};
}
inline Status aborted(std::string m) {
  return {StatusCode::kAborted, std::move(m)};
}
inline Status out_of_range(std::string m) {
  return {StatusCode::kOutOfRange, std::move(m)};
}
inline Status unimplemented(std::string m) {
  return {StatusCode::kUnimplemented, std::move(m)};
}
inline Status internal(std::string m) {
  return {StatusCode::kInternal, std::move(m)};
}
inline Status unavailable(std::string m) {
  return {StatusCode::kUnavailable, std::move(m), kRetryable};
}
inline Status data_loss(std::string m) {
  return {StatusCode::kDataLoss, std::move(m)};
}

}  // namespace berth::sdk
