// SPDX-License-Identifier: Apache-2.0
// Requests of a command to berthd, with its errors made into Exits that say what to do.
#pragma once

#include <boost/json/value.hpp>
#include <chrono>
#include <string>

#include "environment.hpp"
#include "exit_code.hpp"
#include "http.hpp"

namespace berth::cli {

// One request to the REST API: `path` is below /api/v1/namespaces/_ , or whole, from /api/ on; "/"
// is the info document. Answers of 400 and more throw, unless `status_is_data`: then only 401, 403,
// 404, 429 and replies without JSON do.
HttpReply rest(const GlobalOptions& options, const std::string& method, const std::string& path,
               const std::string& body = "", bool status_is_data = false);

// One request to the admin socket. `timeout` 0: as the options have it.
HttpReply admin(const GlobalOptions& options, const std::string& method, const std::string& path,
                const std::string& body = "",
                std::chrono::seconds timeout = std::chrono::seconds(0));

// The reply's document. Throws for one that is none: then something else answers there.
boost::json::value document(const HttpReply& reply);

// A member as text, or "" if it is not there.
std::string text_of(const boost::json::value& value, std::string_view member);
std::int64_t number_of(const boost::json::value& value, std::string_view member);

}  // namespace berth::cli
