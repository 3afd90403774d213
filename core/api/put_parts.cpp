// SPDX-License-Identifier: Apache-2.0
#include "api/put_parts.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <fmt/format.h>
#include <utility>

#include "base/json.hpp"
#include "entity/sealed_size.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 256;
constexpr std::uint64_t kBesideLists = 1024 * 1024;

std::size_t size_of(const entity::Parameter& parameter) {
  const std::size_t value = parameter.encryption.empty()
                                ? json::serialize(parameter.value).size()
                                : entity::opened_size(parameter.encryption, parameter.sealed);
  return parameter.key.size() + value;
}

bool is_version(std::string_view text) {
  int parts = 0;
  while (parts < 3) {
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc()) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    ++parts;
    if (parts < 3) {
      if (!text.starts_with('.')) return false;
      text.remove_prefix(1);
    }
  }
  return text.empty();
}

Checked<entity::Parameters> parse_list(const json::value& value, std::string_view what,
                                       std::uint64_t max_bytes) {
  Result<entity::Parameters> parameters = entity::parse_parameters(value, what);
  if (!parameters) return refused(parameters.error());
  std::uint64_t size = 0;
  for (const entity::Parameter& parameter : *parameters) size += size_of(parameter);
  if (size > max_bytes) return too_large(what, size, max_bytes);
  return std::move(*parameters);
}

}  // namespace

Failure wrong(std::string_view pointer, std::string_view reason) {
  return malformed_body(fmt::format("{}: {}", pointer, reason));
}

Failure refused(const Status& status) {
  if (status.message().starts_with('/')) return malformed_body(status.message());
  return {400, status.message()};
}

Checked<std::string> text_member(const json::object& object, std::string_view key,
                                 std::string_view pointer) {
  const json::value* value = given(object, key);
  if (value == nullptr) return std::string();
  const json::string* string = value->if_string();
  if (string == nullptr) return wrong(pointer, "must be a string");
  return std::string(string->data(), string->size());
}

Checked<json::object> parse_body(std::string_view body) {
  if (body.empty()) return json::object();
  Result<json::value> tree = parse_json(body, kMaxDepth);
  if (!tree) return malformed_body(tree.error().message());
  json::object* object = tree->if_object();
  if (object == nullptr) return malformed_body("the body must be a JSON object");
  return std::move(*object);
}

Checked<json::object> parse_small_body(std::string_view body, const entity::LimitBounds& bounds) {
  const std::uint64_t allowed =
      2 * (bounds.max_parameters_bytes + bounds.max_annotations_bytes) + kBesideLists;
  if (body.size() > allowed) return too_large("Request", body.size(), allowed);
  return parse_body(body);
}

Checked<CommonPut> parse_common(const json::object& body, const entity::LimitBounds& bounds) {
  CommonPut put;
  if (const json::value* version = given(body, "version")) {
    const json::string* string = version->if_string();
    if (string == nullptr || !is_version({string->data(), string->size()})) {
      return wrong("/version", "must be three numbers, as in \"1.0.2\"");
    }
    put.version = std::string(string->data(), string->size());
  }
  if (const json::value* publish = given(body, "publish")) {
    if (!publish->is_bool()) return wrong("/publish", "must be true or false");
    put.publish = publish->get_bool();
  }
  if (const json::value* parameters = given(body, "parameters")) {
    auto list = parse_list(*parameters, "parameters", bounds.max_parameters_bytes);
    if (!list) return list.error();
    put.parameters = std::move(*list);
  }
  if (const json::value* annotations = given(body, "annotations")) {
    auto list = parse_list(*annotations, "annotations", bounds.max_annotations_bytes);
    if (!list) return list.error();
    put.annotations = std::move(*list);
  }
  return put;
}

std::string next_version(std::string_view version) {
  const std::size_t dot = version.rfind('.');
  if (dot == std::string_view::npos) return "0.0.1";
  std::uint64_t patch = 0;
  std::from_chars(version.data() + dot + 1, version.data() + version.size(), patch);
  return fmt::format("{}.{}", version.substr(0, dot), patch + 1);
}

void set_annotation(entity::Parameters& annotations, std::string_view key, json::value value) {
  for (entity::Parameter& annotation : annotations) {
    if (annotation.key != key) continue;
    annotation = {.key = std::string(key), .value = std::move(value)};
    return;
  }
  annotations.push_back({.key = std::string(key), .value = std::move(value)});
}

bool has_annotation(const entity::Parameters& annotations, std::string_view key) {
  return std::any_of(annotations.begin(), annotations.end(),
                     [key](const entity::Parameter& annotation) { return annotation.key == key; });
}

}  // namespace berth::api
