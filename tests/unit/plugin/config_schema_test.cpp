// SPDX-License-Identifier: Apache-2.0
#include "plugin/config_schema.hpp"

#include "plugin_files.hpp"

namespace berth::plugin {
namespace {

std::string fault(std::string_view schema, std::string_view config) {
  const auto parsed = ConfigSchema::parse(schema);
  if (!parsed) return "no schema: " + parsed.error().message();
  const Status status = parsed->check(config, "plugin.x");
  if (status.ok()) return "fine";
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument);
  return status.message();
}

std::string schema_fault(std::string_view schema) {
  const auto parsed = ConfigSchema::parse(schema);
  return parsed ? "fine" : parsed.error().message();
}

constexpr const char* kSchema = R"({
  "$schema": "http://json-schema.org/draft-04/schema#",
  "type": "object", "additionalProperties": false, "required": ["url"],
  "definitions": {"secret": {"type": "string", "writeOnly": true, "minLength": 1}},
  "properties": {
    "url": {"type": "string", "pattern": "^https?://", "description": "where it is"},
    "token": {"$ref": "#/definitions/secret"},
    "ttl": {"type": "integer", "minimum": 1, "maximum": 60, "default": 30},
    "mode": {"enum": ["fast", "safe"]},
    "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": true},
    "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 2, "uniqueItems": true},
    "images": {"type": "object", "additionalProperties": {"type": "string"}},
    "users": {"type": "array", "items": {"type": "object", "properties":
        {"password": {"$ref": "#/definitions/secret"}, "name": {"type": "string"}}}},
    "auth": {"anyOf": [{"type": "null"}, {"type": "object", "required": ["key"],
        "properties": {"key": {"type": "string", "writeOnly": true}}}]}
  }})";

TEST(ConfigSchema, AcceptsWhatFits) {
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a"})"), "fine");
  EXPECT_EQ(fault(kSchema, R"({"url": "https://a", "token": "t", "ttl": 60, "mode": "safe",
      "ratio": 0.5, "tags": ["a", "b"], "images": {"python:3": "x"}, "auth": {"key": "k"},
      "users": [{"password": "p"}]})"),
            "fine");
  EXPECT_EQ(fault("{}", R"({"anything": [1]})"), "fine");
}

TEST(ConfigSchema, SaysWhatIsWrongWhere) {
  EXPECT_EQ(fault(kSchema, "{}"), "plugin.x (JSON pointer \"\") lacks the key url. Mend: set url");
  EXPECT_EQ(fault(kSchema, R"({"url": 7})"),
            "plugin.x.url (JSON pointer \"/url\") must be text, but is an integer");
  EXPECT_EQ(fault(kSchema, R"({"url": "ftp://a"})"),
            "plugin.x.url (JSON pointer \"/url\") must match the pattern \"^https?://\"");
  EXPECT_EQ(
      fault(kSchema, R"({"url": "http://a", "tll": 7})"),
      "plugin.x.tll (JSON pointer \"/tll\") is not a key this plugin knows. Mend: remove it, or "
      "use one of auth, images, mode, ratio, tags, token, ttl, url, users");
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a", "ttl": 0})"),
            "plugin.x.ttl (JSON pointer \"/ttl\") must be at least 1");
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a", "ttl": 61})"),
            "plugin.x.ttl (JSON pointer \"/ttl\") must be at most 60");
  EXPECT_EQ(
      fault(kSchema, R"({"url": "http://a", "ttl": 1.5})"),
      "plugin.x.ttl (JSON pointer \"/ttl\") must be an integer, but is a number with a fraction");
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a", "ratio": 0})"),
            "plugin.x.ratio (JSON pointer \"/ratio\") must be more than 0");
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a", "mode": "slow"})"),
            "plugin.x.mode (JSON pointer \"/mode\") must be one of \"fast\", \"safe\"");
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a", "tags": ["a", 1]})"),
            "plugin.x.tags.1 (JSON pointer \"/tags/1\") must be text, but is an integer");
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a", "tags": ["a", "b", "c"]})"),
            "plugin.x.tags (JSON pointer \"/tags\") must have at most 2 items");
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a", "tags": ["a", "a"]})"),
            "plugin.x.tags.1 (JSON pointer \"/tags/1\") must not have the same item twice");
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a", "images": {"a/b:3": 1}})"),
            "plugin.x.images.\"a/b:3\" (JSON pointer \"/images/a~1b:3\") must be text, but is an "
            "integer");
  EXPECT_EQ(fault(kSchema, R"({"url": "http://a", "auth": {}})"),
            "plugin.x.auth (JSON pointer \"/auth\") has none of the allowed forms, or two at once");
  EXPECT_EQ(fault(kSchema, "[]"), "plugin.x (JSON pointer \"\") must be a table, but is an array");
}

