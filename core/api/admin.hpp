// SPDX-License-Identifier: Apache-2.0
// Administration over the unix socket DATA_DIR/admin.sock, whose mode (0600) is its access control.
// JSON over HTTP/1.1; errors are {"error","code"} as in the REST API.
//
//   GET    /status                 what `status` answers
//   GET    /plugins                what `plugins` answers
//   GET    /namespaces             [{"name","uuid","created"}]
//   POST   /namespaces             {"name","key"?} -> 201 {"name","uuid","key"}
//   DELETE /namespaces/NAME        ?force=true removes its actions too
//   GET    /namespaces/NAME/key    {"name","uuid","key"}
//   POST   /namespaces/NAME/key    a new secret for it: {"name","uuid","key"}
//
// Belongs to one io_context that one thread runs: its Server's. Not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <string>

#include "entity/identity.hpp"
#include "http/message.hpp"
#include "http/server.hpp"
#include "store/stores.hpp"

namespace berth::api {

// Answers once with a document, now or later, on the AdminApi's thread.
using Document = std::function<void(std::function<void(Result<boost::json::value>)> done)>;

struct AdminDependencies {
  boost::asio::io_context& io;
  store::AuthStore& auth;
  Document status;   // of berthd: version, pid, uptime, readiness, what its owner thinks useful
  Document plugins;  // of the loaded ones: [{"name","version","path","provides",...}]
  // Called after the key of a namespace was made or replaced, e.g. to rewrite guest.auth. An error
  // is the answer to the request, though the store has the new key. May be unset.
  std::function<Status(const entity::Identity&)> key_changed;
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
