// SPDX-License-Identifier: Apache-2.0
// Parameters and payloads put together as text.
#include "entity/arguments.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <gtest/gtest.h>
#include <random>

namespace berth::entity {
namespace {

Defaults defaults_of(std::string_view parameters) {
  return Defaults(*parse_parameters(boost::json::parse(std::string(parameters)), "parameters"));
}

std::string merged(std::string_view parameters, std::string_view payload) {
  const auto arguments = merge_arguments(defaults_of(parameters), payload, false);
  return arguments ? *arguments : "error: " + std::string(arguments.error().message());
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
    EXPECT_EQ(arguments.error().code(), StatusCode::kInvalidArgument);
  }
}

TEST(Arguments, AreRefusedWhenTooDeep) {
  const std::string deep = "{\"a\":" + std::string(10'000, '[') + std::string(10'000, ']') + "}";
  EXPECT_FALSE(merge_arguments(Defaults(), deep, false).has_value());
}

TEST(Arguments, CannotOverrideFinalParameters) {
  const Defaults defaults =
      defaults_of(R"([{"key":"a","value":1},{"key":"i","value":1,"init":true}])");
  EXPECT_EQ(merge_arguments(defaults, R"({"\u0061":2})", true).error().code(),
            StatusCode::kFailedPrecondition);
  EXPECT_FALSE(merge_arguments(defaults, R"({"i":2})", true).has_value());
  EXPECT_EQ(*merge_arguments(defaults, R"({"b":2})", true), R"({"a":1,"b":2})");
}

TEST(StepArguments, HandArraysOnAsTheyAre) {
  const Defaults defaults = defaults_of(R"([{"key":"a","value":1}])");
  EXPECT_EQ(*step_arguments(defaults, " [1,\n2] "), "[1, 2]");
  EXPECT_EQ(*step_arguments(defaults, R"({"b":2})"), R"({"a":1,"b":2})");
}

TEST(StepArguments, TakeWhatAnActionMayReturn) {
  const std::string deep = "{\"a\":" + std::string(450, '[') + std::string(450, ']') + "}";
  EXPECT_EQ(*step_arguments(Defaults(), deep), deep);
}

TEST(DefaultsCache, KnowsTheRevision) {
  DefaultsCache cache;
  Action action;
  action.namespace_name = "guest";
  action.name = "a";
  EXPECT_TRUE(cache.of(action)->empty());
  action.parameters = {{.key = "x", .value = 1}};
  action.revision = 1;
  EXPECT_EQ(*merge_arguments(*cache.of(action), "", false), R"({"x":1})");
  action.parameters = {{.key = "x", .value = 2}};
  EXPECT_EQ(*merge_arguments(*cache.of(action), "", false), R"({"x":1})") << "the same revision";
  action.revision = 2;
  EXPECT_EQ(*merge_arguments(*cache.of(action), "", false), R"({"x":2})");
}

TEST(DefaultsCache, IsBoundedByBytes) {
  DefaultsCache cache;
  const auto prepare = [&cache](const char* name) {
    Action action;
    action.namespace_name = "guest";
    action.name = name;
    action.parameters = {{.key = "x", .value = boost::json::value(std::string(24u << 20, 'x'))}};
    return std::weak_ptr<const Defaults>(cache.of(action));
  };
  const auto first = prepare("a");
  EXPECT_FALSE(first.expired());
  prepare("b");
  prepare("c");
  EXPECT_TRUE(first.expired());
}

}  // namespace
}  // namespace berth::entity
