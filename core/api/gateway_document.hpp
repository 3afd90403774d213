// SPDX-License-Identifier: Apache-2.0
// An API's Swagger document: as clients send a whole one, and as it is made endpoint by endpoint,
// in the form that OpenWhisk's tools read. Stateless. Private to core/api.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "activation/resolver.hpp"
#include "api/errors.hpp"

namespace berth::api {

// One path and method of an API, and what answers it.
struct Endpoint {
  std::string api;     // a base path, or the name of an API that is there
  std::string title;   // of an API that is new; empty: the base path
  std::string path;    // below the base path
  std::string method;  // in lower case
  activation::ActionName action;
  std::string extension;  // "json"
  std::string secret;     // that the action asks for; empty: none
};

// What createApi is asked for: a whole document, or one more endpoint.
struct ApiRequest {
  std::optional<boost::json::object> document;
  Endpoint endpoint;
  // What of the API as a whole is given with an endpoint; nullopt: it stays.
  std::optional<bool> cors;
  std::optional<std::string> key_header;  // empty: no key is asked for
  std::optional<std::string> project;     // of the file that it was made by
};
// `body` is {"apidoc": {...}}, or that text in a string; `response_type` is what the query says.
Checked<ApiRequest> parse_api_request(const boost::json::object& body, std::string_view caller,
                                      std::string_view response_type);

boost::json::object new_document(std::string_view base_path, std::string_view title);
// `host`: of the URLs in it, "http://127.0.0.1:3233".
void put_endpoint(boost::json::object& document, const Endpoint& endpoint, std::string_view host);
// Of an empty method all of the path; false: there is no such thing.
bool remove_endpoint(boost::json::object& document, std::string_view path, std::string_view method);
bool has_endpoints(const boost::json::object& document);
void set_cors(boost::json::object& document, bool enabled);
// All operations ask for a key in that header; empty: they do not.
void set_key_header(boost::json::object& document, std::string_view header);
// Read by who deploys the project again; nothing here depends on it.
void set_project(boost::json::object& document, std::string_view name);

// info.title, else the base path.
std::string title_of(const boost::json::object& document);
std::string base_path_of(const boost::json::object& document);

}  // namespace berth::api
