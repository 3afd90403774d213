// SPDX-License-Identifier: Apache-2.0
// The clock behind the feeds, and the actions of /whisk.system/utils.
#include <boost/asio/post.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <gtest/gtest.h>
#include <map>
#include <string>
#include <vector>

#include "activation/alarm_clock.hpp"
#include "activation/utilities.hpp"

namespace berth::activation {
namespace {

namespace json = boost::json;
using namespace std::chrono_literals;

// An AlarmStore in memory.
class FakeAlarms final : public store::AlarmStore {
 public:
  void put_alarm(store::Executor on, store::Alarm alarm, store::Done<void> done) override {
    kept[alarm.trigger] = std::move(alarm);
    boost::asio::post(on, [done] { done(Result<void>()); });
  }
  void set_next(store::Executor on, std::string trigger, std::int64_t next_ms,
                store::Done<void> done) override {
    const auto found = kept.find(trigger);
    Result<void> result;
    if (found == kept.end()) {
      result = sdk::not_found("no row");
    } else {
      found->second.next_ms = next_ms;
    }
    boost::asio::post(on, [done, result] { done(result); });
  }
  void remove_alarm(store::Executor on, std::string trigger, store::Done<void> done) override {
    kept.erase(trigger);
    boost::asio::post(on, [done] { done(Result<void>()); });
  }
  void alarms(store::Executor on, store::Done<std::vector<store::Alarm>> done) override {
    std::vector<store::Alarm> all;
    for (const auto& [trigger, alarm] : kept) all.push_back(alarm);
    boost::asio::post(on, [done, all] { done(all); });
  }
  std::map<std::string, store::Alarm> kept;
};

class AlarmClockTest : public testing::Test {
 protected:
  AlarmClockTest() { start(); }
  void start() {
    clock.reset();
    clock = std::make_unique<AlarmClock>(AlarmDependencies{
        .io = io,
        .clock = system_clock(),
        .alarms = alarms,
        .fire =
            [this](const std::string& trigger, std::string payload,
                   const std::function<void(const Status&)>& done) {
              fired.emplace_back(trigger, std::move(payload));
              done(fire_status);
            },
        .find_trigger = [this](
                            const std::string&,
                            const std::function<void(const Status&)>& done) { done(find_status); },
        .delete_trigger =
            [this](const std::string& trigger, bool and_rules,
                   const std::function<void(const Status&)>& done) {
              deleted.emplace_back(trigger, and_rules);
              done(delete_status);
            },
        .owner = [this](const std::string&) { return uuid; },
        .max_per_namespace = 3});
    clock->start();
  }
  void run_until(const std::function<bool()>& done) {
    const auto end = std::chrono::steady_clock::now() + 60s;
    while (!done() && std::chrono::steady_clock::now() < end) {
      io.restart();
      io.run_for(10ms);
    }
    ASSERT_TRUE(done());
  }
  // What a feed answers, once the clock has read what was kept.
  Response ask(AlarmKind kind, const char* event, const json::object& arguments = {},
               const char* trigger = "/_/t") {
    std::optional<Response> answer;
    run_until([&] {
      if (!answer || answer->outcome == entity::Outcome::kWhiskError) {
        answer = ask_now(kind, event, arguments, trigger);
      }
      return answer->outcome != entity::Outcome::kWhiskError;
    });
    return answer.value_or(Response());
  }
  Response ask_now(AlarmKind kind, const char* event, json::object arguments = {},
                   const char* trigger = "/_/t") {
    arguments["lifecycleEvent"] = event;
    arguments["triggerName"] = trigger;
    arguments["authKey"] = "key";
    Invocation invocation;
    invocation.user.namespace_name = "guest";
    invocation.user.namespace_uuid = uuid;
    std::optional<Response> answer;
    clock->feed(kind)(invocation, arguments, [&](Response response) { answer = response; });
    run_until([&] { return answer.has_value(); });
    return answer.value_or(Response());
  }
  static std::int64_t soon() { return system_clock().wall_ms() + 30; }

