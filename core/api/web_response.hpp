// SPDX-License-Identifier: Apache-2.0
// From a web action's outcome to its HTTP response, as the extension of the request says. Facts of
// OpenWhisk's web actions. Stateless.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "entity/activation.hpp"
#include "http/message.hpp"

namespace berth::api {

enum class WebExtension { kHttp, kJson, kHtml, kSvg, kText };

// An action's name and what its extension asks for; without one that is known: the whole name,
// .http.
struct WebName {
  std::string name;
  WebExtension extension = WebExtension::kHttp;
};
WebName split_extension(std::string_view name);

// `code` is the transaction's, for error bodies.
http::Response web_response(const entity::Activation& activation, WebExtension extension,
                            std::string_view code);

}  // namespace berth::api
