// SPDX-License-Identifier: Apache-2.0
// Feeds: actions that send events to a trigger. A feed is told what happens to its trigger by being
// invoked with `lifecycleEvent` (CREATE, READ, UPDATE, PAUSE, UNPAUSE, DELETE), `triggerName` and
// `authKey`.
#pragma once

#include <boost/json/object.hpp>
#include <string>

#include "commands.hpp"
#include "http.hpp"

namespace berth::cli {

// The feed that a trigger's document names, or "".
std::string feed_of(const boost::json::value& trigger);

// Invokes the feed and waits. Throws Exit, kFunctionFailed if the feed said no. `trigger` is a name
// as people write it.
HttpReply call_feed(const GlobalOptions& options, const std::string& feed, const std::string& event,
                    const std::string& trigger, boost::json::object parameters = {});

}  // namespace berth::cli
