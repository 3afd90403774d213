// SPDX-License-Identifier: Apache-2.0
// The API's parts that need no server: routes, queries, credentials, throttle, log lines.
#include <algorithm>
#include <atomic>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <deque>
#include <gtest/gtest.h>
#include <random>
#include <thread>
#include <vector>

#include "api/auth.hpp"
#include "api/documents.hpp"
#include "api/log_reader.hpp"
#include "api/query.hpp"
#include "api/router.hpp"
#include "api/throttle.hpp"
#include "api/wait_list.hpp"
#include "base/base64.hpp"

namespace berth::api {
namespace {

Route route_of(std::string_view path) {
  return route(path).target.route;
}

TEST(Router, KnowsEveryPath) {
  EXPECT_EQ(route_of("/"), Route::kInfo);
  EXPECT_EQ(route_of("/ping"), Route::kPing);
  EXPECT_EQ(route_of("/healthz"), Route::kHealth);
  EXPECT_EQ(route_of("/readyz"), Route::kReady);
  EXPECT_EQ(route_of("/metrics"), Route::kMetrics);
  EXPECT_EQ(route_of("/api/v1"), Route::kApiInfo);
  EXPECT_EQ(route_of("/api/v1/"), Route::kApiInfo);
  EXPECT_EQ(route_of("/api/v1/api-docs"), Route::kApiDocs);
  EXPECT_EQ(route_of("/api/v1/docs"), Route::kDocs);
  EXPECT_EQ(route_of("/api/v1/namespaces"), Route::kNamespaces);
  EXPECT_EQ(route_of("/api/v1/namespaces/"), Route::kNamespaces);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/limits"), Route::kLimits);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/actions"), Route::kActions);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/actions/"), Route::kActions);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/actions/a"), Route::kAction);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/actions/p/"), Route::kPackageActions);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/actions/p/a"), Route::kAction);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/activations"), Route::kActivations);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/activations/x"), Route::kActivation);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/activations/x/logs"), Route::kActivationLogs);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/activations/x/result"), Route::kActivationResult);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/packages"), Route::kPackages);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/packages/p"), Route::kPackage);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/triggers/"), Route::kTriggers);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/triggers/t"), Route::kTrigger);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/rules"), Route::kRules);
  EXPECT_EQ(route_of("/api/v1/namespaces/_/rules/r"), Route::kRule);
  EXPECT_EQ(route_of("/api/v1/web/guest/default/a.json/b/c/d/e/f"), Route::kWeb);
  EXPECT_EQ(route_of("/api/v1/gw/guest/a/b/c/d/e/f"), Route::kGateway);
  EXPECT_EQ(route_of("/api/v1/gw/guest"), Route::kGateway);
  EXPECT_EQ(route_of("/api/v1/gw/"), Route::kNone);
}

// What the description promises there is a route for, and it answers those methods.
TEST(Router, KnowsWhatIsDescribed) {
  const boost::json::value document = boost::json::parse(std::string(openapi_document()));
  std::size_t operations = 0;
  for (const auto& [path, item] : document.at("paths").as_object()) {
    std::string filled(path);
    for (std::size_t at = filled.find('{'); at != std::string::npos; at = filled.find('{')) {
      filled.replace(at, filled.find('}') + 1 - at, "x");
    }
    const Route found = route_of(filled);
    EXPECT_NE(found, Route::kNone) << path;
    for (const auto& [method, operation] : item.as_object()) {
      if (method == "parameters") continue;
      std::string name(method);
      for (char& c : name) c = static_cast<char>(c - 32);
      EXPECT_TRUE(allows(found, name)) << name << ' ' << path;
      ++operations;
    }
  }
  EXPECT_GE(operations, 20u);
}

TEST(Router, RefusesWhatIsNone) {
  for (const std::string_view path :
       {"", "/x", "/ping/", "/api", "/api/v2", "/api/v1x", "/api/v1/x", "/api/v1/namespaces/_",
        "/api/v1/namespaces/_/other", "/api/v1/namespaces/_/actions/p/a/b",
        "/api/v1/namespaces/_/packages/p/a", "/api/v1/namespaces/_/triggers/t/x",
        "/api/v1/namespaces/_/limits/x", "/api/v1/namespaces/_/activations/x/other",
        "/api/v1/namespaces/_/actions/p/a/b/c/d/e/f"}) {
    EXPECT_EQ(route_of(path), Route::kNone) << path;
  }
}

TEST(Router, DecodesNames) {
  const Target target = route("/api/v1/namespaces/my%20ns/actions/p%40k/a%2Fb").target;
  EXPECT_EQ(target.namespace_name, "my ns");
  EXPECT_EQ(target.package, "p@k");
  EXPECT_EQ(target.name, "a/b");  // one name, which the name check then refuses
  EXPECT_TRUE(route("/api/v1/namespaces/_/actions/a%2").malformed);
  EXPECT_TRUE(route("/api/v1/namespaces/%zz/actions").malformed);
}

