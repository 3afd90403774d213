// SPDX-License-Identifier: Apache-2.0
// An API's Swagger document made ready to serve: which path and method runs which web action, and
// what a request must bring. Values; immutable once made, so they are shared between requests.
//
//   const Checked<GatewayRoutes> routes = GatewayRoutes::compile(document, "guest", "/apidoc");
//   if (auto match = routes->match(segments)) { ... }
//
// Of Swagger 2.0 it reads: basePath, paths, parameters in paths, security, securityDefinitions of
// the type apiKey in headers, and of OpenWhisk's gateway: x-openwhisk, x-ibm-configuration (cors,
// assembly), x-ibm-rate-limit. What would protect the API and is not understood is refused.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "activation/resolver.hpp"
#include "api/errors.hpp"
#include "api/web_response.hpp"

namespace berth::api {

// One way to be let in: a key, and if `secret_header` is not empty a second secret with it.
struct KeyDemand {
  std::string header;
  std::string secret_header;
};
using KeyDemands = std::shared_ptr<const std::vector<KeyDemand>>;

struct GatewayOperation {
  activation::ActionName action;
  WebExtension extension = WebExtension::kHttp;
  bool whole_path = false;  // the action is told the whole path, from the base path on
  // Operations of one document share these: they may be many, and a document large.
  std::shared_ptr<const std::string> secret;  // that the action asks for; null: none
  KeyDemands demands;                         // any of them will do; null: open to all
};

struct GatewayRate {
  std::int64_t requests = 0;  // 0: as many as one likes
  std::int64_t seconds = 0;
};

// "/a/{b}" as parts: {"a", false}, {"b", true}. `pointer` names the path in errors, of which a
// parameter without a name, twice the same name, and braces inside of a part are some.
struct PathPart {
  std::string text;
  bool is_parameter = false;
};
Checked<std::vector<PathPart>> parse_path_template(std::string_view path, std::string_view pointer);
// The same of a base path, which has no parameters: its parts; "/" has none.
Checked<std::vector<std::string>> parse_base_path(std::string_view path, std::string_view pointer);

class GatewayRoutes {
 public:
  static constexpr std::size_t kMaxOperations = 1000;
  static constexpr std::size_t kMaxParts = 64;

  // `own_namespace` stands for "_". Errors begin with `pointer` and what follows it.
  static Checked<GatewayRoutes> compile(const boost::json::object& document,
                                        std::string_view own_namespace, std::string_view pointer);

  using Operations = std::map<std::string, GatewayOperation, std::less<>>;  // by method, "GET"
  struct Match {
    const Operations* operations;
    std::vector<std::pair<std::string, std::string>> fields;  // parameters of the path
    std::size_t used = 0;  // how many of the segments; what follows is the action's
  };
  // The best of the paths that the decoded segments, base path first, begin with: the longest, and
  // of these the one with a parameter latest. Without any, `operations` is null.
  Match match(const std::vector<std::string>& segments) const;

  const std::vector<std::string>& base() const { return base_; }
  bool cors() const { return cors_; }
  const GatewayRate& rate() const { return rate_; }
  // The key that requests bring, as a person is told: the first demand of any operation; its
  // header is empty if all are open.
  KeyDemand key_demand() const;

 private:
  struct Path {
    std::vector<PathPart> parts;
    Operations operations;
  };

  std::vector<std::string> base_;
  std::vector<Path> paths_;  // best first
  bool cors_ = true;
  GatewayRate rate_;
};

// "~" and "/" of a member's name as a JSON pointer has them.
std::string pointer_part(std::string_view name);

}  // namespace berth::api
