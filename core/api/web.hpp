// SPDX-License-Identifier: Apache-2.0
// Running a web action for a request, whoever it came through: its own path or the gateway's.
// Private to core/api; belongs to the Api's thread.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "api/service.hpp"
#include "api/web_response.hpp"

namespace berth::api {

struct WebRun {
  activation::ActionName action;
  WebExtension extension = WebExtension::kHttp;
  std::string rest;  // __ow_path
  // Fields from the path, over those of query and body.
  std::vector<std::pair<std::string, std::string>> fields;
  // What is taken for the header X-Require-Whisk-Auth; empty: what the request has.
  std::string secret;
  // call->user exposes the action: if it is the owner, too, whom it lets in is decided already.
  // What it has through a package that is bound to another's is not its own.
  bool opens_own = false;
};

// Runs it as the namespace that owns it, call->user, under its limits. Whatever is not exported is
// answered 404.
void run_web_action(const CallPtr& call, WebRun wanted);

}  // namespace berth::api
