// SPDX-License-Identifier: Apache-2.0
// Administration over the unix socket DATA_DIR/admin.sock, whose mode (0600) is its access control.
// JSON over HTTP/1.1; errors are {"error","code"} as in the REST API.
//
//   GET    /status                 what `status` answers
//   GET    /plugins                what `plugins` answers
//   GET    /namespaces             [{"name","uuid","created","blocked"}]
//   POST   /namespaces             {"name","key"?} -> 201 {"name","uuid","key"}
//   DELETE /namespaces/NAME        ?force=true removes its actions too
//   GET    /namespaces/NAME/key    {"name","uuid","key"}
//   POST   /namespaces/NAME/key    {"overlap"?: seconds}? -> a new secret for it:
//                                  {"name","uuid","key"}; the one before opens that much longer
//   GET    /namespaces/NAME/keys   all of them, without their secrets: [{"namespace","uuid",
//                                  "subject","rights","created","own","expires"?,
//                                  "oldSecretUntil"?}]
//   POST   /namespaces/NAME/keys   {"subject"?,"rights"?: "read,invoke","expiresIn"?: seconds} ->
//                                  201 and the key
//   POST   /namespaces/NAME/keys/UUID  {"overlap"?} -> the key with a new secret
//   DELETE /namespaces/NAME/keys/UUID
//   GET    /keys?subject=NAME      the same of a subject, in all namespaces
//   POST   /namespaces/NAME/blocked {"blocked": true}: its keys open nothing, its web actions,
//                                  APIs and triggers do not answer; others still use its shared
//                                  packages
//   GET    /namespaces/NAME/usage  what `usage` answers
//   GET    /namespaces/NAME/limits what was set for it alone (entity/namespace_limits.hpp)
//   POST   /namespaces/NAME/limits sets the members given, null takes one away; all that is set
//   then POST   /backup                 {"path"} -> {"path","bytes"}: a copy of the store POST
//   /check                  {"path"?} -> {"problems":[...]} of the store, or of a copy
//
// Belongs to one io_context that one thread runs: its Server's. Not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "entity/identity.hpp"
#include "http/message.hpp"
#include "http/server.hpp"
#include "store/key_store.hpp"
#include "store/stores.hpp"

namespace berth::api {

// Answers once with a document, now or later, on the AdminApi's thread.
using Document = std::function<void(std::function<void(Result<boost::json::value>)> done)>;

struct AdminDependencies {
  boost::asio::io_context& io;
  store::AuthStore& auth;
  store::KeyStore* keys = nullptr;  // null: namespaces have their own keys alone
  Document status;      // of berthd: version, pid, uptime, readiness, what its owner thinks useful
  Document plugins;     // of the loaded ones: [{"name","version","path","provides",...}]
  Document containers;  // the pool's: [{"name","state","kind","action",...}]
  Document pool;        // {"memory_bytes","states","queue","prewarming",...}
  // What a namespace has and does now. May be unset.
  std::function<void(const entity::Identity&, std::function<void(Result<boost::json::value>)>)>
      usage;
  // Called after the own key of a namespace was made or replaced, e.g. to rewrite guest.auth. An
  // error is the answer to the request, though the store has the new key. May be unset.
  std::function<Status(const entity::Identity&)> key_changed;
  // Care of the store's file, as SqliteStore has it; answered on the AdminApi's thread. May be
  // unset.
  std::function<void(std::string path, store::Done<std::uint64_t>)> back_up;
  std::function<void(std::optional<std::string> path, store::Done<std::vector<std::string>>)>
      find_damage;
};

class AdminApi {
 public:
  explicit AdminApi(AdminDependencies dependencies);
  ~AdminApi();
  AdminApi(const AdminApi&) = delete;
  AdminApi& operator=(const AdminApi&) = delete;

  // Answers one request, now or later.
  void handle(const http::Request& request, http::Responder responder);

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace berth::api
