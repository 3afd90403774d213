// SPDX-License-Identifier: Apache-2.0
#include "activation/alarm_clock.hpp"

#include <algorithm>
#include <boost/asio/steady_timer.hpp>
#include <boost/json/serialize.hpp>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "activation/resolver.hpp"
#include "base/json.hpp"
#include "base/log.hpp"

namespace berth::activation {
namespace {

namespace json = boost::json;

// The wall clock may be set: no sleep is longer.
constexpr std::chrono::milliseconds kLongestSleep{60'000};
constexpr std::chrono::milliseconds kStoreRetry{5'000};

// Parameters that are for the feed's protocol and not for the alarm.
bool is_protocol(std::string_view key) {
  return key == "lifecycleEvent" || key == "triggerName" || key == "authKey" ||
         key.starts_with("__ow_");
}

// What is known of one trigger's alarm.
struct Entry {
  std::string namespace_name;
  AlarmKind kind = AlarmKind::kCron;
  json::object config;
  std::int64_t created_ms = 0;
  bool paused = false;
  std::int64_t next_ms = 0;  // 0: it does not ring
};

std::string body_of(const Entry& entry) {
  return json::serialize(json::object{{"kind", to_string(entry.kind)},
                                      {"config", entry.config},
                                      {"created", entry.created_ms},
                                      {"paused", entry.paused}});
}

std::optional<Entry> entry_of(const store::Alarm& alarm) {
  const auto tree = parse_json(alarm.body, 1024);
  const json::object* body = tree ? tree->if_object() : nullptr;
  if (body == nullptr) return std::nullopt;
  const json::value* kind = body->if_contains("kind");
  const json::value* config = body->if_contains("config");
  const json::value* created = body->if_contains("created");
  const json::value* paused = body->if_contains("paused");
  if (kind == nullptr || !kind->is_string() || config == nullptr || !config->is_object() ||
      created == nullptr || !created->is_int64() || paused == nullptr || !paused->is_bool()) {
    return std::nullopt;
  }
  const auto known = parse_alarm_kind(std::string_view(kind->get_string()));
  if (!known) return std::nullopt;
  return Entry{alarm.namespace_name, *known,       config->get_object(), created->get_int64(),
               paused->get_bool(),   alarm.next_ms};
}

// What the feed answers of an alarm.
Response describe(const Entry& entry) {
  json::object status{{"active", !entry.paused && entry.next_ms != 0}};
  if (entry.next_ms != 0) status.emplace("next", entry.next_ms);
  return builtin_result({{"config", entry.config}, {"status", std::move(status)}});
}

// The event: `trigger_payload`, an object or the JSON text of one.
std::string payload_of(const json::object& config) {
  const json::value* given = config.if_contains("trigger_payload");
  if (given == nullptr || given->is_null()) return "{}";
  if (given->is_object()) return json::serialize(*given);
  if (const auto* text = given->if_string()) {
    const auto tree = parse_json({text->data(), text->size()}, 256);
    if (tree && tree->is_object()) return json::serialize(*tree);
  }
  return json::serialize(json::object{{"payload", *given}});
}

}  // namespace

class AlarmClock::Impl : public std::enable_shared_from_this<Impl> {
 public:
  explicit Impl(AlarmDependencies dependencies)
      : with_(std::move(dependencies)), timer_(with_.io) {}

  void start() {
    with_.alarms.alarms(with_.io.get_executor(),
                        [weak = weak_from_this()](const Result<std::vector<store::Alarm>>& alarms) {
                          const auto self = weak.lock();
                          if (!self || self->stopped_) return;
                          self->load(alarms);
                        });
  }
  void stop() {
    stopped_ = true;
    timer_.cancel();
  }

  void handle(AlarmKind kind, const Invocation& invocation, const json::object& arguments,
              const BuiltinDone& done);

 private:
  void load(const Result<std::vector<store::Alarm>>& alarms);
  void set(const std::string& trigger, Entry entry);
  void forget(const std::string& trigger);
  void arm();
  void wake_after(std::chrono::milliseconds wait);
  void ring_due();
  void ring(const std::string& trigger);
  void keep(const std::string& trigger, Entry entry, const BuiltinDone& done);
  void restore(const std::string& trigger, const std::optional<Entry>& before);
  void schedule(const std::string& trigger, Entry entry, const BuiltinDone& done);

  const AlarmDependencies with_;
  boost::asio::steady_timer timer_;
  std::map<std::string, Entry, std::less<>> entries_;        // by trigger
  std::set<std::pair<std::int64_t, std::string>> in_order_;  // next_ms and trigger
  bool stopped_ = false;
};

void AlarmClock::Impl::load(const Result<std::vector<store::Alarm>>& alarms) {
  if (!alarms) {
    log::error("alarms", "what is to ring could not be read; trying again",
               {{"reason", alarms.error().to_string()}});
    timer_.expires_after(kStoreRetry);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
      if (const auto self = weak.lock(); self && !error) self->start();
    });
    return;
  }
  for (const store::Alarm& alarm : *alarms) {
    if (entries_.contains(alarm.trigger)) continue;  // it was told something newer meanwhile
    if (auto entry = entry_of(alarm)) {
      set(alarm.trigger, std::move(*entry));
    } else {
      log::error("alarms", "an alarm cannot be read and does not ring",
                 {{"trigger", alarm.trigger}});
    }
  }
  arm();
}

void AlarmClock::Impl::set(const std::string& trigger, Entry entry) {
  forget(trigger);
  if (entry.next_ms != 0) in_order_.emplace(entry.next_ms, trigger);
  entries_.emplace(trigger, std::move(entry));
}

void AlarmClock::Impl::forget(const std::string& trigger) {
  const auto found = entries_.find(trigger);
  if (found == entries_.end()) return;
  in_order_.erase({found->second.next_ms, trigger});
  entries_.erase(found);
}

void AlarmClock::Impl::arm() {
  if (stopped_ || in_order_.empty()) return;
  const std::chrono::milliseconds wait(in_order_.begin()->first - with_.clock.wall_ms());
  wake_after(std::clamp(wait, std::chrono::milliseconds(0), kLongestSleep));
}

void AlarmClock::Impl::wake_after(std::chrono::milliseconds wait) {
  timer_.expires_after(wait);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!self || error || self->stopped_) return;
    self->ring_due();
    self->arm();
  });
}

