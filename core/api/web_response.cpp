// SPDX-License-Identifier: Apache-2.0
#include "api/web_response.hpp"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <fmt/format.h>
#include <utility>

#include "api/errors.hpp"
#include "api/web_request.hpp"
#include "base/base64.hpp"
#include "base/json.hpp"
#include "entity/action.hpp"
#include "http/text.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 1024;
constexpr std::string_view kJsonType = "application/json";

constexpr std::array<std::pair<std::string_view, WebExtension>, 5> kExtensions = {{
    {".http", WebExtension::kHttp},
    {".json", WebExtension::kJson},
    {".html", WebExtension::kHtml},
    {".svg", WebExtension::kSvg},
    {".text", WebExtension::kText},
}};

// What is wrong with a result, as the client is told.
using Outcome = Checked<http::Response>;

Failure not_valid(std::string_view type) {
  return {400, fmt::format("Response is not valid '{}'.", type)};
}
Failure not_http() {
  return not_valid("message/http");
}
Failure mismatch() {
  return {400, "Response type in header did not match generated content type."};
}

http::Response with_body(std::string_view type, std::string body) {
  http::Response response;
  response.content_type = type;
  response.body = std::move(body);
  return response;
}

std::optional<int> status_of(const json::value& value) {
  std::int64_t code = 0;
  if (value.is_string()) {
    const std::string_view text(value.get_string());
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), code);
    if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  } else if (value.is_number()) {
    boost::system::error_code error;
    code = value.to_number<std::int64_t>(error);
    if (error) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (code < 200 || code > 599) return std::nullopt;
  return static_cast<int>(code);
}

std::optional<std::string> header_text(const json::value& value) {
  std::string text;
  if (value.is_string()) {
    text = value.get_string();
  } else if (value.is_bool() || value.is_number()) {
    text = json::serialize(value);
  } else {
    return std::nullopt;
  }
  return http::is_field_text(text) ? std::optional(std::move(text)) : std::nullopt;
}

// Fills in the headers but the content type, which is returned; nullopt: they are no headers.
std::optional<std::string> take_headers(const json::value& value, http::Response& response) {
  std::string content_type;
  if (!value.is_object()) return std::nullopt;
  for (const auto& [name, given] : value.get_object()) {
    if (!http::is_token(name)) return std::nullopt;
    const json::array one{given};
    for (const json::value& each : given.is_array() ? given.get_array() : one) {
      std::optional<std::string> text = header_text(each);
      if (!text) return std::nullopt;
      if (http::iequals(name, "content-type")) {
        content_type = std::move(*text);
      } else {
        response.headers.emplace_back(name, std::move(*text));
      }
    }
  }
  return content_type;
}

bool is_media_type(std::string_view content_type) {
  const std::string_view type = http::media_type(content_type);
  const std::size_t slash = type.find('/');
  return slash != std::string_view::npos && http::is_token(type.substr(0, slash)) &&
         http::is_token(type.substr(slash + 1));
}

void set_content_type(http::Response& response, std::string content_type) {
  if (content_type.starts_with("text/") && content_type.find(';') == std::string::npos) {
    content_type += "; charset=UTF-8";
  }
  response.content_type = "";
  response.headers.emplace_back("Content-Type", std::move(content_type));
}

// A string is text, or the base64 of what its type says are bytes.
Outcome text_body(http::Response response, std::string_view text, std::string content_type) {
  if (content_type.empty()) content_type = "text/html; charset=UTF-8";
  if (!is_media_type(content_type)) {
    return Failure{400, "Response did not specify a known content-type."};
  }
  const bool binary = is_binary_type(content_type);
  // Some actions give JSON as base64, for reasons of the past.
  if (binary || (is_json_type(content_type) && entity::looks_binary(text))) {
    Result<std::string> bytes = base64_decode(text);
    if (!bytes && binary) return mismatch();
    response.body = bytes ? std::move(*bytes) : std::string(text);
  } else {
    response.body = text;
  }
  set_content_type(response, std::move(content_type));
  return response;
}

