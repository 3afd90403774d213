// SPDX-License-Identifier: Apache-2.0
// The API gateway: paths of a namespace's own that its web actions answer,
//
//   /api/v1/gw/NAMESPACE/BASE/PATH
//
// and their management, where OpenWhisk's tools look for it: the web actions getApi, createApi and
// deleteApi of /whisk.system/apimgmt, and for the keys of APIs, which there are another service's,
// getKeys, createKey and deleteKey. None of them is an activation. Private to core/api; belongs to
// the Api's thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "api/gateway_routes.hpp"
#include "api/service.hpp"

namespace berth::api {

// Whether a web action's path is one of the management's.
bool is_gateway_management(const Target& target);
// Each answers the call. (gateway_admin.cpp, gateway.cpp)
void manage_gateway(const CallPtr& call);
void serve_gateway(const CallPtr& call);

// The digest of a key, as entity::GatewayApi keeps it.
std::string key_digest(std::string_view key);
// What an API's requests with that key are counted under; with an empty key, what all of the API's
// begin with. Neither names nor base paths have a '?'.
std::string rate_name(std::string_view namespace_uuid, std::string_view api, std::string_view key);

}  // namespace berth::api
