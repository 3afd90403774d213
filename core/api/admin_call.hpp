// SPDX-License-Identifier: Apache-2.0
// One request to the administration on its way. Private to core/api.
#pragma once

#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "api/errors.hpp"
#include "base/ids.hpp"
#include "http/server.hpp"

namespace berth::api {

struct AdminCall {
  http::Responder responder;
  std::string transaction_id = new_transaction_id();

  void send(int status, const boost::json::value& body) {
    answer({.status = status, .body = boost::json::serialize(body)});
  }
  void fail(int status, std::string_view message) {
    answer(error_response(status, message, transaction_id));
  }
  void fail(const Failure& failure) { fail(failure.status, failure.message); }
  // The store's own words: an operator wants to know what exactly was refused.
  void fail(const Status& status) {
    int code = to_failure(status).status;
    if (status.code() == StatusCode::kFailedPrecondition) code = 409;
    fail(code, status.message());
  }

 private:
  void answer(http::Response response) {
    response.headers.emplace_back("X-Request-ID", transaction_id);
    responder.send(std::move(response));
  }
};
using AdminCallPtr = std::shared_ptr<AdminCall>;

}  // namespace berth::api
