// SPDX-License-Identifier: Apache-2.0
#include "api/errors.hpp"

#include <fmt/format.h>

#include "api/api.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"

namespace berth::api {

Failure malformed_body(std::string_view reason) {
  return {400, fmt::format("The request content was malformed:\n{}", reason)};
}

Failure too_large(std::string_view field, std::uint64_t is, std::uint64_t allowed) {
  return {413, fmt::format("{} larger than allowed: {} > {} bytes.", field, is, allowed)};
}

Failure deprecated_kind(std::string_view kind) {
  return {400, entity::deprecated_text(kind)};
}

Failure forbidden_kind(std::string_view kind) {
  return {403, fmt::format("The supplied authentication is not authorized to access actions of "
                           "kind '{}'.",
                           kind)};
}

Failure to_failure(const Status& status) {
  switch (status.code()) {
    case StatusCode::kNotFound: return {404, std::string(text::kNotFound)};
    case StatusCode::kAlreadyExists: return {409, std::string(text::kExists)};
    case StatusCode::kAborted: return {409, std::string(text::kConflict)};
    case StatusCode::kDataLoss: return {500, std::string(text::kCorrupted)};
    case StatusCode::kInvalidArgument:
    case StatusCode::kOutOfRange:
    case StatusCode::kFailedPrecondition: return {400, status.message()};
    case StatusCode::kUnimplemented: return {501, status.message()};
    // Overload and shutdown: trying again helps, changing the request does not.
    case StatusCode::kResourceExhausted:
    case StatusCode::kUnavailable:
    case StatusCode::kCancelled:
    case StatusCode::kDeadlineExceeded: return {503, status.message()};
    default: return {500, status.message()};
  }
}

Failure forbidden(std::string_view path) {
  return {403, fmt::format("The supplied authentication is not authorized to access '{}'.", path)};
}

Failure entity_failure(const Status& status, std::string_view path) {
  switch (status.code()) {
    case StatusCode::kPermissionDenied: return forbidden(path);
    case StatusCode::kFailedPrecondition: return {409, std::string(text::kOtherCollection)};
    default: return to_failure(status);
  }
}

http::Response error_response(int status, std::string_view message, std::string_view code) {
  http::Response response;
  response.status = status;
  response.body = "{\"error\":";
  response.body += json_quote(message);
  response.body += ",\"code\":";
  response.body += json_quote(code);
  response.body += '}';
  return response;
}

http::Response server_error(int status, std::string_view reason) {
  const std::string transaction_id = new_transaction_id();
  http::Response response = error_response(status, reason, transaction_id);
  response.headers.emplace_back("X-Request-ID", transaction_id);
  return response;
}

}  // namespace berth::api