TEST(ConfigSchema, NamesTheLineOfTheFile) {
  const auto schema = ConfigSchema::parse(kSchema);
  ASSERT_TRUE(schema);
  std::string asked;
  const Status status =
      schema->check(R"({"url": "http://a", "ttl": 0})", "plugin.x", [&](std::string_view pointer) {
        asked = pointer;
        return std::string("berth.toml:12");
      });
  EXPECT_EQ(asked, "/ttl");
  EXPECT_EQ(status.message(),
            "berth.toml:12: plugin.x.ttl (JSON pointer \"/ttl\") must be at least 1");
}

TEST(ConfigSchema, NeverShowsAValue) {
  for (const char* config : {R"({"url": "hunter2"})", R"({"url": "http://a", "mode": "hunter2"})",
                             R"({"url": "http://a", "ttl": "hunter2"})",
                             R"({"url": "http://a", "users": ["hunter2"]})"}) {
    const std::string message = fault(kSchema, config);
    EXPECT_NE(message, "fine");
    EXPECT_EQ(message.find("hunter2"), std::string::npos) << message;
  }
}

TEST(ConfigSchema, KnowsItsSecrets) {
  const auto schema = ConfigSchema::parse(kSchema);
  ASSERT_TRUE(schema);
  EXPECT_EQ(schema->secrets(),
            (std::vector<std::string>{"/token", "/users/*/password", "/auth/key"}));
  for (const char* secret : {"/token", "/token/deeper", "/users/0/password", "/auth/key"}) {
    EXPECT_TRUE(schema->is_secret(secret)) << secret;
  }
  for (const char* open : {"", "/url", "/users", "/users/0", "/users/0/name", "/auth", "/tokens"}) {
    EXPECT_FALSE(schema->is_secret(open)) << open;
  }
}

TEST(ConfigSchema, KeywordsThatOnlyCombineAreExplained) {
  EXPECT_EQ(fault(R"({"dependencies": {"a": ["b"]}})", R"({"a": 1})"),
            "plugin.x (JSON pointer \"\") has a key that needs another one to be set, too");
  EXPECT_EQ(fault(R"({"not": {"required": ["a"]}})", R"({"a": 1})"),
            "plugin.x (JSON pointer \"\") has a form that is not allowed");
  EXPECT_EQ(fault(R"({"minProperties": 1})", "{}"),
            "plugin.x (JSON pointer \"\") must have at least 1 keys");
  EXPECT_EQ(fault(R"({"patternProperties": {"^n_": {"multipleOf": 5}}})", R"({"n_a": 7})"),
            "plugin.x.n_a (JSON pointer \"/n_a\") does not fit what is said for keys of its form");
  EXPECT_EQ(fault(R"({"properties": {"a": {"multipleOf": 5}}})", R"({"a": 7})"),
            "plugin.x.a (JSON pointer \"/a\") must be a multiple of 5");
}

TEST(ConfigSchema, PatternsAreWholeEcmaScript) {
  const char* const schema = R"({"properties": {"a": {"pattern": "^\\d+$|^$"}}})";
  EXPECT_EQ(fault(schema, R"({"a": "12"})"), "fine");
  EXPECT_EQ(fault(schema, R"({"a": ""})"), "fine");
  EXPECT_NE(fault(schema, R"({"a": "12x"})"), "fine");
}

TEST(ConfigSchema, TextThatAPatternIsTriedOnIsBounded) {
  const char* const schema = R"({"properties": {"a": {"pattern": "^(a|b)*$"}}})";
  EXPECT_EQ(fault(schema, R"({"a": ")" + std::string(1024, 'a') + "\"}"), "fine");
  EXPECT_EQ(fault(schema, R"({"a": ")" + std::string(1025, 'a') + "\"}"),
            "plugin.x.a (JSON pointer \"/a\") must have at most 1024 characters");
}