void AlarmClock::Impl::ring_due() {
  const std::int64_t now = with_.clock.wall_ms();
  std::vector<std::string> due;
  for (const auto& [next_ms, trigger] : in_order_) {
    if (next_ms > now) break;
    due.push_back(trigger);
  }
  for (const std::string& trigger : due) ring(trigger);
}

// The next ring is kept, and then this one happens.
void AlarmClock::Impl::ring(const std::string& trigger) {
  Entry entry = entries_.at(trigger);
  const auto parsed = AlarmSchedule::parse(entry.kind, entry.config, entry.created_ms);
  const auto next = parsed ? parsed->next(with_.clock.wall_ms()) : std::nullopt;
  entry.next_ms = next.value_or(0);
  std::string payload = payload_of(entry.config);
  store::Alarm alarm{trigger, entry.namespace_name, entry.next_ms, body_of(entry)};
  set(trigger, std::move(entry));
  with_.alarms.put_alarm(
      with_.io.get_executor(), std::move(alarm),
      [self = shared_from_this(), trigger, payload](const Result<void>& kept) {
        if (!kept) {
          log::warn("alarms", "a ring could not be kept; its trigger is fired all the same",
                    {{"trigger", trigger}, {"reason", kept.error().to_string()}});
        }
        if (self->stopped_) return;
        self->with_.fire(trigger, payload, [self, trigger](const Status& fired) {
          if (fired.ok()) return;
          log::warn("alarms", "a trigger could not be fired",
                    {{"trigger", trigger}, {"reason", fired.to_string()}});
          if (fired.code() != StatusCode::kNotFound) return;
          self->forget(trigger);
          self->with_.alarms.remove_alarm(self->with_.io.get_executor(), trigger,
                                          [](const Result<void>&) {});
        });
      });
}

// In memory first, so that no ring in between writes what was there before.
void AlarmClock::Impl::keep(const std::string& trigger, Entry entry, const BuiltinDone& done) {
  store::Alarm alarm{trigger, entry.namespace_name, entry.next_ms, body_of(entry)};
  const auto found = entries_.find(trigger);
  std::optional<Entry> before;
  if (found != entries_.end()) before = found->second;
  const Response answer = describe(entry);
  set(trigger, std::move(entry));
  with_.alarms.put_alarm(
      with_.io.get_executor(), std::move(alarm),
      [self = shared_from_this(), trigger, before, answer, done](const Result<void>& kept) {
        if (kept) return done(answer);
        self->restore(trigger, before);
        done(whisk_error("The alarm could not be stored: try again."));
      });
  arm();
}