  boost::asio::io_context io;
  FakeAlarms alarms;
  std::vector<std::pair<std::string, std::string>> fired;
  std::vector<std::pair<std::string, bool>> deleted;  // triggers; with their rules
  Status fire_status;
  Status delete_status;
  Status find_status;
  std::string uuid = "uuid-1";  // of the namespace; empty: it is gone
  std::unique_ptr<AlarmClock> clock;
};

TEST_F(AlarmClockTest, RingsAtADate) {
  const Response made =
      ask(AlarmKind::kOnce, "CREATE", {{"date", soon()}, {"trigger_payload", {{"n", 1}}}});
  EXPECT_EQ(made.outcome, entity::Outcome::kSuccess) << made.result;
  EXPECT_EQ(made.result.find("authKey"), std::string::npos);
  run_until([&] { return !fired.empty(); });
  EXPECT_EQ(fired[0], (std::pair<std::string, std::string>("guest/t", R"({"n":1})")));
  EXPECT_EQ(alarms.kept.at("guest/t").next_ms, 0);
  const json::value read = json::parse(ask(AlarmKind::kOnce, "READ").result);
  EXPECT_EQ(read.at("status").at("active"), false);
}

TEST_F(AlarmClockTest, ATriggerMayGoWithItsLastRing) {
  using Deleted = std::vector<std::pair<std::string, bool>>;
  const auto make = [this](const char* trigger, json::value after) {
    const Response made = ask(AlarmKind::kOnce, "CREATE",
                              {{"date", soon()}, {"deleteAfterFire", std::move(after)}}, trigger);
    EXPECT_EQ(made.outcome, entity::Outcome::kSuccess) << made.result;
  };
  make("a", "false");
  run_until([&] { return fired.size() == 1; });
  make("b", true);
  run_until([&] { return fired.size() == 2 && !alarms.kept.contains("guest/b"); });
  make("c", "rules");
  run_until([&] { return fired.size() == 3 && !alarms.kept.contains("guest/c"); });
  EXPECT_EQ(deleted, (Deleted{{"guest/b", false}, {"guest/c", true}}));
  EXPECT_TRUE(alarms.kept.contains("guest/a"));
}

TEST_F(AlarmClockTest, ATriggerThatIsToGoGoesAfterARestart) {
  delete_status = sdk::unavailable("no store");
  ask(AlarmKind::kOnce, "CREATE", {{"date", soon()}, {"deleteAfterFire", true}});
  run_until([&] { return !deleted.empty(); });
  EXPECT_TRUE(alarms.kept.contains("guest/t"));
  deleted.clear();
  delete_status = Status();
  start();
  run_until([&] { return deleted.size() == 1 && alarms.kept.empty(); });
  EXPECT_EQ(fired.size(), 1u) << "it does not ring again";
}

TEST_F(AlarmClockTest, ATriggerWhoseFiringFailedStays) {
  fire_status = sdk::resource_exhausted("too many");
  ask(AlarmKind::kOnce, "CREATE", {{"date", soon()}, {"deleteAfterFire", true}});
  run_until([&] { return !fired.empty(); });
  EXPECT_TRUE(deleted.empty());
  EXPECT_TRUE(alarms.kept.contains("guest/t"));
  // Nor does a restart take it for one that has rung.
  fire_status = Status();
  start();
  ask(AlarmKind::kOnce, "CREATE", {{"date", soon()}, {"deleteAfterFire", true}}, "other");
  run_until([&] { return deleted.size() == 1 && !alarms.kept.contains("guest/other"); });
  EXPECT_EQ(deleted[0].first, "guest/other");
  EXPECT_TRUE(alarms.kept.contains("guest/t"));
}

TEST_F(AlarmClockTest, TheZoneOutlivesARestart) {
  ask(AlarmKind::kCron, "CREATE", {{"cron", "0 9 1 1 *"}, {"timezone", "Asia/Tokyo"}});
  const std::int64_t next = alarms.kept.at("guest/t").next_ms;
  EXPECT_EQ(next % 86'400'000, 0) << "nine in the morning in Tokyo is midnight in UTC";
  alarms.kept.at("guest/t").next_ms = system_clock().wall_ms() - 5000;
  start();
  run_until([&] { return !fired.empty(); });
  EXPECT_EQ(alarms.kept.at("guest/t").next_ms, next);
}

TEST_F(AlarmClockTest, GoesOnAfterARestart) {
  ask(AlarmKind::kCron, "CREATE", {{"cron", "0 0 1 1 *"}});
  // Its time came while nobody looked.
  alarms.kept.at("guest/t").next_ms = system_clock().wall_ms() - 5000;
  start();
  run_until([&] { return !fired.empty(); });
  EXPECT_EQ(fired[0].second, "{}");
  EXPECT_GT(alarms.kept.at("guest/t").next_ms, system_clock().wall_ms());
  run_until([&] { return ask(AlarmKind::kCron, "READ").outcome == entity::Outcome::kSuccess; });
  EXPECT_EQ(fired.size(), 1u) << "what was missed rings once";
}

TEST_F(AlarmClockTest, IsPausedUpdatedAndDeleted) {
  ask(AlarmKind::kCron, "CREATE", {{"cron", "* * * * * *"}});
  json::value shown = json::parse(ask(AlarmKind::kCron, "PAUSE").result);
  EXPECT_EQ(shown.at("status").at("active"), false);
  EXPECT_EQ(alarms.kept.at("guest/t").next_ms, 0);
  shown = json::parse(ask(AlarmKind::kCron, "UPDATE", {{"cron", "0 0 1 1 *"}}).result);
  EXPECT_EQ(shown.at("config").at("cron"), "0 0 1 1 *");
  EXPECT_EQ(shown.at("status").at("active"), false);
  shown = json::parse(ask(AlarmKind::kCron, "UNPAUSE").result);
  EXPECT_EQ(shown.at("status").at("active"), true);
  EXPECT_GT(alarms.kept.at("guest/t").next_ms, 0);
  EXPECT_EQ(ask(AlarmKind::kCron, "DELETE").outcome, entity::Outcome::kSuccess);
  EXPECT_TRUE(alarms.kept.empty());
  EXPECT_EQ(ask(AlarmKind::kCron, "READ").outcome, entity::Outcome::kApplicationError);
}

TEST_F(AlarmClockTest, RefusesWhatItCannotDo) {
  const auto refused = [this](AlarmKind kind, const char* event, json::object arguments,
                              const char* trigger = "/_/t") {
    return ask(kind, event, std::move(arguments), trigger).outcome ==
           entity::Outcome::kApplicationError;
  };
  EXPECT_TRUE(refused(AlarmKind::kCron, "CREATE", {{"cron", "never"}}));
  EXPECT_TRUE(refused(AlarmKind::kOnce, "CREATE", {{"date", 17}}));
  EXPECT_TRUE(refused(AlarmKind::kCron, "EXPLODE", {}));
  EXPECT_TRUE(refused(AlarmKind::kCron, "READ", {}));
  EXPECT_TRUE(refused(AlarmKind::kCron, "CREATE", {{"cron", "* * * * *"}}, "/other/t"));
  EXPECT_TRUE(refused(AlarmKind::kCron, "CREATE", {{"cron", "* * * * *"}}, ""));
  EXPECT_TRUE(alarms.kept.empty());
}

TEST_F(AlarmClockTest, ForgetsTriggersThatAreGone) {
  for (const Status& status : {sdk::not_found("gone"), sdk::failed_precondition("a package")}) {
    fired.clear();
    fire_status = status;
    ask(AlarmKind::kCron, "CREATE", {{"cron", "* * * * * *"}});
    run_until([&] { return !fired.empty() && alarms.kept.empty(); });
  }
}

TEST_F(AlarmClockTest, KeepsOnlyWhatIsOfTheAlarm) {
  const Response made = ask(AlarmKind::kCron, "CREATE",
                            {{"cron", "0 0 1 1 *"}, {"other", "x"}, {"trigger_payload", "{}"}});
  ASSERT_EQ(made.outcome, entity::Outcome::kSuccess) << made.result;
  ask(AlarmKind::kCron, "UPDATE", {{"more", "y"}, {"startDate", 0}});
  const json::value shown = json::parse(ask(AlarmKind::kCron, "READ").result);
  EXPECT_EQ(shown.at("config"),
            (json::value{{"cron", "0 0 1 1 *"}, {"trigger_payload", "{}"}, {"startDate", 0}}));
}

TEST_F(AlarmClockTest, HasLimits) {
  const auto outcome = [this](const char* event, const char* trigger, json::object more = {}) {
    more["cron"] = "0 0 1 1 *";
    return ask(AlarmKind::kCron, event, more, trigger).outcome;
  };
  using entity::Outcome;
  const json::object big{{"trigger_payload", std::string(70'000, 'x')}};
  EXPECT_EQ(outcome("CREATE", "a", big), Outcome::kApplicationError);
  EXPECT_EQ(outcome("CREATE", "a"), Outcome::kSuccess);
  EXPECT_EQ(outcome("UPDATE", "a", big), Outcome::kApplicationError);
  EXPECT_EQ(outcome("CREATE", "b"), Outcome::kSuccess);
  find_status = sdk::not_found("no trigger");
  EXPECT_EQ(outcome("CREATE", "c"), Outcome::kApplicationError);
  find_status = Status();
  EXPECT_EQ(outcome("CREATE", "c"), Outcome::kSuccess);
  EXPECT_EQ(outcome("CREATE", "c"), Outcome::kSuccess) << "in place of itself";
  const Response over = ask(AlarmKind::kCron, "CREATE", {{"cron", "0 0 1 1 *"}}, "d");
  EXPECT_EQ(over.outcome, Outcome::kApplicationError);
  EXPECT_NE(over.result.find("alarms_per_namespace"), std::string::npos) << over.result;
  EXPECT_EQ(outcome("DELETE", "a"), Outcome::kSuccess);
  EXPECT_EQ(outcome("CREATE", "d"), Outcome::kSuccess);
}

TEST_F(AlarmClockTest, ADateThatWouldOverflowDelaysNobody) {
  EXPECT_EQ(ask(AlarmKind::kCron, "CREATE", {{"cron", "* * * * *"}, {"startDate", INT64_MAX}}, "a")
                .outcome,
            entity::Outcome::kApplicationError);
  // As one that an earlier program took.
  alarms.kept["guest/old"] = {
      "guest/old", "guest", INT64_MIN + 1,
      R"({"kind":"alarm","config":{"cron":"* * * * *","startDate":9223372036854775807},)"
      R"("created":0,"paused":false})"};
  start();
  ask(AlarmKind::kOnce, "CREATE", {{"date", soon()}});
  run_until([&] { return !fired.empty(); });
  EXPECT_EQ(fired[0].first, "guest/t");
}

TEST_F(AlarmClockTest, ADeletedNamespacesAlarmsAreNotItsSuccessors) {
  ask(AlarmKind::kCron, "CREATE", {{"cron", "* * * * * *"}, {"trigger_payload", "secret"}});
  ask(AlarmKind::kCron, "CREATE", {{"cron", "0 0 1 1 *"}}, "quiet");
  ask(AlarmKind::kCron, "CREATE", {{"cron", "0 0 1 1 *"}}, "quiet2");
  uuid = "uuid-2";
  fired.clear();
  for (const char* event : {"READ", "UPDATE", "PAUSE", "DELETE"}) {
    EXPECT_EQ(ask(AlarmKind::kCron, event, {}, "quiet").outcome,
              entity::Outcome::kApplicationError);
  }
  EXPECT_EQ(ask(AlarmKind::kOnce, "CREATE", {{"date", soon()}}, "mine").outcome,
            entity::Outcome::kSuccess)
      << "what is not its own does not count";
  run_until([&] { return !fired.empty(); });
  EXPECT_EQ(fired[0].first, "guest/mine");
  EXPECT_EQ(alarms.kept.size(), 1u);
}

TEST_F(AlarmClockTest, WhatIsKeptOfADeletedNamespaceIsNotLoaded) {
  ask(AlarmKind::kCron, "CREATE", {{"cron", "* * * * * *"}});
  uuid = "uuid-2";
  start();
  run_until([&] { return alarms.kept.empty(); });
  EXPECT_EQ(ask(AlarmKind::kCron, "READ").outcome, entity::Outcome::kApplicationError);
}

// Its row went with its namespace, and a new namespace has the very key of the old one.
TEST_F(AlarmClockTest, ARingDoesNotBringARowBack) {
  ask(AlarmKind::kCron, "CREATE", {{"cron", "0 0 1 1 *"}});
  alarms.kept.at("guest/t").next_ms = system_clock().wall_ms() - 5000;
  start();
  alarms.kept.clear();  // once it was read
  run_until(
      [&] { return ask(AlarmKind::kCron, "READ").outcome == entity::Outcome::kApplicationError; });
  EXPECT_TRUE(fired.empty());
  EXPECT_TRUE(alarms.kept.empty());
}

TEST_F(AlarmClockTest, ARingThatIsKeptIsFiredThoughItStops) {
  ask(AlarmKind::kOnce, "CREATE", {{"date", soon()}});
  const auto end = std::chrono::steady_clock::now() + 60s;
  // Stopped as soon as the ring is on its way to the disk.
  while (alarms.kept.at("guest/t").next_ms != 0 && std::chrono::steady_clock::now() < end) {
    io.restart();
    io.run_one_for(10ms);
  }
  ASSERT_EQ(alarms.kept.at("guest/t").next_ms, 0);
  EXPECT_TRUE(fired.empty());
  clock->stop();
  run_until([&] { return !fired.empty(); });
}

TEST_F(AlarmClockTest, OneWhoseTimeIsPastIsPausedAndGoesOn) {
  ask(AlarmKind::kOnce, "CREATE", {{"date", soon()}});
  run_until([&] { return !fired.empty(); });
  for (const char* event : {"PAUSE", "UNPAUSE"}) {
    const Response answer = ask(AlarmKind::kOnce, event);
    ASSERT_EQ(answer.outcome, entity::Outcome::kSuccess) << answer.result;
    EXPECT_EQ(json::parse(answer.result).at("status").at("active"), false);
  }
}

TEST_F(AlarmClockTest, UntilWhatWasKeptIsReadNobodyIsToldThatThereIsNothing) {
  ask(AlarmKind::kCron, "CREATE", {{"cron", "0 0 1 1 *"}});
  start();
  EXPECT_EQ(ask_now(AlarmKind::kCron, "READ").outcome, entity::Outcome::kWhiskError);
  EXPECT_EQ(ask(AlarmKind::kCron, "READ").outcome, entity::Outcome::kSuccess);
}

TEST(Utilities, DoWhatTheirNamesSay) {
  std::map<std::string, json::value> results;
  const json::object arguments{{"lines", json::array{"b", "a"}}, {"payload", "x\r\ny"}};
  for (const Utility& utility : utilities(system_clock())) {
    utility.run({}, arguments, [&](const Response& response) {
      results[std::string(utility.name)] = json::parse(response.result);
    });
  }
  EXPECT_EQ(results["echo"], json::value(arguments));
  EXPECT_EQ(results["sort"], json::parse(R"({"lines":["a","b"],"length":2})"));
  EXPECT_EQ(results["split"], json::parse(R"({"lines":["x","y"],"payload":"x\r\ny"})"));
  EXPECT_EQ(results["cat"].at("payload"), "b\na");
  EXPECT_TRUE(parse_date(results["date"].at("date")));
}

}  // namespace
}  // namespace berth::activation
