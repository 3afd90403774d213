// SPDX-License-Identifier: Apache-2.0
#include "api/cors.hpp"

#include <algorithm>

#include "http/text.hpp"

namespace berth::api {
namespace {

constexpr std::string_view kApiHeaders =
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Headers: Authorization, Origin, X-Requested-With, Content-Type, Accept, "
    "User-Agent\r\n"
    "Access-Control-Allow-Methods: GET, DELETE, POST, PUT, HEAD\r\n";
constexpr std::string_view kWebMethods = "OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH";
constexpr std::string_view kWebHeaders =
    "Authorization, Origin, X-Requested-With, Content-Type, Accept, User-Agent";

constexpr std::string_view kWebLines =
    "Access-Control-Allow-Origin: *\r\n"
    "Access-Control-Allow-Methods: OPTIONS, GET, DELETE, POST, PUT, HEAD, PATCH\r\n"
    "Access-Control-Allow-Headers: Authorization, Origin, X-Requested-With, Content-Type, Accept, "
    "User-Agent\r\n";

bool is_cors(std::string_view name) {
  constexpr std::string_view kPrefix = "access-control-";
  return name.size() >= kPrefix.size() && http::iequals(name.substr(0, kPrefix.size()), kPrefix);
}

void add_web_cors(const http::Request& request, http::Response& response) {
  const bool has_own = std::any_of(response.headers.begin(), response.headers.end(),
                                   [](const auto& header) { return is_cors(header.first); });
  if (!has_own && !request.header("Access-Control-Request-Headers")) {
    response.more_headers = kWebLines;
    return;
  }
  const auto add = [&response](std::string_view name, std::string_view value) {
    for (const auto& header : response.headers) {
      if (http::iequals(header.first, name)) return;
    }
    response.headers.emplace_back(name, value);
  };
  add("Access-Control-Allow-Origin", "*");
  add("Access-Control-Allow-Methods", kWebMethods);
  add("Access-Control-Allow-Headers",
      request.header("Access-Control-Request-Headers").value_or(kWebHeaders));
}

}  // namespace

void add_cors(Route route, const http::Request& request, http::Response& response) {
  if (route == Route::kWeb || route == Route::kGateway) return add_web_cors(request, response);
  if (route >= Route::kApiInfo) response.more_headers = kApiHeaders;
}

}  // namespace berth::api
