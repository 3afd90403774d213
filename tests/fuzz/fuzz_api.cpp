// SPDX-License-Identifier: Apache-2.0
// What clients and functions send through the REST API. The first byte says what the rest is: a
// path, a query, the body of an action's PUT, a payload, a web request, a web action's result.
#include <array>
#include <boost/json/serialize.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "api/action_put.hpp"
#include "api/query.hpp"
#include "api/router.hpp"
#include "api/web_request.hpp"
#include "api/web_response.hpp"
#include "base/json.hpp"
#include "entity/arguments.hpp"

namespace {

using namespace berth;
using namespace berth::api;

constexpr std::size_t kMaxDepth = 1024;

void require(bool holds) {
  if (!holds) std::abort();
}

const entity::RuntimesManifest& manifest() {
  static const auto parsed = entity::RuntimesManifest::parse(R"({"runtimes": {
    "nodejs": [{"kind": "nodejs:20", "default": true, "image": {"prefix": "b", "name": "node"}}],
    "java": [{"kind": "java:8", "requireMain": true, "image": {"prefix": "b", "name": "java"}}]},
    "blackboxes": []})");
  return *parsed;
}

// Every route has a name, and who is asked by it can tell his methods.
void path(std::string_view text) {
  const RouteResult found = route(text);
  require(!route_name(found.target.route).empty());
  (void)allows(found.target.route, "POST");
  (void)allowed_methods(found.target.route);
  (void)split_extension(found.target.name);
}

void query(std::string_view text) {
  const auto parsed = Query::parse(text);
  if (!parsed) return;
  (void)parsed->boolean("blocking", false);
  (void)parsed->time("since");
  const auto limit = parsed->list_number("limit", 0, 200, 30, "actions");
  require(!limit || (*limit >= 0 && *limit <= 200));
}

// What is taken is stored, read back, shown, and taken again as it was shown.
void put(std::string_view body) {
  const entity::LimitBounds bounds;
  auto taken = parse_action_put(body, manifest(), bounds);
  if (!taken) return require(taken.error().status >= 400 && taken.error().status < 500);
  auto made = create_action(std::move(*taken), "guest", "", "a", bounds, 1);
  if (!made) return;
  const std::string stored = entity::serialize(*made);
  const auto read = entity::deserialize_action(stored);
  require(read.has_value());
  require(entity::serialize(*read) == stored && read->flow == made->flow);
  const std::string shown = boost::json::serialize(entity::to_json(*read, true));
  require(shown == boost::json::serialize(entity::to_json(*made, true)));
  auto again = parse_action_put(shown, manifest(), bounds);
  require(again.has_value());
  auto updated = update_action(std::move(*again), *made, bounds, 1);
  require(updated.has_value() && updated->version == made->version);
  require(entity::to_json(updated->parameters) == entity::to_json(made->parameters));
  require(entity::to_json(updated->annotations) == entity::to_json(made->annotations));
}

void payload(std::string_view text) {
  static const entity::Defaults defaults(
      {{.key = "a", .value = 1}, {.key = "i", .value = 2, .init = true}});
  for (const bool is_final : {false, true}) {
    const auto merged = entity::merge_arguments(defaults, text, is_final);
    if (!merged) continue;
    const auto tree = parse_json(*merged, kMaxDepth);
    require(tree && tree->is_object() && tree->get_object().contains("a"));
    require(merged->find_first_of("\r\n") == std::string::npos);
  }
}

// "TYPE\nQUERY\nBODY".
void web_request(std::string_view text) {
  const std::size_t first = std::min(text.find('\n'), text.size());
  const std::size_t second = std::min(text.find('\n', first + 1), text.size());
  const std::array<http::HeaderView, 1> headers{{{"Content-Type", text.substr(0, first)}}};
  http::Request request;
  request.method = "POST";
  request.headers = headers;
  if (first < text.size()) request.query = text.substr(first + 1, second - first - 1);
  if (second < text.size()) request.body = text.substr(second + 1);
  WebCaller caller;
  caller.rest = "/x";
  for (const bool raw : {false, true}) {
    const auto arguments = web_arguments(request, caller, raw);
    if (!arguments) continue;
    const auto tree = parse_json(*arguments, kMaxDepth);
    require(tree && tree->is_object() && tree->get_object().contains("__ow_method"));
  }
}

void web_result(std::string_view text) {
  if (!parse_json(text, kMaxDepth)) return;  // no result is
  entity::Activation activation;
  activation.result = text;
  for (const entity::Outcome outcome :
       {entity::Outcome::kSuccess, entity::Outcome::kApplicationError}) {
    activation.outcome = outcome;
    for (const WebExtension extension :
         {WebExtension::kHttp, WebExtension::kJson, WebExtension::kHtml, WebExtension::kSvg,
          WebExtension::kText}) {
      const http::Response response = web_response(activation, extension, "code");
      require(response.status >= 100 && response.status <= 999);
      for (const auto& [name, value] : response.headers) {
        require(name.find_first_of("\r\n:") == std::string::npos);
        require(value.find_first_of("\r\n") == std::string::npos);
      }
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  switch (data[0]) {
    case 'p': path(text); break;
    case 'q': query(text); break;
    case 'b': put(text); break;
    case 'a': payload(text); break;
    case 'w': web_request(text); break;
    case 'r': web_result(text); break;
    default: break;
  }
  return 0;
}
