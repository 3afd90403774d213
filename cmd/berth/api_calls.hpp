// SPDX-License-Identifier: Apache-2.0
// The requests that manage APIs of the gateway, and reading the documents they are answered with.
// Stateless.
#pragma once

#include <array>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace berth::cli {

inline constexpr std::array<std::string_view, 7> kApiMethods = {"GET",   "PUT",  "POST",   "DELETE",
                                                                "PATCH", "HEAD", "OPTIONS"};
inline constexpr std::array<std::string_view, 5> kResponseTypes = {"json", "http", "html", "svg",
                                                                   "text"};
// The member of an API's document that tells which project it is of.
inline constexpr const char* kApiProject = "x-berth-project";

// A method in upper case; empty: it is none of kApiMethods.
std::string api_method(std::string word);

// The path of a request, as "/api/v1/web/whisk.system/apimgmt/getApi.http?QUERY".
std::string management(const std::string& name, const std::string& query = "");

// An API, a path of it or one method of the path.
struct ApiPlace {
  std::string api;  // base path or name
  std::string path;
  std::string method;
};
std::string query_of(const ApiPlace& place);

// One method of one path, and what answers it.
struct ApiOperation {
  std::string path;                    // below the base path, "/books/{isbn}"
  std::string method;                  // "GET"
  std::string action;                  // "/ns/package/name"
  std::string response_type = "json";  // what is made of the action's result
};

// Those of a Swagger document in its order; what has no action has an empty one.
std::vector<ApiOperation> operations_of(const boost::json::object& document);

// What createApi wants to be told to add the operation; its response type goes into the query.
boost::json::object endpoint_of(const std::string& api, const ApiOperation& operation);

}  // namespace berth::cli
