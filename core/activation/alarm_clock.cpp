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

#include "activation/alarm_entry.hpp"
#include "activation/resolver.hpp"
#include "base/log.hpp"

namespace berth::activation {
namespace {

namespace json = boost::json;

// The wall clock may be set: no sleep is longer.
constexpr std::chrono::milliseconds kLongestSleep{60'000};
constexpr std::chrono::milliseconds kStoreRetry{5'000};

constexpr std::size_t kMaxConfigBytes = 64 * 1024;

using Entry = AlarmEntry;

// What the feed answers of an alarm.
Response describe(const Entry& entry) {
  json::object status{{"active", !entry.paused && entry.next_ms != 0}};
  if (entry.next_ms != 0) status.emplace("next", entry.next_ms);
  return builtin_result({{"config", entry.config}, {"status", std::move(status)}});
}

Response no_alarm(const std::string& trigger) {
  return application_error("there is no alarm of this kind for the trigger /" + trigger);
}

// The trigger is not there, or something else has its name.
bool is_gone(const Status& status) {
  return status.code() == StatusCode::kNotFound || status.code() == StatusCode::kFailedPrecondition;
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
  // What the dependencies are made of may be gone from now on.
  void abandon() {
    stop();
    abandoned_ = true;
  }

  void handle(AlarmKind kind, const Invocation& invocation, const json::object& arguments,
              const BuiltinDone& done);

 private:
  void load(const Result<std::vector<store::Alarm>>& alarms);
  void set(const std::string& trigger, Entry entry);
  void set_next(const std::string& trigger, Entry& entry, std::int64_t next_ms);
  void forget(const std::string& trigger);
  void drop(const std::string& trigger, std::uint64_t identity);
  bool is_owner(const Entry& entry) const;
  const Entry* find(const std::string& trigger, AlarmKind kind);
  std::size_t drop_strangers(const std::string& namespace_name);
  void arm();
  void wake_after(std::chrono::milliseconds wait);
  void ring_due();
  void ring(const std::string& trigger);
  void fire(const std::string& trigger, std::uint64_t identity);
  void rang(const std::string& trigger, std::uint64_t identity);
  void end(const std::string& trigger, std::uint64_t identity);
  void keep(const std::string& trigger, Entry entry, const BuiltinDone& done);
  void restore(const std::string& trigger, const std::optional<Entry>& before);
  void create(const std::string& trigger, Entry entry, const BuiltinDone& done);
  void change(const std::string& event, const std::string& trigger, Entry entry,
              const json::object& arguments, const BuiltinDone& done);
  void schedule(const std::string& trigger, Entry entry, const BuiltinDone& done);

  const AlarmDependencies with_;
  boost::asio::steady_timer timer_;
  std::map<std::string, Entry, std::less<>> entries_;        // by trigger
  std::set<std::pair<std::int64_t, std::string>> in_order_;  // next_ms and trigger
  std::uint64_t last_identity_ = 0;
  bool loaded_ = false;
  bool stopped_ = false;
  bool abandoned_ = false;
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
  std::vector<std::pair<std::string, std::uint64_t>> rung;
  for (const store::Alarm& alarm : *alarms) {
    auto entry = from_stored(alarm);
    if (!entry) {
      log::error("alarms", "an alarm cannot be read and does not ring",
                 {{"trigger", alarm.trigger}, {"reason", entry.error().to_string()}});
      continue;
    }
    if (entry->namespace_uuid.empty()) entry->namespace_uuid = with_.owner(entry->namespace_name);
    if (!is_owner(*entry)) {
      with_.alarms.remove_alarm(with_.io.get_executor(), alarm.trigger, [](const Result<void>&) {});
      continue;
    }
    entry->identity = ++last_identity_;
    rung.emplace_back(alarm.trigger, entry->identity);
    set(alarm.trigger, std::move(*entry));
  }
  loaded_ = true;
  // Some rang just before Berth ended.
  for (const auto& [trigger, identity] : rung) end(trigger, identity);
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

void AlarmClock::Impl::set_next(const std::string& trigger, Entry& entry, std::int64_t next_ms) {
  in_order_.erase({entry.next_ms, trigger});
  entry.next_ms = next_ms;
  if (next_ms != 0) in_order_.emplace(next_ms, trigger);
}

// Takes the alarm away for good, unless it is another one by now.
void AlarmClock::Impl::drop(const std::string& trigger, std::uint64_t identity) {
  const auto found = entries_.find(trigger);
  if (found == entries_.end() || found->second.identity != identity) return;
  forget(trigger);
  with_.alarms.remove_alarm(with_.io.get_executor(), trigger, [](const Result<void>&) {});
}

// Nobody tells the clock that a namespace was deleted: its alarms are found out when they are met.
bool AlarmClock::Impl::is_owner(const Entry& entry) const {
  return !entry.namespace_uuid.empty() && with_.owner(entry.namespace_name) == entry.namespace_uuid;
}

const Entry* AlarmClock::Impl::find(const std::string& trigger, AlarmKind kind) {
  const auto found = entries_.find(trigger);
  if (found == entries_.end()) return nullptr;
  if (!is_owner(found->second)) {
    drop(trigger, found->second.identity);
    return nullptr;
  }
  return found->second.kind == kind ? &found->second : nullptr;
}

// How many alarms the namespace has, those of an earlier one of its name taken away.
std::size_t AlarmClock::Impl::drop_strangers(const std::string& namespace_name) {
  const std::string prefix = namespace_name + '/';
  std::size_t count = 0;
  for (auto at = entries_.lower_bound(prefix);
       at != entries_.end() && at->first.starts_with(prefix);) {
    const auto [trigger, identity] = std::pair(at->first, at->second.identity);
    const bool own = is_owner(at->second);
    ++at;
    if (own) {
      ++count;
    } else {
      drop(trigger, identity);
    }
  }
  return count;
}

void AlarmClock::Impl::arm() {
  if (stopped_ || in_order_.empty()) return;
  const std::int64_t now = with_.clock.wall_ms();
  const std::int64_t next = in_order_.begin()->first;
  // Compared before it is reckoned with: no date may overflow the sum.
  const std::int64_t wait = next <= now ? 0 : std::min(next - now, kLongestSleep.count());
  wake_after(std::chrono::milliseconds(wait));
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
  Entry& entry = entries_.at(trigger);
  const std::uint64_t identity = entry.identity;
  if (!is_owner(entry)) return drop(trigger, identity);
  set_next(trigger, entry, entry.schedule.next(with_.clock.wall_ms()).value_or(0));
  with_.alarms.set_next(with_.io.get_executor(), trigger, entry.next_ms,
                        [self = shared_from_this(), trigger, identity](const Result<void>& kept) {
                          // Its row went with its namespace.
                          if (!kept && kept.error().code() == StatusCode::kNotFound) {
                            return self->drop(trigger, identity);
                          }
                          if (!kept) {
                            log::warn("alarms",
                                      "a ring could not be kept; its trigger is fired all the same",
                                      {{"trigger", trigger}, {"reason", kept.error().to_string()}});
                          }
                          self->fire(trigger, identity);
                        });
}

// Also while Berth is stopping: the ring counts as done already.
void AlarmClock::Impl::fire(const std::string& trigger, std::uint64_t identity) {
  if (abandoned_) {
    log::warn("alarms", "a trigger was not fired: Berth is shutting down", {{"trigger", trigger}});
    return;
  }
  const auto found = entries_.find(trigger);
  if (found == entries_.end() || found->second.identity != identity) return;
  if (!is_owner(found->second)) return drop(trigger, identity);
  with_.fire(trigger, alarm_payload(found->second),
             [self = shared_from_this(), trigger, identity](const Status& fired) {
               if (fired.ok()) return self->rang(trigger, identity);
               log::warn("alarms", "a trigger could not be fired",
                         {{"trigger", trigger}, {"reason", fired.to_string()}});
               if (is_gone(fired)) self->drop(trigger, identity);
             });
}

// What is to go is kept as fired first: a restart must not take one away that never was.
void AlarmClock::Impl::rang(const std::string& trigger, std::uint64_t identity) {
  const auto found = entries_.find(trigger);
  if (abandoned_ || found == entries_.end() || found->second.identity != identity) return;
  Entry& entry = found->second;
  if (after_fire(entry) == AfterFire::kKeep) return;
  if (entry.next_ms != 0) return;  // told another time meanwhile
  entry.rung = true;
  with_.alarms.put_alarm(with_.io.get_executor(), to_stored(trigger, entry),
                         [self = shared_from_this(), trigger, identity](const Result<void>&) {
                           self->end(trigger, identity);
                         });
}

// Has the trigger deleted, if it was to go when it has rung for the last time.
void AlarmClock::Impl::end(const std::string& trigger, std::uint64_t identity) {
  const auto found = entries_.find(trigger);
  if (abandoned_ || found == entries_.end() || found->second.identity != identity) return;
  const Entry& entry = found->second;
  const AfterFire after = after_fire(entry);
  if (after == AfterFire::kKeep) return;
  // Paused, or told another time meanwhile.
  if (entry.paused || entry.next_ms != 0 || !entry.rung) return;
  if (!is_owner(entry)) return drop(trigger, identity);
  with_.delete_trigger(trigger, after == AfterFire::kDeleteRulesToo,
                       [self = shared_from_this(), trigger, identity](const Status& deleted) {
                         if (deleted.ok() || is_gone(deleted)) return self->drop(trigger, identity);
                         log::warn("alarms", "a trigger that has rung could not be deleted",
                                   {{"trigger", trigger}, {"reason", deleted.to_string()}});
                       });
}

// In memory first, so that no ring in between writes what was there before.
void AlarmClock::Impl::keep(const std::string& trigger, Entry entry, const BuiltinDone& done) {
  store::Alarm alarm = to_stored(trigger, entry);
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
  if (json::serialize(entry.config).size() > kMaxConfigBytes) {
    return done(application_error("an alarm's parameters must not be longer than " +
                                  std::to_string(kMaxConfigBytes) + " bytes"));
  }
  auto parsed = AlarmSchedule::parse(entry.kind, entry.config, entry.created_ms, trigger);
  if (!parsed) return done(application_error(parsed.error().message()));
  const auto next = parsed->next(with_.clock.wall_ms());
  if (!next) return done(application_error("the alarm would never ring: its time is past"));
  entry.schedule = std::move(*parsed);
  entry.next_ms = entry.paused ? 0 : *next;
  entry.rung = false;
  keep(trigger, std::move(entry), done);
}

void AlarmClock::Impl::create(const std::string& trigger, Entry entry, const BuiltinDone& done) {
  with_.find_trigger(trigger, [self = shared_from_this(), trigger, entry = std::move(entry),
                               done](const Status& there) mutable {
    if (is_gone(there)) {
      return done(application_error("there is no trigger /" + trigger + ": make it first"));
    }
    if (!there.ok()) return done(whisk_error("The trigger could not be looked up: try again."));
    const std::size_t others =
        self->drop_strangers(entry.namespace_name) - (self->entries_.contains(trigger) ? 1u : 0u);
    if (others >= self->with_.max_per_namespace) {
      return done(application_error("the namespace has its " +
                                    std::to_string(self->with_.max_per_namespace) +
                                    " alarms already (limits.alarms_per_namespace)"));
    }
    entry.identity = ++self->last_identity_;
    self->schedule(trigger, std::move(entry), done);
  });
}

void AlarmClock::Impl::change(const std::string& event, const std::string& trigger, Entry entry,
                              const json::object& arguments, const BuiltinDone& done) {
  if (event == "UPDATE") {
    for (const auto& [key, value] : alarm_config(arguments)) entry.config[key] = value;
    return schedule(trigger, std::move(entry), done);
  }
  // One whose time is past may be paused and so on as any other: it just does not ring.
  entry.paused = event == "PAUSE";
  entry.next_ms = entry.paused ? 0 : entry.schedule.next(with_.clock.wall_ms()).value_or(0);
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

  const std::string& uuid = invocation.user.namespace_uuid;
  // Accepted before its namespace was deleted: what has the name now is another's.
  if (with_.owner(own) != uuid) return done(application_error("the namespace is gone"));
  // Until then nobody knows which alarms there are.
  if (!loaded_) return done(whisk_error("The alarms have not been read yet: try again."));

  if (event == "CREATE") {
    return create(trigger,
                  {.namespace_name = own,
                   .namespace_uuid = uuid,
                   .kind = kind,
                   .config = alarm_config(arguments),
                   .created_ms = with_.clock.wall_ms()},
                  done);
  }
  if (event != "READ" && event != "UPDATE" && event != "PAUSE" && event != "UNPAUSE" &&
      event != "DELETE") {
    return done(
        application_error("lifecycleEvent must be CREATE, READ, UPDATE, PAUSE, UNPAUSE or "
                          "DELETE"));
  }
  const Entry* found = find(trigger, kind);
  if (found == nullptr) return done(no_alarm(trigger));
  if (event == "READ") return done(describe(*found));
  if (event != "DELETE") return change(event, trigger, *found, arguments, done);
  const Entry before = *found;
  forget(trigger);
  with_.alarms.remove_alarm(
      with_.io.get_executor(), trigger,
      [self = shared_from_this(), trigger, before, done](const Result<void>& removed) {
        if (removed) return done(builtin_result({}));
        self->restore(trigger, before);
        done(whisk_error("The alarm could not be removed: try again."));
      });
}

AlarmClock::AlarmClock(AlarmDependencies dependencies)
    : impl_(std::make_shared<Impl>(std::move(dependencies))) {}

AlarmClock::~AlarmClock() {
  impl_->abandon();
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