void AlarmClock::Impl::restore(const std::string& trigger, const std::optional<Entry>& before) {
  forget(trigger);
  if (before) set(trigger, *before);
  arm();
}

void AlarmClock::Impl::schedule(const std::string& trigger, Entry entry, const BuiltinDone& done) {
  const std::int64_t now = with_.clock.wall_ms();
  const auto parsed = AlarmSchedule::parse(entry.kind, entry.config, entry.created_ms);
  if (!parsed) return done(application_error(parsed.error().message()));
  const auto next = parsed->next(now);
  if (!next) return done(application_error("the alarm would never ring: its time is past"));
  entry.next_ms = entry.paused ? 0 : *next;
  keep(trigger, std::move(entry), done);
}

void AlarmClock::Impl::handle(AlarmKind kind, const Invocation& invocation,
                              const json::object& arguments, const BuiltinDone& done) {
  const auto text = [&arguments](std::string_view key) {
    const json::value* value = arguments.if_contains(key);
    const json::string* string = value != nullptr ? value->if_string() : nullptr;
    return string != nullptr ? std::string(string->data(), string->size()) : std::string();
  };
  const std::string event = text("lifecycleEvent");
  std::string name = text("triggerName");
  if (name.empty()) return done(application_error("triggerName is missing"));
  const std::string& own = invocation.user.namespace_name;
  if (name.starts_with('/')) {
    name.erase(0, 1);
  } else if (name.find('/') == std::string::npos) {
    name = own + '/' + name;
  }
  ActionName parts = split_action_path(name);
  if (parts.namespace_name == "_") parts.namespace_name = own;
  if (parts.namespace_name != own || !parts.package.empty() ||
      !entity::is_entity_name(parts.name)) {
    return done(application_error("triggerName must name a trigger of your own namespace"));
  }
  const std::string trigger = parts.path();

  json::object config;
  for (const auto& [key, value] : arguments) {
    if (!is_protocol(key)) config.emplace(key, value);
  }
  const auto found = entries_.find(trigger);
  if (event == "CREATE") {
    return schedule(trigger,
                    {.namespace_name = own,
                     .kind = kind,
                     .config = std::move(config),
                     .created_ms = with_.clock.wall_ms()},
                    done);
  }
  if (event != "READ" && event != "UPDATE" && event != "PAUSE" && event != "UNPAUSE" &&
      event != "DELETE") {
    return done(
        application_error("lifecycleEvent must be CREATE, READ, UPDATE, PAUSE, UNPAUSE or "
                          "DELETE"));
  }
  if (found == entries_.end() || found->second.kind != kind) {
    return done(application_error("there is no alarm of this kind for the trigger /" + trigger));
  }
  if (event == "READ") return done(describe(found->second));
  if (event == "DELETE") {
    const Entry before = found->second;
    forget(trigger);
    return with_.alarms.remove_alarm(
        with_.io.get_executor(), trigger,
        [self = shared_from_this(), trigger, before, done](const Result<void>& removed) {
          if (removed) return done(builtin_result({}));
          self->restore(trigger, before);
          done(whisk_error("The alarm could not be removed: try again."));
        });
  }
  Entry entry = found->second;
  if (event == "UPDATE") {
    for (const auto& [key, value] : config) entry.config[key] = value;
  } else {
    entry.paused = event == "PAUSE";
  }
  schedule(trigger, std::move(entry), done);
}

AlarmClock::AlarmClock(AlarmDependencies dependencies)
    : impl_(std::make_shared<Impl>(std::move(dependencies))) {}

AlarmClock::~AlarmClock() {
  impl_->stop();
}

void AlarmClock::start() {
  impl_->start();
}

void AlarmClock::stop() {
  impl_->stop();
}

Builtin AlarmClock::feed(AlarmKind kind) {
  return [impl = impl_, kind](const Invocation& invocation, const json::object& arguments,
                              const BuiltinDone& done) {
    impl->handle(kind, invocation, arguments, done);
  };
}

}  // namespace berth::activation
