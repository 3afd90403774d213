// SPDX-License-Identifier: Apache-2.0
// The API's parts that need no server: routes, queries, credentials, throttle, arguments, log
// lines.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <deque>
#include <gtest/gtest.h>
#include <random>

#include "api/arguments.hpp"
#include "api/auth.hpp"
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
  EXPECT_EQ(route_of("/api/v1/namespaces/_/triggers/t"), Route::kLater);
  EXPECT_EQ(route_of("/api/v1/web/guest/default/a.json/b/c/d/e/f"), Route::kWeb);
}

TEST(Router, RefusesWhatIsNone) {
  for (const std::string_view path :
       {"", "/x", "/ping/", "/api", "/api/v2", "/api/v1x", "/api/v1/x", "/api/v1/namespaces/_",
        "/api/v1/namespaces/_/other", "/api/v1/namespaces/_/actions/p/a/b",
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

TEST(Throttle, ZeroIsUnlimited) {
  Throttle throttle;
  for (int i = 0; i < 1000; ++i) EXPECT_TRUE(throttle.enter("a", {}, 0).has_value());
}

Defaults defaults_of(std::string_view parameters) {
  return Defaults(
      *entity::parse_parameters(boost::json::parse(std::string(parameters)), "parameters"));
}

std::string merged(std::string_view parameters, std::string_view payload) {
  const auto arguments = merge_arguments(defaults_of(parameters), payload, false);
  return arguments ? *arguments : "error: " + arguments.error().message;
}

TEST(Arguments, OfNothingAreEmpty) {
  EXPECT_EQ(merged("[]", ""), "{}");
  EXPECT_EQ(merged("[]", "  \n "), "{}");
  EXPECT_EQ(merged("[]", " { } "), "{}");
}

TEST(Arguments, KeepThePayloadsText) {
  EXPECT_EQ(merged("[]", R"({"a":1.50e3,"b":12345678901234567890123})"),
            R"({"a":1.50e3,"b":12345678901234567890123})");
}

TEST(Arguments, PutThePayloadOverTheParameters) {
  constexpr std::string_view kParameters = R"([{"key":"a","value":1},{"key":"b","value":{"x":2}}])";
  EXPECT_EQ(merged(kParameters, ""), R"({"a":1,"b":{"x":2}})");
  EXPECT_EQ(merged(kParameters, R"({"c":3})"), R"({"a":1,"b":{"x":2},"c":3})");
  EXPECT_EQ(merged(kParameters, R"({"b":{"y":3}})"), R"({"a":1,"b":{"y":3}})");  // top level only
  EXPECT_EQ(merged(kParameters, R"({"a":0,"b":0})"), R"({"a":0,"b":0})");
  EXPECT_EQ(merged(kParameters, "{}"), R"({"a":1,"b":{"x":2}})");
}

TEST(Arguments, SeeThroughEscapesInKeys) {
  EXPECT_EQ(merged(R"([{"key":"a","value":1}])", R"({"\u0061":2})"), R"({"\u0061":2})");
  EXPECT_EQ(merged(R"([{"key":"ä","value":1}])", R"({"\u00e4":2})"), R"({"\u00e4":2})");
}

TEST(Arguments, KeepNestedKeysOutOfTheMerge) {
  EXPECT_EQ(merged(R"([{"key":"a","value":1}])", R"({"b":{"a":2}})"), R"({"a":1,"b":{"a":2}})");
}

TEST(Arguments, ResolveRepeatedKeysToTheLast) {
  EXPECT_EQ(merged("[]", R"({"a":1,"b":2,"a":3})"), R"({"a":3,"b":2})");
  EXPECT_EQ(merged("[]", R"({"a":1,"\u0061":3})"), R"({"a":3})");
  EXPECT_EQ(merged("[]", R"({"o":[{"k":1,"k":2}]})"), R"({"o":[{"k":2}]})");
  EXPECT_EQ(merged(R"([{"key":"a","value":0}])", R"({"a":1,"a":3})"), R"({"a":3})");
  // The same key in different objects is no repetition.
  EXPECT_EQ(merged("[]", R"({"a":{"k":1.0},"b":{"k":2}})"), R"({"a":{"k":1.0},"b":{"k":2}})");
}

// Any object, also with keys twice, escaped or not; `depth` bounds the nesting.
std::string random_object(std::mt19937& random, int depth) {
  static const std::vector<std::string> kKeys = {"a",        "b",       "\\u0061", "c\\n",
                                                 "\xc3\xa4", "\\u00e4", ""};
  static const std::vector<std::string> kValues = {
      "1", "-0.5e3", "null", "true", "\"x\\\"y\"", "[]", "[1, {\"k\":1,\"k\":2}]", "{ }"};
  static const std::vector<std::string> kBlanks = {"", " ", "\n", "\t\r\n "};
  const auto pick = [&random](const auto& from) { return from[random() % from.size()]; };
  std::string text = pick(kBlanks) + "{" + pick(kBlanks);
  const std::size_t members = random() % 5;
  for (std::size_t i = 0; i < members; ++i) {
    if (i > 0) text += "," + pick(kBlanks);
    text += "\"" + pick(kKeys) + "\"" + pick(kBlanks) + ":" + pick(kBlanks);
    text += depth > 0 && random() % 3 == 0 ? random_object(random, depth - 1) : pick(kValues);
    text += pick(kBlanks);
  }
  return text + "}" + pick(kBlanks);
}

// The tree is the oracle: the text must say what merging trees would say.
TEST(Arguments, AgreeWithMergedTrees) {
  constexpr std::string_view kParameters =
      R"([{"key":"a","value":"A"},{"key":"\u00e4","value":[1]},{"key":"z","value":{}}])";
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    const std::string payload = random_object(random, 3);
    boost::json::object expected{
        {"a", "A"}, {"\xc3\xa4", boost::json::array{1}}, {"z", boost::json::object()}};
    const boost::json::value given = boost::json::parse(payload);
    for (const auto& [key, value] : given.as_object()) expected[key] = value;
    const std::string text = merged(kParameters, payload);
    boost::system::error_code error;
    const boost::json::value tree = boost::json::parse(text, error);
    ASSERT_FALSE(error) << payload << "\n" << text;
    ASSERT_EQ(tree, boost::json::value(expected)) << payload << "\n" << text;
    ASSERT_EQ(text.find('\n'), std::string::npos) << text;
  }
}

TEST(Arguments, AreOneLine) {
  EXPECT_EQ(merged("[]", "{\r\n\"a\": \"x\\ny\"\n}"), R"({"a": "x\ny"})");
  EXPECT_EQ(merged("[]", "{\"a\":\n1}"), R"({"a": 1})");
}

TEST(Arguments, LeaveInitParametersToInit) {
  EXPECT_EQ(merged(R"([{"key":"a","value":1,"init":true},{"key":"b","value":2}])", "{}"),
            R"({"b":2})");
}

TEST(Arguments, AreRefusedUnlessTheyAreAnObject) {
  for (const std::string_view payload :
       {"[]", "1", "\"x\"", "null", "{", "{\"a\":}", "{\"a\":1}x", "{\"a\":1,}", "{'a':1}",
        "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}", "{}{}"}) {
    const auto arguments = merge_arguments(Defaults(), payload, false);
    ASSERT_FALSE(arguments.has_value()) << payload;
    EXPECT_EQ(arguments.error().status, 400);
    EXPECT_TRUE(arguments.error().message.starts_with("The request content was malformed:\n"));
  }
}

TEST(Arguments, AreRefusedWhenTooDeep) {
  const std::string deep = "{\"a\":" + std::string(10'000, '[') + std::string(10'000, ']') + "}";
  EXPECT_FALSE(merge_arguments(Defaults(), deep, false).has_value());
}

TEST(Arguments, CannotOverrideFinalParameters) {
  const Defaults defaults =
      defaults_of(R"([{"key":"a","value":1},{"key":"i","value":1,"init":true}])");
  EXPECT_EQ(merge_arguments(defaults, R"({"\u0061":2})", true).error().message,
            "Request defines parameters that are not allowed (e.g., reserved properties).");
  EXPECT_FALSE(merge_arguments(defaults, R"({"i":2})", true).has_value());
  EXPECT_EQ(*merge_arguments(defaults, R"({"b":2})", true), R"({"a":1,"b":2})");
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
