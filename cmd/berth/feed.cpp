// SPDX-License-Identifier: Apache-2.0
#include "feed.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "base/json.hpp"
#include "exit_code.hpp"
#include "names.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

// What the feed said went wrong: its result's `error`.
std::string reason_of(const HttpReply& reply) {
  const Result<json::value> body = parse_json(reply.body);
  if (!body) return "it answered " + std::to_string(reply.status);
  return text_of(*body, "error");
}

}  // namespace

std::string feed_of(const json::value& trigger) {
  const json::value* annotations =
      trigger.is_object() ? trigger.get_object().if_contains("annotations") : nullptr;
  if (annotations == nullptr || !annotations->is_array()) return {};
  for (const json::value& annotation : annotations->get_array()) {
    if (text_of(annotation, "key") == "feed") return text_of(annotation, "value");
  }
  return {};
}

HttpReply call_feed(const GlobalOptions& options, const std::string& feed, const std::string& event,
                    const std::string& trigger, json::object parameters) {
  parameters["lifecycleEvent"] = event;
  parameters["triggerName"] = qualified(trigger);
  parameters["authKey"] = auth_key(options);
  HttpReply reply;
  {
    const Spinner spinner("asking the feed " + feed);
    reply = rest(options, "POST", entity_path("actions", feed) + "?blocking=true&result=true",
                 json::serialize(parameters), true);
  }
  if (reply.status == 200) return reply;
  if (reply.status == 202) {
    throw Exit(ExitCode::kNotFinished, "the feed " + feed + " has not answered in time");
  }
  throw Exit(ExitCode::kFunctionFailed,
             "the feed " + feed + " refused " + event + ": " + printable(reason_of(reply)));
}

}  // namespace berth::cli
