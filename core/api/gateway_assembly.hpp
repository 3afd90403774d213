// SPDX-License-Identifier: Apache-2.0
// Which web action an operation of a Swagger document stands for, as OpenWhisk's tools write it:
//
//   "x-openwhisk": {"namespace": "guest", "package": "default", "action": "hello", "url": "..."}
//
// in the operation, and in the document under x-ibm-configuration.assembly.execute a table by
// operationId with the URL that is asked, which says the kind of answer (".json") and whether the
// action is told the path ("$(request.path)"), and the secret that it is sent. Private to core/api.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "api/errors.hpp"
#include "api/gateway_routes.hpp"

namespace berth::api {

// What is after "/api/v1/web/" in a web action's URL, whatever is before; nullopt: it is none.
struct WebUrl {
  activation::ActionName action;
  WebExtension extension = WebExtension::kHttp;
  bool whole_path = false;
};
std::optional<WebUrl> parse_web_url(std::string_view url);
// ".json" and so on, without the dot; nullopt for another word.
std::optional<WebExtension> extension_of(std::string_view word);

class GatewayAssembly {
 public:
  static Checked<GatewayAssembly> read(const boost::json::object& document,
                                       std::string_view pointer);

  // Action, extension, path and secret of one operation.
  Checked<GatewayOperation> target(const boost::json::object& operation,
                                   std::string_view own_namespace, std::string_view pointer) const;

 private:
  struct Case {
    std::string url;
    std::shared_ptr<const std::string> secret;  // null: none
  };
  static Checked<Case> read_steps(const boost::json::array& steps, std::string_view pointer);

  // By operationId; many may share one.
  std::map<std::string, std::shared_ptr<const Case>, std::less<>> cases_;
  Case all_;  // of operations that have none
};

}  // namespace berth::api
