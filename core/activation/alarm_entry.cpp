// SPDX-License-Identifier: Apache-2.0
#include "activation/alarm_entry.hpp"

#include <boost/json/serialize.hpp>
#include <utility>

#include "base/json.hpp"

namespace berth::activation {
namespace {

namespace json = boost::json;

constexpr std::string_view kOwner = "owner";
constexpr std::string_view kRung = "rung";

std::string body_of(const AlarmEntry& entry) {
  return json::serialize(json::object{{"kind", to_string(entry.kind)},
                                      {"config", entry.config},
                                      {"created", entry.created_ms},
                                      {"paused", entry.paused},
                                      {kRung, entry.rung},
                                      {kOwner, entry.namespace_uuid}});
}

}  // namespace

json::object alarm_config(const json::object& arguments) {
  json::object config;
  for (const char* key : {"cron", "timezone", "strict", "minutes", "date", "deleteAfterFire",
                          "startDate", "stopDate", "trigger_payload"}) {
    if (const json::value* value = arguments.if_contains(key)) config.emplace(key, *value);
  }
  return config;
}

store::Alarm to_stored(const std::string& trigger, const AlarmEntry& entry) {
  return {trigger, entry.namespace_name, entry.next_ms, body_of(entry)};
}

Result<AlarmEntry> from_stored(const store::Alarm& alarm) {
  const auto tree = parse_json(alarm.body, 1024);
  const json::object* body = tree ? tree->if_object() : nullptr;
  if (body == nullptr) return sdk::data_loss("it is no JSON object");
  const json::value* kind = body->if_contains("kind");
  const json::value* config = body->if_contains("config");
  const json::value* created = body->if_contains("created");
  const json::value* paused = body->if_contains("paused");
  if (kind == nullptr || !kind->is_string() || config == nullptr || !config->is_object() ||
      created == nullptr || !created->is_int64() || paused == nullptr || !paused->is_bool()) {
    return sdk::data_loss("a part of it is missing");
  }
  const auto known = parse_alarm_kind(std::string_view(kind->get_string()));
  if (!known) return sdk::data_loss("its kind is unknown");
  AlarmEntry entry{.namespace_name = alarm.namespace_name,
                   .namespace_uuid = {},
                   .kind = *known,
                   .config = config->get_object(),
                   .created_ms = created->get_int64(),
                   .paused = paused->get_bool(),
                   .next_ms = alarm.next_ms};
  const json::value* owner = body->if_contains(kOwner);
  if (owner != nullptr && owner->is_string()) entry.namespace_uuid = owner->get_string();
  const json::value* rung = body->if_contains(kRung);
  entry.rung = rung != nullptr && rung->is_bool() && rung->get_bool();
  auto schedule = AlarmSchedule::parse(entry.kind, entry.config, entry.created_ms, alarm.trigger);
  if (!schedule) return schedule.error();
  entry.schedule = std::move(*schedule);
  return entry;
}

AfterFire after_fire(const AlarmEntry& entry) {
  if (entry.kind != AlarmKind::kOnce) return AfterFire::kKeep;
  const auto after = parse_after_fire(entry.config);
  return after ? *after : AfterFire::kKeep;
}

std::string alarm_payload(const AlarmEntry& entry) {
  const json::value* given = entry.config.if_contains("trigger_payload");
  if (given == nullptr || given->is_null()) return "{}";
  if (given->is_object()) return json::serialize(*given);
  if (const auto* text = given->if_string()) {
    const auto tree = parse_json({text->data(), text->size()}, 256);
    if (tree && tree->is_object()) return json::serialize(*tree);
  }
  return json::serialize(json::object{{"payload", *given}});
}

}  // namespace berth::activation
