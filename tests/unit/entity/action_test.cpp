// SPDX-License-Identifier: Apache-2.0
#include "entity/action.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <gtest/gtest.h>
#include <utility>

#include "base/json.hpp"
#include "entity/entity.hpp"

namespace berth::entity {
namespace {

using boost::json::serialize;

Result<Parameters> parse(std::string_view text) {
  return parse_parameters(parse_json(text).value(), "parameters");
}

Action example() {
  Action action;
  action.namespace_name = "guest";
  action.package = "demo";
  action.name = "hello";
  action.version = "0.0.3";
  action.updated_ms = 1700000000000;
  action.exec.kind = "nodejs:20";
  action.exec.main = "main";
  action.exec.code = "function main() {}";
  action.parameters = {{"name", "Jane"}, {"DB", "x", true}};
  action.annotations = {{"provide-api-key", false}, {"exec", "nodejs:20"}};
  return action;
}

TEST(Action, Paths) {
  Action action = example();
  EXPECT_EQ(action.path(), "guest/demo/hello");
  EXPECT_EQ(action.namespace_path(), "guest/demo");
  action.package.clear();
  EXPECT_EQ(action.path(), "guest/hello");
  EXPECT_EQ(action.namespace_path(), "guest");
}

TEST(Action, Annotations) {
  const Action action = example();
  ASSERT_NE(action.annotation("exec"), nullptr);
  EXPECT_EQ(action.annotation("exec")->as_string(), "nodejs:20");
  EXPECT_EQ(action.annotation("none"), nullptr);
}

// Byte for byte as OpenWhisk's clients know it.
TEST(Action, Json) {
  EXPECT_EQ(
      serialize(to_json(example(), false)),
      R"({"namespace":"guest/demo","name":"hello","version":"0.0.3","publish":false,"updated":1700000000000,)"
      R"("exec":{"kind":"nodejs:20","main":"main","binary":false},)"
      R"("parameters":[{"key":"name","value":"Jane"},{"key":"DB","value":"x","init":true}],)"
      R"("annotations":[{"key":"provide-api-key","value":false},{"key":"exec","value":"nodejs:20"}],)"
      R"("limits":{"timeout":60000,"memory":256,"logs":10,"concurrency":1}})");
  EXPECT_EQ(serialize(to_json(example(), true).at("exec")),
            R"({"kind":"nodejs:20","code":"function main() {}","main":"main","binary":false})");
}

TEST(Action, JsonOfOtherKinds) {
  Action action = example();
  action.exec = {};
  action.exec.kind = "blackbox";
  action.exec.image = "openwhisk/dockerskeleton";
  EXPECT_EQ(serialize(to_json(action, true).at("exec")),
            R"({"kind":"blackbox","image":"openwhisk/dockerskeleton","binary":false})");
  action.exec = {};
  action.exec.kind = "sequence";
  action.exec.components = {"/guest/a", "/guest/p/b"};
  EXPECT_EQ(serialize(to_json(action, true).at("exec")),
            R"({"kind":"sequence","components":["/guest/a","/guest/p/b"]})");
}

TEST(Action, SummaryHasNoCodeAndNoParameters) {
  EXPECT_EQ(
      serialize(to_summary(example())),
      R"({"namespace":"guest/demo","name":"hello","version":"0.0.3","publish":false,"updated":1700000000000,)"
      R"("exec":{"binary":false},"annotations":[{"key":"provide-api-key","value":false},{"key":"exec","value":"nodejs:20"}],)"
      R"("limits":{"timeout":60000,"memory":256,"logs":10,"concurrency":1}})");
}

TEST(Action, ComesBackFromTheStore) {
  Action action = example();
  action.revision = 77;
  action.publish = true;
  action.exec.binary = true;
  action.exec.image = "i";
  action.exec.components = {"/a/b"};
  action.exec.code = std::string("zero \0 \xc3\xa4 \"", 11);
  action.limits = {1, 2, 3, 4};
  action.parameters.push_back({"deep", parse_json(R"({"a":[1,2.5,null,{"b":-1}]})").value()});
  const std::string text = serialize(action);
  const auto back = deserialize_action(text);
  ASSERT_TRUE(back) << back.error().to_string();
  EXPECT_EQ(serialize(*back), text);
  EXPECT_EQ(back->exec.code, action.exec.code);
  EXPECT_EQ(back->revision, 77u);
}

TEST(Action, DamageInTheStoreIsDataLoss) {
  for (const char* text : {"", "{", "[]", "{}", R"({"namespace":3})"}) {
    const auto action = deserialize_action(text);
    ASSERT_FALSE(action) << text;
    EXPECT_EQ(action.error().code(), StatusCode::kDataLoss);
  }
  std::string text = serialize(example());
  text.replace(text.find("\"memory\":256"), 12, "\"memory\":\"x\"");
  EXPECT_EQ(deserialize_action(text).error().message(), "stored action is damaged: member memory");
}

TEST(Parameters, Parse) {
  const auto read =
      parse(R"([{"key":"a","value":null},{"key":"B","value":{"x":[1]},"init":true}])");
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(serialize(to_json(*read)),
            R"([{"key":"a","value":null},{"key":"B","value":{"x":[1]},"init":true}])");
}

TEST(Parameters, AKeyAloneHasTheValueNull) {
  EXPECT_EQ(serialize(to_json(*parse(R"([{"key":"a"}])"))), R"([{"key":"a","value":null}])");
}

TEST(Parameters, TheLastOfAKeyCounts) {
  EXPECT_EQ(
      serialize(to_json(*parse(
          R"([{"key":"a","value":1},{"key":"b","value":2},{"key":"a","value":3,"init":false}])"))),
      R"([{"key":"a","value":3},{"key":"b","value":2}])");
}

// As many as a client may send: no step looks at all the others.
TEST(Parameters, ManyAreReadAndMerged) {
  constexpr std::size_t kMany = 200'000;
  boost::json::array list;
  for (std::size_t i = 0; i < kMany; ++i) {
    list.emplace_back(boost::json::object{{"key", std::to_string(i % (kMany / 2))}, {"value", i}});
  }
  const auto read = parse_parameters(std::move(list), "parameters");
  ASSERT_TRUE(read);
  ASSERT_EQ(read->size(), kMany / 2);
  EXPECT_EQ(read->front().value, kMany / 2);
  EXPECT_EQ(read->back().value, kMany - 1);
  Parameters over = *read;
  for (Parameter& parameter : over) parameter.key += "+";
  over.push_back({.key = "0", .value = "over"});
  const Parameters merged = merge(*read, over);
  ASSERT_EQ(merged.size(), kMany);
  EXPECT_EQ(merged.front().value, "over");
  EXPECT_EQ(merged.back().key, over[kMany / 2 - 1].key);
}

TEST(Parameters, AnAnnotationIsNotEncrypted) {
  const auto json = boost::json::parse(R"([{"key":"a","value":"text","encryption":"aes-128"}])");
  const auto annotations = parse_parameters(json, "annotations");
  ASSERT_TRUE(annotations);
  EXPECT_EQ(annotations->front().value, "text");
  EXPECT_EQ(annotations->front().encryption, "");
  EXPECT_EQ(parse_parameters(json, "parameters")->front().sealed, "text");
}

TEST(Parameters, AKeyWithoutValueIsNull) {
  EXPECT_EQ(serialize(to_json(*parse(R"([{"key":"a"}])"))), R"([{"key":"a","value":null}])");
}

TEST(Parameters, ErrorsNameThePointer) {
  const std::vector<std::pair<const char*, const char*>> cases{
      {R"({"a":1})", R"(/parameters: must be an array of {"key", "value"})"},
      {R"([1])", "/parameters/0: must be an object with key and value"},
      {R"([{"key":"a","value":1},{"value":1}])", "/parameters/1: has no key"},
      {R"([{"key":"a","value":1},{"key":"b","value":1},{"key":3,"value":1}])",
       "/parameters/2/key: must be a string"},
      {R"([{"key":"","value":1}])", "/parameters/0/key: must not be empty"},
      {R"([{"key":"a","value":1,"init":"yes"}])", "/parameters/0/init: must be true or false"},
  };
  for (const auto& [json, text] : cases) {
    const auto read = parse(json);
    ASSERT_FALSE(read) << json;
    EXPECT_EQ(read.error().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(read.error().message(), text);
  }
}

TEST(Truth, OpenWhisks) {
  for (const char* json :
       {"true", "1", "-1", "0.5", "\"x\"", "\"false\"", "{}", "[]", "18446744073709551615"}) {
    EXPECT_TRUE(is_truthy(parse_json(json).value())) << json;
  }
  for (const char* json : {"false", "null", "0", "0.0", "\"\""}) {
    EXPECT_FALSE(is_truthy(parse_json(json).value())) << json;
  }
}

TEST(LooksBinary, StrictBase64Only) {
  EXPECT_TRUE(looks_binary("UEsDBA=="));
  EXPECT_TRUE(looks_binary("  UEsDBBQA\n"));
  EXPECT_TRUE(looks_binary("abc="));
  for (const char* code : {"", "   ", "abc", "abc==", "a===", "ab=c",
                           "UEsD BA==", "UEsDBA=\n=", "def main(args): return {}", "UEsD-_=="}) {
    EXPECT_FALSE(looks_binary(code)) << code;
  }
}

}  // namespace
}  // namespace berth::entity