Outcome http_response(const json::value& result) {
  const json::object* object = result.if_object();
  if (object == nullptr) return not_http();
  http::Response response;
  std::string content_type;
  if (const json::value* headers = object->if_contains("headers")) {
    std::optional<std::string> type = take_headers(*headers, response);
    if (!type) return not_http();
    content_type = std::move(*type);
  }
  std::optional<int> status;
  if (const json::value* code = object->if_contains("statusCode")) {
    status = status_of(*code);
    if (!status) return not_http();
  }
  const json::value* body = object->if_contains("body");
  const bool empty =
      body == nullptr || body->is_null() || (body->is_string() && body->get_string().empty());
  response.status = status.value_or(empty ? 204 : 200);
  if (empty) {
    response.content_type = "";
    if (!content_type.empty()) set_content_type(response, std::move(content_type));
    return response;
  }
  if (body->is_string()) {
    return text_body(std::move(response), body->get_string(), std::move(content_type));
  }
  if (!content_type.empty() && !is_json_type(content_type)) return mismatch();
  response.body = json::serialize(*body);
  if (!content_type.empty()) set_content_type(response, std::move(content_type));
  return response;
}

// The result's member `body`, or that of the extension's name; of what is no object: all of it.
const json::value* projected(const json::value& result, std::string_view member) {
  const json::object* object = result.if_object();
  if (object == nullptr) return &result;
  const json::value* found = object->if_contains("body");
  return found != nullptr ? found : object->if_contains(member);
}

Outcome media_response(const json::value& result, std::string_view member, std::string_view type,
                       std::string_view sent_type) {
  const json::value* value = projected(result, member);
  if (value == nullptr) return Failure{404, "Response does not include requested property."};
  if (!value->is_string()) return not_valid(type);
  return with_body(sent_type, std::string(value->get_string()));
}

Outcome text_response(const json::value& result) {
  const json::value* value = projected(result, "text");
  if (value == nullptr) value = &result;
  return with_body("text/plain; charset=UTF-8",
                   value->is_string() ? std::string(value->get_string()) : json::serialize(*value));
}

Outcome response_of(const json::value& result, WebExtension extension) {
  switch (extension) {
    case WebExtension::kHttp: return http_response(result);
    case WebExtension::kJson:
      if (!result.is_object() && !result.is_array()) return not_valid(kJsonType);
      return with_body(kJsonType, json::serialize(result));
    case WebExtension::kHtml:
      return media_response(result, "html", "text/html", "text/html; charset=UTF-8");
    case WebExtension::kSvg: return media_response(result, "svg", "image/svg+xml", "image/svg+xml");
    case WebExtension::kText: return text_response(result);
  }
  return not_http();
}

}  // namespace

WebName split_extension(std::string_view name) {
  for (const auto& [suffix, extension] : kExtensions) {
    if (name.size() > suffix.size() && name.ends_with(suffix)) {
      return {std::string(name.substr(0, name.size() - suffix.size())), extension};
    }
  }
  return {std::string(name), WebExtension::kHttp};
}

http::Response web_response(const entity::Activation& activation, WebExtension extension,
                            std::string_view code) {
  const Failure ours{400, "There was an error processing your request."};
  const bool failed = activation.outcome == entity::Outcome::kApplicationError;
  if (activation.outcome != entity::Outcome::kSuccess && !failed) {
    return error_response(ours.status, ours.message, code);
  }
  // What is an object or an array is sent as it is.
  if (!failed && extension == WebExtension::kJson &&
      (activation.result.starts_with('{') || activation.result.starts_with('['))) {
    return with_body(kJsonType, activation.result);
  }
  Result<json::value> parsed = parse_json(activation.result, kMaxDepth);
  if (!parsed) return error_response(ours.status, ours.message, code);
  json::value result = std::move(*parsed);
  if (failed && result.is_object()) {
    if (json::value* error = result.get_object().if_contains("error")) {
      json::value inner = std::move(*error);
      result = std::move(inner);
    }
  }
  Outcome response = response_of(result, extension);
  if (!response) return error_response(response.error().status, response.error().message, code);
  return std::move(*response);
}

}  // namespace berth::api