TEST(Query, ReadsBooleansAsOpenWhiskDoes) {
  const Query query = *Query::parse("a=true&b=NO&c=maybe&d=&e");
  EXPECT_TRUE(*query.boolean("a", false));
  EXPECT_FALSE(*query.boolean("b", true));
  EXPECT_EQ(query.boolean("c", true).error().message,
            "The query parameter 'c' was malformed:\n'maybe' is not a valid Boolean value");
  EXPECT_TRUE(*query.boolean("d", true));
  EXPECT_FALSE(*query.boolean("e", false));
  EXPECT_TRUE(*query.boolean("absent", true));
}

TEST(Query, RefusesNumbersOutsideTheirRange) {
  const Query query = *Query::parse("limit=201&skip=-1&text=x&big=99999999999999999999");
  EXPECT_EQ(query.list_number("limit", 0, 200, 30, "actions").error().message,
            "The value '201' is not in the range of 0 to 200 for actions.");
  EXPECT_EQ(query.list_number("skip", 0, 200, 0, "actions").error().status, 400);
  EXPECT_EQ(query.list_number("text", 0, 200, 30, "actions").error().message,
            "The value 'x' is not an integer for actions.");
  EXPECT_FALSE(query.list_number("big", 0, 200, 30, "actions").has_value());
  EXPECT_EQ(*query.list_number("absent", 0, 200, 30, "actions"), 30);
  EXPECT_FALSE(query.time("skip").has_value());
  EXPECT_FALSE(Query::parse("a=%4").has_value());
}

TEST(Auth, ReadsBasicCredentials) {
  const std::string key = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:a:b";
  const auto read = parse_basic("Basic " + base64_encode(key));
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->uuid, "23bc46b1-71f6-4ed5-8c54-816aa4f8c502");
  EXPECT_EQ(read->secret, "a:b");
  EXPECT_TRUE(parse_basic("bAsIc  " + base64_encode(key)).has_value());
}