TEST(ConfigSchema, RefusesWhatIsNoSchema) {
  const std::pair<const char*, const char*> cases[] = {
      {"[]", "the root: is not an object"},
      {R"({"type": "array"})", "/type: is not \"object\", but a plugin's settings are a table"},
      {R"({"Properties": {}})", "/Properties: is not a keyword of JSON Schema draft 4"},
      {R"({"const": 1})", "/const: is not a keyword of JSON Schema draft 4"},
      {R"({"properties": []})", "/properties: is not an object of schemas"},
      {R"({"properties": {"a": true}})", "/properties/a: is not an object"},
      {R"({"properties": {"a": {"type": "int"}}})",
       "/properties/a/type: is not a type's name or an array of different ones"},
      {R"({"properties": {"a/b": {"minimum": "1"}}})", "/properties/a~1b/minimum: is not a number"},
      {R"({"required": []})", "/required: is not an array of at least one name, all different"},
      {R"({"required": ["a", "a"]})",
       "/required: is not an array of at least one name, all different"},
      {R"({"minProperties": -1})", "/minProperties: is not an integer of 0 or more"},
      {R"({"properties": {"a": {"enum": [{}]}}})",
       "/properties/a/enum: is not an array of at least one text, number, boolean or null"},
      {R"({"properties": {"a": {"multipleOf": 0}}})",
       "/properties/a/multipleOf: is not a number above 0"},
      {R"({"properties": {"a": {"exclusiveMinimum": true}}})",
       "/properties/a/exclusiveMinimum: stands without \"minimum\""},
      {R"({"anyOf": []})", "/anyOf: is not an array of at least one schema"},
      {R"({"properties": {"a": {"writeOnly": "yes"}}})",
       "/properties/a/writeOnly: is not true or false"},
      {R"({"properties": {"a": {"$ref": "other.json#/a"}}})",
       "/properties/a/$ref: does not name an entry of #/definitions/"},
      {R"({"properties": {"a": {"$ref": "#/definitions/b"}}})",
       "/properties/a/$ref: does not name an entry of #/definitions/"},
      {R"({"properties": {"a": {"$ref": "#/definitions/b"}}, "definitions": {"b":
          {"properties": {"c": {"$ref": "#/definitions/b"}}}}})",
       "/definitions/b/properties/c/$ref: recurses: b refers to itself"},
      {R"({"properties": {"a": {"$ref": "#/definitions/b", "minimum": 1}}, "definitions": {"b": {}}})",
       "/properties/a/$ref: stands beside \"minimum\", which would not be looked at"},
      {R"({"definitions": {"b": {"typ": 1}}})",
       "/definitions/b/typ: is not a keyword of JSON Schema draft 4"},
      {R"({"dependencies": {"a": []}})",
       "/dependencies/a: is not an array of at least one name, all different"},
  };
  for (const auto& [schema, expected] : cases) EXPECT_EQ(schema_fault(schema), expected) << schema;
  EXPECT_TRUE(test::has_all(schema_fault(R"({"properties": {"a": {"pattern": "("}}})"),
                            {"/properties/a/pattern: is not a regular expression"}));
  EXPECT_TRUE(test::has_all(schema_fault(R"({"patternProperties": {"[": {}}})"),
                            {"/patternProperties/[: is not a regular expression"}));
}

TEST(ConfigSchema, AnnotationsAreNotTakenForSchemas) {
  // A default that looks like a malformed schema is still only a default.
  EXPECT_EQ(fault(R"({"properties": {"a": {"default": {"patternProperties": 3, "$ref": "#"}}}})",
                  R"({"a": 1})"),
            "fine");
}

TEST(ConfigSchema, BoundsDepthAndSize) {
  std::string deep = "{}";
  for (int i = 0; i < 26; ++i) deep = R"({"properties":{"a":)" + deep + "}}";
  EXPECT_TRUE(test::has_all(schema_fault(deep), {"nested deeper"}));
  // Each definition names the next ten times: ten to the sixth in all.
  std::string wide =
      R"({"properties": {"a": {"$ref": "#/definitions/d0"}}, "definitions": {"d6": {})";
  for (int i = 0; i < 6; ++i) {
    wide += ", \"d" + std::to_string(i) + "\": {\"properties\": {";
    for (int k = 0; k < 10; ++k) {
      wide += std::string(k ? "," : "") + "\"p" + std::to_string(k) +
              "\": {\"$ref\": \"#/definitions/d" + std::to_string(i + 1) + "\"}";
    }
    wide += "}}";
  }
  EXPECT_TRUE(test::has_all(schema_fault(wide + "}}"), {"more than 2000 schemas"}));
}

}  // namespace
}  // namespace berth::plugin
