// SPDX-License-Identifier: Apache-2.0
#include "api/cors.hpp"

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

void add_web_cors(const http::Request& request, http::Response& response) {
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
  if (route == Route::kWeb) return add_web_cors(request, response);
  if (route >= Route::kApiInfo) response.more_headers = kApiHeaders;
}

}  // namespace berth::api
