// SPDX-License-Identifier: Apache-2.0
#include "docker/events.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <memory>

namespace berth::docker {
namespace {

namespace json = boost::json;
namespace http = support::http;

constexpr std::size_t kLongestLine = 1u << 20;

std::string_view text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

const json::object* object_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

}  // namespace

bool EventParser::feed(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t end = bytes.find('\n');
    if (end == std::string_view::npos) {
      if (rest_.size() + bytes.size() > kLongestLine) return false;
      rest_.append(bytes);
      return true;
    }
    if (rest_.empty()) {
      line(bytes.substr(0, end));
    } else {
      rest_.append(bytes.substr(0, end));
      line(rest_);
      rest_.clear();
    }
    bytes.remove_prefix(end + 1);
  }
  return true;
}

void EventParser::line(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (object == nullptr) return;
  Event event;
  // "Action" and "Actor" since API 1.22; "status" and "id" are what was before.
  std::string_view action = text_of(*object, "Action");
  if (action.empty()) action = text_of(*object, "status");
  event.id = text_of(*object, "id");
  const json::object* actor = object_of(*object, "Actor");
  const json::object* attributes = actor == nullptr ? nullptr : object_of(*actor, "Attributes");
  if (event.id.empty() && actor != nullptr) event.id = text_of(*actor, "ID");
  if (const json::value* time = object->if_contains("timeNano"); time && time->is_int64()) {
    event.time_ns = time->get_int64();
  }
  if (action == "oom") event.kind = Event::Kind::kOom;
  if (action == "die") {
    event.kind = Event::Kind::kDie;
    if (attributes != nullptr) {
      const std::string_view code = text_of(*attributes, "exitCode");
      int parsed = -1;
      const auto end = std::from_chars(code.data(), code.data() + code.size(), parsed);
      if (end.ec == std::errc{} && parsed >= 0 && parsed <= 255) event.exit_code = parsed;
    }
  }
  if (!event.id.empty()) sink_(event);
}

std::uint64_t open_events(Engine& engine, const std::string& label, std::int64_t since_ns,
                          std::function<void()> opened, std::function<void(const Event&)> sink,
                          std::function<void(sdk::Status)> ended) {
  const json::object filters{{"type", json::array{"container"}},
                             {"event", json::array{"die", "oom"}},
                             {"label", json::array{json::value(label)}}};
  std::string path = "/events?filters=" + http::escape(json::serialize(filters));
  if (since_ns > 0) {
    char text[48];
    std::snprintf(text, sizeof text, "&since=%lld.%09lld",
                  static_cast<long long>(since_ns / 1'000'000'000),
                  static_cast<long long>(since_ns % 1'000'000'000));
    path += text;
  }
  auto parser = std::make_shared<EventParser>(std::move(sink));
  http::Request request;
  request.target = engine.target(path);
  request.timeout = std::chrono::milliseconds(0);
  request.on_headers = [opened = std::move(opened)](int code) {
    if (code / 100 == 2) opened();
  };
  request.on_data = [parser](std::string_view bytes) { return parser->feed(bytes); };
  return engine.client().send(std::move(request), [ended =
                                                       std::move(ended)](const http::Reply& reply) {
    if (!reply.status.ok()) return ended(reply.status);
    if (reply.response.code / 100 != 2) {
      return ended(status_of({reply.response.code, reply.response.body}, "the engine's events"));
    }
    ended(sdk::unavailable("the Docker engine ended its events"));
  });
}

}  // namespace berth::docker
