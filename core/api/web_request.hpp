// SPDX-License-Identifier: Apache-2.0
// From an HTTP request to a web action's arguments. Facts of OpenWhisk's web actions: the field
// names __ow_*, which bodies become fields, text or base64. Stateless.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/errors.hpp"
#include "http/message.hpp"

namespace berth::api {

// Whether content of that type is handed on as base64: all but text, JSON, XML, scripts and forms.
// No type at all counts as bytes.
bool is_binary_type(std::string_view content_type);
// application/json and everything "+json", parameters aside.
bool is_json_type(std::string_view content_type);

struct WebCaller {
  std::string_view rest;                      // the path behind the action's name: "" or "/..."
  std::optional<std::string> namespace_name;  // whose key came with the request
  // Fields over those of query and body; null: none. A raw action gets none of all.
  const std::vector<std::pair<std::string, std::string>>* fields = nullptr;
};

// The arguments as a JSON object. `raw`: query and body go as they are, in __ow_query and
// __ow_body. 400 for a malformed body or query, and for a request that sets a reserved field
// itself.
Checked<std::string> web_arguments(const http::Request& request, const WebCaller& caller, bool raw);

// The same without a tree, for the usual request: no query, and no body or a JSON object. nullopt:
// it is another one. What is returned is on one line and checked: for an action without parameters
// it is what it is given.
std::optional<std::string> plain_web_arguments(const http::Request& request,
                                               const WebCaller& caller);

}  // namespace berth::api
