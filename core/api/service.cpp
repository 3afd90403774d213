// SPDX-License-Identifier: Apache-2.0
#include "api/service.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <limits>

#include "api/auth.hpp"
#include "api/cors.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "entity/namespace_limits.hpp"
#include "http/text.hpp"

namespace berth::api {
namespace {

constexpr std::size_t kMaxTransactionId = 128;

// What the client may choose as transaction id: it is shown in headers, bodies and logs.
bool is_transaction_id(std::string_view text) {
  if (text.empty() || text.size() > kMaxTransactionId || text.starts_with("sid_")) return false;
  for (const char c : text) {
    if (c <= ' ' || c > '~' || c == '"' || c == '\\') return false;
  }
  return true;
}

}  // namespace

void Service::count(Route route, int status, SteadyTime started) {
  const std::size_t index = static_cast<std::size_t>(route);
  Counter*& counter = counters_[static_cast<std::uint32_t>(index << 16 | status)];
  if (counter == nullptr) {
    counter = &deps.metrics.counter(
        "berth_api_requests_total", "Requests to the REST API",
        {{"route", std::string(route_name(route))}, {"code", fmt::to_string(status)}});
  }
  counter->add();
  Histogram*& duration = durations_[index];
  if (duration == nullptr) {
    duration = &deps.metrics.histogram("berth_api_request_duration_seconds",
                                       "From a whole request to its answer",
                                       {{"route", std::string(route_name(route))}});
  }
  duration->observe(std::chrono::duration<double>(deps.clock.steady_now() - started).count());
}

Call::Call(std::shared_ptr<Service> shared, const http::Request& asked, http::Responder answer)
    : request(asked), service_(std::move(shared)), responder_(std::move(answer)) {
  const auto wanted = request.header("X-Request-ID");
  transaction_id =
      wanted && is_transaction_id(*wanted) ? std::string(*wanted) : new_transaction_id();
  received_ms = deps().clock.wall_ms();
  started = deps().clock.steady_now();
}

void Call::send(http::Response response) {
  response.headers.emplace_back("X-Request-ID", transaction_id);
  if (!own_cors) add_cors(target.route, request, response);
  service_->count(target.route, response.status, started);
  if (log::enabled(log::Level::kDebug)) {
    log::debug("api", "answered",
               {{"transaction", transaction_id},
                {"method", request.method},
                {"path", request.path},
                {"status", fmt::to_string(response.status)}});
  }
  responder_.send(std::move(response));
}

void Call::fail(int status, std::string_view message, std::chrono::seconds retry_after) {
  http::Response response = error_response(status, message, transaction_id);
  if (status == 401) {
    response.headers.emplace_back("WWW-Authenticate", "Basic realm=\"OpenWhisk secure realm\"");
  } else if (status == 429 || status == 503) {
    response.headers.emplace_back("Retry-After",
                                  fmt::to_string(std::max<std::int64_t>(retry_after.count(), 1)));
  }
  send(std::move(response));
}

std::string Call::path() const {
  std::string path = target.namespace_name + '/';
  if (!target.package.empty()) path.append(target.package).append("/");
  return path + target.name;
}

entity::LimitBounds Call::bounds() const {
  return entity::narrow(service_->deps.limits, user.limits.get());
}

Throttles Service::throttles_of(const entity::Identity& user) const {
  Throttles allowed = deps.throttles;
  if (!user.limits) return allowed;
  const entity::NamespaceLimits& own = *user.limits;
  if (own.invocations_per_minute) allowed.invocations_per_minute = own.invocations_per_minute;
  if (own.concurrent_invocations) allowed.concurrent_invocations = own.concurrent_invocations;
  if (own.fires_per_minute) allowed.fires_per_minute = own.fires_per_minute;
  return allowed;
}

bool Call::check_kind(std::string_view kind) {
  if (!user.limits || user.limits->allows_kind(kind)) return true;
  fail(forbidden_kind(kind));
  return false;
}

Checked<entity::Identity> authenticate(Call& call) {
  const auto header = call.request.header("Authorization");
  if (!header) return Failure{401, std::string(text::kNoAuthentication)};
  const std::optional<entity::AuthKey> key = parse_basic(*header);
  if (!key) return Failure{401, std::string(text::kBadAuthentication)};
  std::optional<entity::Identity> user = call.deps().auth.authenticate(key->uuid, key->secret);
  if (!user) return Failure{401, std::string(text::kBadAuthentication)};
  return std::move(*user);
}

bool check_ready(Call& call) {
  if (!call.deps().not_ready) return true;
  const std::string reason = call.deps().not_ready();
  if (!reason.empty()) call.fail(503, reason);
  return reason.empty();
}

bool check_content_type(Call& call) {
  if (call.request.body.empty()) return true;
  const auto type = call.request.header("Content-Type");
  if (type && http::iequals(http::media_type(*type), "application/json")) return true;
  call.fail(415, text::kContentType);
  return false;
}

void with_action(const CallPtr& call, std::function<void(const entity::ActionPtr&)> use) {
  const Target& target = call->target;
  call->service().resolver.resolve(
      call->executor(), {target.namespace_name, target.package, target.name},
      call->user.namespace_name, [call, use = std::move(use)](Result<entity::ActionPtr> action) {
        if (!action) return call->fail(entity_failure(action.error(), call->path()));
        use(*action);
      });
}

void with_writable_package(const CallPtr& call, std::function<void()> use) {
  const Target& target = call->target;
  if (target.package.empty()) return use();
  call->service().resolver.find_package(
      call->executor(), {target.namespace_name, target.package}, call->user.namespace_name,
      [call, use = std::move(use)](const Result<activation::Packages>& packages) {
        if (!packages) return call->fail(entity_failure(packages.error(), call->path()));
        if (packages->provider) return call->fail(400, text::kOnBinding);
        use();
      });
}

Checked<ListPage> list_page(const Call& call, std::string_view collection) {
  const entity::LimitBounds& bounds = call.bounds();
  ListPage page;
  const Checked<bool> count = call.query.boolean("count", false);
  if (!count) return count.error();
  const Checked<std::int64_t> skip =
      call.query.list_number("skip", 0, std::numeric_limits<std::int32_t>::max(), 0, collection);
  if (!skip) return skip.error();
  const Checked<std::int64_t> limit =
      call.query.list_number("limit", 0, bounds.list_max, bounds.list_default, collection);
  if (!limit) return limit.error();
  page.count = *count;
  page.skip = *skip;
  page.limit = *limit == 0 ? bounds.list_max : *limit;
  return page;
}

}  // namespace berth::api
