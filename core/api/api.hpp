// SPDX-License-Identifier: Apache-2.0
// The REST API, version 1, in OpenWhisk's shapes: routes, checks and answers. It owns no socket: an
// http::Server hands it whole requests.
//
//   api::Api api({.io = io, .entities = entities, ...});
//   http::Server server(io, {}, [&](const http::Request& request, http::Responder responder) {
//     api.handle(request, std::move(responder));
//   }, api::server_error);
//
// Belongs to one io_context that one thread runs: the Server's and the Intake's. Not thread-safe.
// Several Apis before the same stores and Tallies are one server on several threads.
// While it lives its timer may keep that io_context running.
// Requests still waiting when it is destroyed are answered when what they wait for answers; what
// Dependencies refers to must live until the io_context runs no more of its handlers.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "activation/intake.hpp"
#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "entity/limits.hpp"
#include "entity/runtimes.hpp"
#include "http/message.hpp"
#include "http/server.hpp"
#include "plugin/log_store.hpp"
#include "store/stores.hpp"

namespace berth::api {

// What one namespace may ask for; none is "as much as it likes". OpenWhisk has 60, 30 and 60.
struct Throttles {
  using Number = std::optional<std::int64_t>;
  Number invocations_per_minute;
  Number concurrent_invocations;
  Number fires_per_minute;  // of triggers
};

// What the info documents tell about this build.
struct BuildInfo {
  std::string version;  // "0.1.0"
  std::string build;    // when it was built, or another text by which people know it
};

// What several Apis of one server, each on a thread of its own, count together.
struct Tallies;
std::shared_ptr<Tallies> make_tallies();

struct Dependencies {
  boost::asio::io_context& io;
  store::EntityStore& entities;
  store::ActivationStore& activations;
  store::AuthStore& auth;
  activation::Intake& intake;
  plugin::LogStore& logs;
  const entity::RuntimesManifest& runtimes;
  Metrics& metrics;
  const Clock& clock;
  entity::LimitBounds limits;
  Throttles throttles;
  BuildInfo build;
  // Why this server should get no traffic now ("shutting down"); empty: it is ready. May be unset.
  std::function<std::string()> not_ready;
  // Where this server is, "http://127.0.0.1:3233", for URLs in answers to requests without a Host.
  std::string address;
  std::shared_ptr<Tallies> tallies{};  // null: its own
  std::size_t apis = 1;  // of the server, which share the memory for what is kept ready
};

class Service;

class Api {
 public:
  explicit Api(Dependencies dependencies);
  ~Api();
  Api(const Api&) = delete;
  Api& operator=(const Api&) = delete;

  // Answers one request, now or later.
  void handle(const http::Request& request, http::Responder responder);

  // Fires the trigger "ns/name" as its own namespace, with a JSON object. `done` is called once,
  // now or later: NOT_FOUND if the trigger or its namespace is gone, RESOURCE_EXHAUSTED by the
  // namespace's limits, UNAVAILABLE.
  void fire_trigger(const std::string& path, std::string payload,
                    std::function<void(const Status&)> done);

  // What a namespace has, and what it does now: the members are those of usage.hpp. `done` is
  // called once, later.
  void usage(const entity::Identity& who, std::function<void(Result<boost::json::value>)> done);

 private:
  std::shared_ptr<Service> service_;
};

// The http::Server::ErrorBody of both APIs: {"error","code"} with a transaction id of its own.
http::Response server_error(int status, std::string_view reason);

}  // namespace berth::api