TEST(Auth, RefusesWhatIsNoKey) {
  EXPECT_FALSE(parse_basic("").has_value());
  EXPECT_FALSE(parse_basic("Basic").has_value());
  EXPECT_FALSE(parse_basic("Basic !!!!").has_value());
  EXPECT_FALSE(parse_basic("Bearer " + base64_encode("x:y")).has_value());
  EXPECT_FALSE(parse_basic("Basic " + base64_encode("no-uuid:y")).has_value());
  EXPECT_FALSE(
      parse_basic("Basic " + base64_encode("23bc46b1-71f6-4ed5-8c54-816aa4f8c502")).has_value());
  EXPECT_FALSE(parse_basic("Basic " + std::string(100'000, 'A')).has_value());
}

TEST(Throttle, AMinuteSlides) {
  Throttle throttle;
  const Throttles allowed{.invocations_per_minute = 2};
  EXPECT_TRUE(throttle.enter("a", allowed, 60'900).has_value());
  EXPECT_TRUE(throttle.enter("a", allowed, 90'000).has_value());
  const auto refused = throttle.enter("a", allowed, 120'100);
  ASSERT_FALSE(refused.has_value()) << "another minute of the clock has begun";
  EXPECT_EQ(refused.error().status, 429);
  EXPECT_EQ(refused.error().message,
            "Too many requests in the last minute (count: 3, allowed: 2).");
  EXPECT_EQ(refused.error().retry_after.count(), 1);
  EXPECT_TRUE(throttle.enter("b", allowed, 120'100).has_value());
  EXPECT_TRUE(throttle.enter("a", allowed, 121'000).has_value()) << "the first is a minute old";
  const auto again = throttle.enter("a", allowed, 121'000);
  ASSERT_FALSE(again.has_value());
  EXPECT_EQ(again.error().retry_after.count(), 30);
  EXPECT_TRUE(throttle.enter("a", allowed, 1'000'000).has_value());
}

TEST(Throttle, NeverMoreThanAllowedInAnyMinute) {
  std::mt19937 random(4711);
  Throttle throttle;
  const Throttles allowed{.invocations_per_minute = 20};
  std::deque<std::int64_t> taken_at;  // of the last 61 s
  const auto count_since = [&taken_at](std::int64_t then) {
    return std::count_if(taken_at.begin(), taken_at.end(),
                         [then](std::int64_t at) { return at > then; });
  };
  std::int64_t now = 0;
  std::int64_t taken = 0;
  for (int i = 0; i < 20'000; ++i) {
    now += static_cast<std::int64_t>(random() % 2'000);
    while (!taken_at.empty() && taken_at.front() <= now - 61'000) taken_at.pop_front();
    if (throttle.enter("a", allowed, now)) {
      ++taken;
      taken_at.push_back(now);
    } else {
      // Too early by less than a second, if at all.
      ASSERT_GE(taken_at.size(), 20u) << now;
    }
    ASSERT_LE(count_since(now - 60'000), 20) << now;
  }
  // Asked for three times as often as allowed: it gets nearly all that it may.
  EXPECT_GT(taken, now / 60'000 * 20 * 9 / 10);
}

TEST(Throttle, NoneAllowedIsNone) {
  Throttle throttle;
  const auto minute = throttle.enter("a", {.invocations_per_minute = 0}, 0);
  ASSERT_FALSE(minute);
  EXPECT_EQ(minute.error().message, "Too many requests in the last minute (count: 1, allowed: 0).");
  const auto at_once = throttle.enter("a", {.concurrent_invocations = 0}, 0);
  ASSERT_FALSE(at_once);
  EXPECT_EQ(at_once.error().message,
            "Too many concurrent requests in flight (count: 0, allowed: 0).");
  EXPECT_TRUE(throttle.enter("a", {}, 0)) << "where nothing is said everything goes";
}

TEST(Throttle, CountsThoseThatRun) {
  Throttle throttle;
  const Throttles allowed{.concurrent_invocations = 1};
  auto place = throttle.enter("a", allowed, 0);
  ASSERT_TRUE(place.has_value());
  const auto refused = throttle.enter("a", allowed, 600'000);  // still running after minutes
  ASSERT_FALSE(refused.has_value());
  EXPECT_EQ(refused.error().message,
            "Too many concurrent requests in flight (count: 1, allowed: 1).");
  *place = Throttle::Place();
  EXPECT_TRUE(throttle.enter("a", allowed, 600'000).has_value());
}

// Never more than allowed, and none lost, whichever thread asks.
TEST(Throttle, SeveralThreadsShareOneCount) {
  Throttle throttle;
  const Throttles allowed{.invocations_per_minute = 2'000, .concurrent_invocations = 3};
  std::atomic<int> inside = 0;
  std::atomic<int> most = 0;
  std::atomic<int> entered = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      while (entered < 2'000) {
        const auto place = throttle.enter("a", allowed, 0);
        if (!place) {
          std::this_thread::yield();
          continue;
        }
        const int now = ++inside;
        int before = most;
        while (before < now && !most.compare_exchange_weak(before, now)) {
        }
        ++entered;
        --inside;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_LE(most, 3);
  EXPECT_EQ(entered, 2'000);
  EXPECT_EQ(throttle.count("a", 0).last_minute, 2'000);
  EXPECT_EQ(throttle.count("a", 0).running, 0);
}

TEST(Throttle, ZeroIsUnlimited) {
  Throttle throttle;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(throttle.enter("a", {}, 0).has_value());
}

TEST(WaitList, CallsWhatIsDueInItsOrder) {
  boost::asio::io_context io;
  WaitList waiting(io);
  std::vector<int> called;
  waiting.add(std::chrono::milliseconds(30), [&] { called.push_back(3); });
  const auto removed = waiting.add(std::chrono::milliseconds(1), [&] { called.push_back(1); });
  waiting.add(std::chrono::milliseconds(20), [&] { called.push_back(2); });
  waiting.remove(removed);
  io.run();  // ends when nothing waits
  EXPECT_EQ(called, (std::vector<int>{2, 3}));
}

TEST(WaitList, KeepsNothingRunningOnceCleared) {
  boost::asio::io_context io;
  WaitList waiting(io);
  const auto ticket = waiting.add(std::chrono::hours(24), [] { FAIL(); });
  waiting.clear();
  waiting.remove(ticket);  // its owner may come late
  io.run();
}

TEST(LogLine, HasOpenWhisksShape) {
  const auto line = [](std::int64_t time_ns, plugin::Stream stream) {
    return format_log_line({.stream = stream, .time_ns = time_ns, .text = "hello"});
  };
  EXPECT_EQ(line(1561397400'914123456, plugin::Stream::kStdout),
            "2019-06-24T17:30:00.914123456Z stdout: hello");
  EXPECT_EQ(line(1561397400'914120000, plugin::Stream::kStderr),
            "2019-06-24T17:30:00.91412Z     stderr: hello");
  EXPECT_EQ(line(1561397400'000000000, plugin::Stream::kStdout),
            "2019-06-24T17:30:00Z           stdout: hello");
  EXPECT_EQ(line(-1, plugin::Stream::kStdout), "1969-12-31T23:59:59.999999999Z stdout: hello");
}

}  // namespace
}  // namespace berth::api
