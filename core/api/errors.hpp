// SPDX-License-Identifier: Apache-2.0
// Error answers: OpenWhisk's words and the shape {"error","code"}. Stateless.
#pragma once

#include <boost/system/result.hpp>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"
#include "http/message.hpp"

namespace berth::api {

namespace text {
inline constexpr std::string_view kNotFound = "The requested resource does not exist.";
inline constexpr std::string_view kNoAuthentication =
    "The resource requires authentication, which was not supplied with the request";
inline constexpr std::string_view kBadAuthentication = "The supplied authentication is invalid";
inline constexpr std::string_view kForbidden =
    "The supplied authentication is not authorized to access this resource.";
inline constexpr std::string_view kConflict = "Concurrent modification to resource detected.";
inline constexpr std::string_view kExists = "resource already exists";
inline constexpr std::string_view kOtherCollection =
    "Resource by this name exists but is not in this collection.";
inline constexpr std::string_view kOnBinding = "Operation not permitted on package binding.";
inline constexpr std::string_view kCorrupted = "Resource is corrupted and cannot be read.";
inline constexpr std::string_view kBadEntityName =
    "The name of the entity contains illegal characters.";
inline constexpr std::string_view kBadNamespace = "The namespace contains illegal characters.";
inline constexpr std::string_view kReservedParameters =
    "Request defines parameters that are not allowed (e.g., reserved properties).";
inline constexpr std::string_view kLongSequence = "Too many actions in the sequence.";
inline constexpr std::string_view kEmptySequence = "No component specified for the sequence.";
inline constexpr std::string_view kOwnComponent = "Sequence may not refer to itself.";
inline constexpr std::string_view kNoComponent = "Sequence component does not exist.";
inline constexpr std::string_view kContentType =
    "The request's Content-Type is not supported. Expected:\napplication/json";
}  // namespace text

// An error with the HTTP status it is answered with.
struct Failure {
  Failure() = default;
  Failure(int http_status, std::string text) : status(http_status), message(std::move(text)) {}

  int status = 500;
  std::string message;
  std::chrono::seconds retry_after{};  // of a 429 or 503; 0: nobody knows
};

// Found by argument-dependent lookup from boost::system::result::value().
[[noreturn]] inline void throw_exception_from_error(const Failure& failure,
                                                    const boost::source_location&) {
  throw std::logic_error("value() of a failed check: " + failure.message);
}

// A value, or the error that the request is answered with.
template <typename T>
using Checked = boost::system::result<T, Failure>;

// "The request content was malformed:\n<reason>".
Failure malformed_body(std::string_view reason);
// "<field> larger than allowed: <is> > <allowed> bytes.", 413.
Failure too_large(std::string_view field, std::uint64_t is, std::uint64_t allowed);

// Of an action whose runtime the manifest calls deprecated.
Failure deprecated_kind(std::string_view kind);

// Of an action of a kind that the namespace may not use.
Failure forbidden_kind(std::string_view kind);

// The answer to a store's, an invoker's or a log store's refusal.
Failure to_failure(const Status& status);

// The same for one of an EntityStore or a Resolver: `path` is what the caller asked for.
Failure entity_failure(const Status& status, std::string_view path);
// 403 "The supplied authentication is not authorized to access '<path>'.".
Failure forbidden(std::string_view path);

// {"error": message, "code": code}.
http::Response error_response(int status, std::string_view message, std::string_view code);

}  // namespace berth::api
