// SPDX-License-Identifier: Apache-2.0
// What the handlers of the REST API share, and one request on its way through them. Private to
// core/api. Everything here belongs to the Api's thread.
#pragma once

#include <array>
#include <boost/asio/thread_pool.hpp>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "activation/resolver.hpp"
#include "api/api.hpp"
#include "api/errors.hpp"
#include "api/gateway_table.hpp"
#include "api/query.hpp"
#include "api/router.hpp"
#include "api/tallies.hpp"
#include "api/wait_list.hpp"
#include "entity/arguments.hpp"

namespace berth::api {

class Service {
 public:
  explicit Service(Dependencies dependencies)
      : deps(std::move(dependencies)),
        tallies(deps.tallies ? deps.tallies : make_tallies()),
        resolver(deps.entities, activation::Resolver::kMaxBytes / deps.apis),
        gateway(deps.io, deps.entities, {tallies, &tallies->gateway_changes},
                GatewayTable::kMaxBytes / deps.apis),
        waiting(deps.io),
        defaults(entity::DefaultsCache::kMaxBytes / deps.apis) {}

  // What a namespace may, the system's with what was set for it alone; user.limits may be null.
  Throttles throttles_of(const entity::Identity& user) const;
  // Counts a finished request.
  void count(Route route, int status, SteadyTime started);

  Dependencies deps;
  const std::shared_ptr<Tallies> tallies;
  activation::Resolver resolver;
  GatewayTable gateway;
  WaitList waiting;
  const std::shared_ptr<bool> over = std::make_shared<bool>(false);  // the Api has ended
  entity::DefaultsCache defaults;
  boost::asio::thread_pool workers{1};  // for what takes long; joined by ~Api

 private:
  std::unordered_map<std::uint32_t, Counter*> counters_;  // by route and status
  std::array<Histogram*, kRoutes> durations_{};
};

// One request, from its arrival until it is answered.
class Call {
 public:
  Call(std::shared_ptr<Service> shared, const http::Request& asked, http::Responder answer);

  // Answers with `response`, after the headers that every answer carries were added.
  void send(http::Response response);
  void send_json(std::string body) { send({.status = 200, .body = std::move(body)}); }
  // `retry_after`: seconds after which it may be tried again. A 429 or 503 always says so, at least
  // one.
  void fail(int status, std::string_view message, std::chrono::seconds retry_after = {});
  void fail(const Failure& failure) { fail(failure.status, failure.message, failure.retry_after); }
  void fail(const Status& status) { fail(to_failure(status)); }

  // "ns/[pkg/]name" of the target.
  std::string path() const;
  // What the caller's namespace may: the system's, with what was set for it alone.
  entity::LimitBounds bounds() const;
  Throttles throttles() const { return service_->throttles_of(user); }
  // Whether the caller's namespace may use that kind; else answers 403.
  bool check_kind(std::string_view kind);

  Service& service() { return *service_; }
  std::shared_ptr<Service> shared_service() { return service_; }
  Dependencies& deps() { return service_->deps; }
  store::Executor executor() { return service_->deps.io.get_executor(); }

  http::Request request;  // its views are valid until the answer was sent
  Target target;
  Query query;
  entity::Identity user;
  std::string transaction_id;
  bool own_cors = false;  // the web action takes care of the headers for browsers itself
  std::int64_t received_ms;
  SteadyTime started;

 private:
  std::shared_ptr<Service> service_;
  http::Responder responder_;
};
using CallPtr = std::shared_ptr<Call>;

// Who calls, by the request's key; or the 401.
Checked<entity::Identity> authenticate(Call& call);
// Invocations are taken: not before the pool has started, nor while it drains. Else answers 503 and
// returns false.
bool check_ready(Call& call);
// The request has a JSON body, or none at all; else answers 415 and returns false.
bool check_content_type(Call& call);
// Runs `use` with the target's action as call->user may have it, the parameters of its packages
// merged in; else answers 403, 404 or 409.
void with_action(const CallPtr& call, std::function<void(const entity::ActionPtr&)> use);

// Runs `use` with the package, if there is one, that the target's action is in and that may be
// written: a binding is answered 400, a missing one 404.
void with_writable_package(const CallPtr& call, std::function<void()> use);
// The page of a list that the query asks for, or the 400.
struct ListPage {
  bool count = false;
  std::int64_t skip = 0;
  std::int64_t limit = 0;
};
Checked<ListPage> list_page(const Call& call, std::string_view collection);

// Each answers its route. (invoke.cpp, web.cpp, actions.cpp, packages.cpp, triggers.cpp, rules.cpp,
// entities.cpp, activations.cpp, info.cpp)
void invoke_action(const CallPtr& call);
void invoke_web_action(const CallPtr& call);
void get_action(const CallPtr& call);
void put_action(const CallPtr& call);
void delete_action(const CallPtr& call);
void list_actions(const CallPtr& call);
void get_package(const CallPtr& call);
void put_package(const CallPtr& call);
void delete_package(const CallPtr& call);
void get_trigger(const CallPtr& call);
void put_trigger(const CallPtr& call);
void delete_trigger(const CallPtr& call);
void fire_trigger(const CallPtr& call);
void get_rule(const CallPtr& call);
void put_rule(const CallPtr& call);
void delete_rule(const CallPtr& call);
void set_rule_status(const CallPtr& call);
void list_entities(const CallPtr& call);
void list_activations(const CallPtr& call);
void get_activation(const CallPtr& call);
void get_activation_logs(const CallPtr& call);
void get_activation_result(const CallPtr& call);
void get_info(const CallPtr& call);
void get_api_info(const CallPtr& call);
void get_api_docs(const CallPtr& call);
void get_docs(const CallPtr& call);
void get_limits(const CallPtr& call);
void get_namespaces(const CallPtr& call);
void get_health(const CallPtr& call);
void get_metrics(const CallPtr& call);

}  // namespace berth::api
