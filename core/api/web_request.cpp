// SPDX-License-Identifier: Apache-2.0
#include "api/web_request.hpp"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "activation/utf8.hpp"
#include "base/base64.hpp"
#include "base/json.hpp"
#include "entity/arguments.hpp"
#include "http/text.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 256;
constexpr std::string_view kReservedPrefix = "__ow_";
// More are looked up in a table.
constexpr std::size_t kMaxPlainHeaders = 32;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), http::to_lower);
  return out;
}

// "type/subtype" in lower case, without parameters.
std::string media_type(std::string_view content_type) {
  return lower(http::media_type(content_type));
}

json::string text_value(std::string_view bytes) {
  return json::string(activation::to_utf8(std::string(bytes)));
}

json::object headers_of(const http::Request& request) {
  json::object headers;
  for (const http::HeaderView& field : request.headers) {
    json::value& value = headers[lower(field.name)];
    if (value.is_string()) {
      value.get_string().append(", ");
      value.get_string().append(text_value(field.value));
    } else {
      value = text_value(field.value);
    }
  }
  return headers;
}

// What cannot be read as fields: text as it is, anything else as base64.
json::string opaque_body(std::string_view body, std::string_view content_type, bool binary) {
  if (body.empty()) return {};
  if (binary || is_binary_type(content_type)) return json::string(base64_encode(body));
  return text_value(body);
}

// A request's body: fields, or one value that is none.
struct Body {
  json::object fields;
  std::optional<json::value> whole;
};

bool has_reserved(const json::object& fields) {
  return std::any_of(fields.begin(), fields.end(), [](const auto& field) {
    return std::string_view(field.key()).starts_with(kReservedPrefix);
  });
}

Checked<json::object> pairs_of(std::string_view text, std::string_view what) {
  const auto pairs = http::parse_query(text);
  if (!pairs) return malformed_body("the " + std::string(what) + " has a broken %-escape");
  json::object fields;
  for (const auto& [name, value] : *pairs) {
    if (!name.empty()) fields[text_value(name)] = text_value(value);
  }
  return fields;
}

Checked<Body> body_of(const http::Request& request, std::string_view content_type) {
  Body body;
  if (request.body.empty()) return body;
  if (is_json_type(content_type)) {
    Result<json::value> value = parse_json(request.body, kMaxDepth);
    if (!value) return malformed_body(value.error().message());
    if (value->is_object()) {
      body.fields = std::move(value->get_object());
    } else {
      body.whole = std::move(*value);
    }
  } else if (media_type(content_type) == "application/x-www-form-urlencoded") {
    Checked<json::object> fields = pairs_of(request.body, "form");
    if (!fields) return fields.error();
    body.fields = std::move(*fields);
  } else {
    body.whole = opaque_body(request.body, content_type, false);
  }
  return body;
}

// As json_quote(), of what a client sent.
void append_quoted(std::string& out, std::string_view bytes) {
  const bool plain = std::all_of(bytes.begin(), bytes.end(), [](char c) {
    return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
  });
  if (plain) {
    out.append("\"").append(bytes).append("\"");
  } else {
    out += json_quote(activation::to_utf8(std::string(bytes)));
  }
}

// {"name":"value",...} of headers of which none comes twice.
bool append_headers(std::string& out, const http::Request& request) {
  if (request.headers.size() > kMaxPlainHeaders) return false;
  out += '{';
  for (std::size_t i = 0; i < request.headers.size(); ++i) {
    const http::HeaderView& field = request.headers[i];
    for (std::size_t before = 0; before < i; ++before) {
      if (http::iequals(request.headers[before].name, field.name)) return false;
    }
    if (i > 0) out += ',';
    // A header's name is a token: nothing in it is to be escaped.
    out += '"';
    for (const char c : field.name) out += http::to_lower(c);
    out += "\":";
    append_quoted(out, field.value);
  }
  out += '}';
  return true;
}

}  // namespace

std::optional<std::string> plain_web_arguments(const http::Request& request,
                                               const WebCaller& caller) {
  if (!request.query.empty() || (caller.fields != nullptr && !caller.fields->empty())) {
    return std::nullopt;
  }
  if (!request.body.empty() && !is_json_type(request.header("Content-Type").value_or(""))) {
    return std::nullopt;
  }
  std::string front;
  front.reserve(512);
  front += "\"__ow_method\":\"";
  for (const char c : request.method) front += http::to_lower(c);
  front += "\",\"__ow_headers\":";
  if (!append_headers(front, request)) return std::nullopt;
  front += ",\"__ow_path\":";
  append_quoted(front, caller.rest);
  if (caller.namespace_name) {
    front += ",\"__ow_user\":";
    append_quoted(front, *caller.namespace_name);
  }
  return entity::put_in_front(front, request.body, kReservedPrefix);
}

bool is_json_type(std::string_view content_type) {
  const std::string type = media_type(content_type);
  return type == "application/json" || type.ends_with("+json");
}

bool is_binary_type(std::string_view content_type) {
  constexpr std::array<std::string_view, 6> kTexts = {
      "application/json", "application/javascript", "application/ecmascript",
      "application/xml",  "application/graphql",    "application/x-www-form-urlencoded"};
  const std::string type = media_type(content_type);
  return !type.starts_with("text/") && !type.ends_with("+json") && !type.ends_with("+xml") &&
         std::find(kTexts.begin(), kTexts.end(), type) == kTexts.end();
}

Checked<std::string> web_arguments(const http::Request& request, const WebCaller& caller,
                                   bool raw) {
  const std::string_view content_type = request.header("Content-Type").value_or("");
  json::object arguments;
  if (raw) {
    arguments["__ow_query"] = text_value(request.query);
    // Whoever takes the body raw wants the bytes of a JSON text too.
    arguments["__ow_body"] =
        opaque_body(request.body, content_type, media_type(content_type) == "application/json");
  } else {
    Checked<json::object> query = pairs_of(request.query, "query");
    if (!query) return query.error();
    Checked<Body> body = body_of(request, content_type);
    if (!body) return body.error();
    if (has_reserved(*query) || has_reserved(body->fields)) {
      return Failure{400, std::string(text::kReservedParameters)};
    }
    arguments = std::move(*query);
    for (auto& [name, value] : body->fields) arguments[name] = std::move(value);
    if (body->whole) arguments["__ow_body"] = std::move(*body->whole);
    if (caller.fields != nullptr) {
      for (const auto& [name, value] : *caller.fields) arguments[name] = text_value(value);
    }
  }
  arguments["__ow_method"] = lower(request.method);
  arguments["__ow_headers"] = headers_of(request);
  arguments["__ow_path"] = text_value(caller.rest);
  if (caller.namespace_name) arguments["__ow_user"] = *caller.namespace_name;
  return json::serialize(arguments);
}

}  // namespace berth::api
