// SPDX-License-Identifier: Apache-2.0
#include "api/gateway.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <fmt/format.h>
#include <openssl/sha.h>
#include <optional>
#include <utility>
#include <vector>

#include "api/gateway_table.hpp"
#include "api/web.hpp"
#include "base/ids.hpp"

namespace berth::api {
namespace {

// The path below the namespace, segment by segment.
struct Path {
  std::vector<std::string> decoded;
  std::vector<std::string_view> raw;
  bool is_too_long = false;  // it has more segments than any API's path and what may follow it
};

std::optional<Path> split_path(std::string_view rest) {
  Path path;
  while (rest.starts_with('/') && path.raw.size() <= 4 * GatewayRoutes::kMaxParts) {
    rest.remove_prefix(1);
    const std::size_t end = std::min(rest.find('/'), rest.size());
    const std::string_view segment = rest.substr(0, end);
    rest.remove_prefix(end);
    if (segment.empty() && rest.empty()) break;  // a slash at the end is none
    auto decoded = http::percent_decode(segment);
    if (!decoded) return std::nullopt;
    path.raw.push_back(segment);
    path.decoded.push_back(std::move(*decoded));
  }
  path.is_too_long = rest.size() > 1;
  return path;
}

// "/a/b" of the raw segments from `first` on; "" if there are none.
std::string joined(const Path& path, std::size_t first) {
  std::string text;
  for (std::size_t i = first; i < path.raw.size(); ++i) text.append("/").append(path.raw[i]);
  return text;
}

std::string methods_of(const GatewayRoutes::Operations& operations, bool with_options) {
  std::string methods;
  for (const auto& [method, operation] : operations) {
    methods.append(methods.empty() ? "" : ", ").append(method);
  }
  if (with_options && !operations.contains("OPTIONS")) methods.append(", OPTIONS");
  return methods;
}

// Nobody is asked for the key of a namespace here, as Call::fail() would.
void refuse_key(Call& call, std::string_view message) {
  call.send(error_response(401, message, call.transaction_id));
}

struct KeyCheck {
  const entity::GatewayApi::Key* key = nullptr;
  std::string refusal;  // empty: it is let in
};

KeyCheck check_key(const Call& call, const entity::GatewayApi& api, const KeyDemands& demands) {
  KeyCheck check;
  if (!demands) return check;
  for (const KeyDemand& demand : *demands) {
    const auto given = call.request.header(demand.header);
    if (!given) continue;
    check.refusal = "Invalid API key.";
    const std::string digest = key_digest(*given);
    std::string secret;
    if (!demand.secret_header.empty()) {
      const auto second = call.request.header(demand.secret_header);
      if (!second) {
        check.refusal = fmt::format("Secret header \"{}\" is required.", demand.secret_header);
        continue;
      }
      secret = key_digest(*second);
    }
    for (const entity::GatewayApi::Key& key : api.keys) {
      const bool same = constant_time_equal(key.digest, digest);
      if (same && (secret.empty() || constant_time_equal(key.secret_digest, secret))) {
        return {&key, ""};
      }
    }
  }
  if (check.refusal.empty()) {
    check.refusal = fmt::format("API key header \"{}\" is required.", demands->front().header);
  }
  return check;
}

bool within_rate(Call& call, const GatewayEntry& entry, const KeyCheck& check) {
  const GatewayRate& rate = entry.routes->rate();
  if (rate.requests == 0) return true;
  const std::string who = rate_name(call.user.namespace_uuid, entry.api->name,
                                    check.key != nullptr ? check.key->id : "");
  const auto now =
      std::chrono::duration_cast<std::chrono::seconds>(call.started.time_since_epoch());
  const std::int64_t wait = call.service().tallies->gateway_rates.enter(who, rate, now.count());
  if (wait == 0) return true;
  call.fail(429, "Rate limit exceeded", std::chrono::seconds(wait));
  return false;
}

void run_operation(const CallPtr& call, const Path& path, const GatewayRoutes::Match& match,
                   const GatewayOperation& operation) {
  WebRun run;
  run.action = operation.action;
  run.extension = operation.extension;
  run.rest = joined(path, operation.whole_path ? 0 : match.used);
  run.fields = match.fields;
  if (operation.secret) run.secret = *operation.secret;
  // The API is its namespace's word that its own actions are open here.
  run.opens_own = operation.action.namespace_name == call->user.namespace_name;
  if (!run.opens_own) {
    std::optional<entity::Identity> owner =
        call->deps().auth.find_namespace(operation.action.namespace_name);
    if (!owner || owner->blocked) return call->fail(404, text::kNotFound);
    call->user = std::move(*owner);
  }
  run_web_action(call, std::move(run));
}

void serve(const CallPtr& call, const Path& path, const GatewayEntries& entries) {
  for (const GatewayEntryPtr& entry : entries) {
    if (!entry->routes) continue;
    const GatewayRoutes& routes = *entry->routes;
    const GatewayRoutes::Match match = routes.match(path.decoded);
    if (match.operations == nullptr) continue;
    call->own_cors = !routes.cors();
    const auto operation = match.operations->find(call->request.method);
    if (operation == match.operations->end()) {
      if (call->request.method == "OPTIONS" && routes.cors()) {
        return call->send({.status = 200, .content_type = ""});
      }
      const std::string allowed = methods_of(*match.operations, routes.cors());
      http::Response response = error_response(
          405, fmt::format("HTTP method not allowed, supported methods: {}", allowed),
          call->transaction_id);
      response.headers.emplace_back("Allow", allowed);
      return call->send(std::move(response));
    }
    const KeyCheck check = check_key(*call, *entry->api, operation->second.demands);
    if (!check.refusal.empty()) return refuse_key(*call, check.refusal);
    if (!within_rate(*call, *entry, check)) return;
    return run_operation(call, path, match, operation->second);
  }
  call->fail(404, text::kNotFound);
}

}  // namespace

std::string key_digest(std::string_view key) {
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(key.data()), key.size(), digest.data());
  std::string text;
  for (const unsigned char byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

std::string rate_name(std::string_view namespace_uuid, std::string_view api, std::string_view key) {
  return fmt::format("{}{}?{}", namespace_uuid, api, key);
}

void serve_gateway(const CallPtr& call) {
  if (!check_ready(*call)) return;
  std::optional<Path> path = split_path(call->target.rest);
  if (!path) return call->fail(400, "The request path has a broken %-escape.");
  if (path->is_too_long) return call->fail(404, text::kNotFound);
  std::optional<entity::Identity> owner =
      call->deps().auth.find_namespace(call->target.namespace_name);
  if (!owner || owner->blocked) return call->fail(404, text::kNotFound);
  call->user = std::move(*owner);
  call->service().gateway.find(
      call->user.namespace_name, call->user.namespace_uuid,
      [call, path = std::move(*path)](const Result<GatewayEntriesPtr>& entries) {
        if (!entries) return call->fail(entries.error());
        serve(call, path, **entries);
      });
}

}  // namespace berth::api
