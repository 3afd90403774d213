// SPDX-License-Identifier: Apache-2.0
// RapidJSON stays within this file. Its assertions become exceptions: a schema from a file must not
// end the process.
#include <stdexcept>
#define RAPIDJSON_ASSERT(x) \
  if (!(x)) throw std::logic_error("RapidJSON: " #x)
// Being defined at all selects <regex>: its own engine takes '^' anywhere for the start of the
// whole.
#define RAPIDJSON_SCHEMA_USE_INTERNALREGEX 0
#include <algorithm>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <rapidjson/document.h>
#include <rapidjson/error/en.h>
#include <rapidjson/schema.h>
#include <rapidjson/stringbuffer.h>
#include <rapidjson/writer.h>

#include "base/json.hpp"
#include "plugin/config_schema.hpp"
#include "plugin/schema_rules.hpp"

namespace berth::plugin {
namespace {

using Value = rapidjson::Value;

std::string to_text(const Value& value) {
  rapidjson::StringBuffer buffer;
  rapidjson::Writer<rapidjson::StringBuffer> writer(buffer);
  value.Accept(writer);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string to_text(const rapidjson::Pointer& pointer) {
  rapidjson::StringBuffer buffer;
  pointer.Stringify(buffer);
  return {buffer.GetString(), buffer.GetSize()};
}

std::string_view string_of(const Value& value) {
  return {value.GetString(), value.GetStringLength()};
}

std::string_view type_of(const Value& value) {
  if (value.IsObject()) return "a table";
  if (value.IsArray()) return "an array";
  if (value.IsString()) return "text";
  if (value.IsBool()) return "true or false";
  if (value.IsNull()) return "null";
  return value.IsDouble() ? "a number with a fraction" : "an integer";
}

std::string type_words(const Value& type) {
  const auto word = [](const Value& name) -> std::string_view {
    const std::string_view text = string_of(name);
    if (text == "object") return "a table";
    if (text == "array") return "an array";
    if (text == "string") return "text";
    if (text == "boolean") return "true or false";
    if (text == "integer") return "an integer";
    if (text == "number") return "a number";
    return "null";
  };
  if (type.IsString()) return std::string(word(type));
  std::string words;
  for (const Value& one : type.GetArray()) {
    if (!words.empty()) words += " or ";
    words += word(one);
  }
  return words;
}

std::string joined(const std::vector<std::string>& words) {
  return fmt::format("{}", fmt::join(words, ", "));
}

// "/images/python~13" -> {"images", "python/3"}
std::vector<std::string> names_of(std::string_view pointer) {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < pointer.size(); ++i) {
    if (pointer[i] == '/') {
      names.emplace_back();
    } else if (!names.empty() && pointer[i] == '~' && i + 1 < pointer.size()) {
      names.back() += pointer[++i] == '1' ? '/' : '~';
    } else if (!names.empty()) {
      names.back() += pointer[i];
    }
  }
  return names;
}

// The key as one would write it in TOML.
std::string toml_key(std::string_view table, std::string_view pointer) {
  std::string key(table);
  for (const std::string& name : names_of(pointer)) {
    const bool bare = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
             c == '_' || c == '-';
    });
    if (!key.empty()) key += '.';
    key += bare ? name : json_quote(name);
  }
  return key;
}

struct Fault {
  std::string pointer;
  std::string problem;
  std::string mend;
};

Fault missing_keys(Fault fault, const Value& schema, const Value& value) {
  std::vector<std::string> missing;
  if (schema.HasMember("required") && value.IsObject()) {
    for (const Value& name : schema["required"].GetArray()) {
      if (!value.HasMember(name)) missing.emplace_back(string_of(name));
    }
  }
  fault.problem =
      fmt::format("lacks {} {}", missing.size() == 1 ? "the key" : "the keys", joined(missing));
  fault.mend = fmt::format("set {}", joined(missing));
  return fault;
}

Fault unknown_key(Fault fault, const Value& schema) {
  std::vector<std::string> known;
  if (schema.HasMember("properties")) {
    for (const auto& member : schema["properties"].GetObject()) {
      known.emplace_back(string_of(member.name));
    }
  }
  std::sort(known.begin(), known.end());
  fault.problem = "is not a key this plugin knows";
  fault.mend =
      known.empty() ? "remove it" : fmt::format("remove it, or use one of {}", joined(known));
  return fault;
}

// Turns a keyword that did not hold into words. Values of the configuration are not shown.
Fault explain(std::string pointer, std::string_view keyword, const Value& schema,
              const Value& value) {
  Fault fault{std::move(pointer), {}, {}};
  const Value* rule = nullptr;
  if (const auto member = schema.FindMember(Value(keyword.data(), keyword.size()));
      member != schema.MemberEnd()) {
    rule = &member->value;
  }
  const std::string limit = rule ? to_text(*rule) : std::string();
  const auto is = [&](std::string problem) {
    fault.problem = std::move(problem);
    return fault;
  };
  if (keyword == "required") return missing_keys(std::move(fault), schema, value);
  if (keyword == "additionalProperties") return unknown_key(std::move(fault), schema);
  if (keyword == "type" && rule) {
    return is(fmt::format("must be {}, but is {}", type_words(*rule), type_of(value)));
  }
  if (keyword == "enum") {
    std::vector<std::string> allowed;
    for (const Value& one : schema["enum"].GetArray()) allowed.push_back(to_text(one));
    return is(fmt::format("must be one of {}", joined(allowed)));
  }
  const auto exclusive = [&](const char* name) {
    return schema.HasMember(name) && schema[name].IsTrue();
  };
  if (keyword == "minimum") {
    return is((exclusive("exclusiveMinimum") ? "must be more than " : "must be at least ") + limit);
  }
  if (keyword == "maximum") {
    return is((exclusive("exclusiveMaximum") ? "must be less than " : "must be at most ") + limit);
  }
  if (keyword == "multipleOf") return is("must be a multiple of " + limit);
  if (keyword == "minLength") return is(fmt::format("must have at least {} characters", limit));
  if (keyword == "maxLength") return is(fmt::format("must have at most {} characters", limit));
  if (keyword == "pattern") return is("must match the pattern " + limit);
  if (keyword == "minItems") return is(fmt::format("must have at least {} items", limit));
  if (keyword == "maxItems") return is(fmt::format("must have at most {} items", limit));
  if (keyword == "uniqueItems") return is("must not have the same item twice");
  if (keyword == "additionalItems") return is("has more items than it may");
  if (keyword == "minProperties") return is(fmt::format("must have at least {} keys", limit));
  if (keyword == "maxProperties") return is(fmt::format("must have at most {} keys", limit));
  if (keyword == "dependencies") return is("has a key that needs another one to be set, too");
  if (keyword == "patternProperties") return is("does not fit what is said for keys of its form");
  if (keyword == "not") return is("has a form that is not allowed");
  return is("has none of the allowed forms, or two at once");
}

}  // namespace

struct ConfigSchema::Impl {
  rapidjson::Document plain;
  std::unique_ptr<rapidjson::SchemaDocument> compiled;
  std::vector<SecretPath> secrets;
  std::vector<std::string> secret_pointers;
};

Result<ConfigSchema> ConfigSchema::parse(std::string_view json) {
  const auto value = parse_json(json);
  if (!value) return value.error();
  auto plain = make_plain_schema(*value);
  if (!plain) return plain.error();
  auto impl = std::make_shared<Impl>();
  const std::string text = boost::json::serialize(plain->schema);
  try {
    impl->plain.Parse(text.data(), text.size());
    impl->compiled = std::make_unique<rapidjson::SchemaDocument>(impl->plain);
  } catch (const std::exception& error) {
    return sdk::invalid_argument(std::string("the root: cannot be compiled: ") + error.what());
  }
  impl->secrets = std::move(plain->secrets);
  for (const SecretPath& path : impl->secrets) {
    std::string pointer;
    for (const auto& name : path) pointer = pointer_append(pointer, name ? *name : "*");
    impl->secret_pointers.push_back(std::move(pointer));
  }
  return ConfigSchema(std::move(impl));
}

Status ConfigSchema::check(std::string_view config_json, std::string_view table,
                           const Locate& locate) const {
  rapidjson::Document config;
  Fault fault;
  try {
    config.Parse(config_json.data(), config_json.size());
    if (config.HasParseError()) {
      return sdk::invalid_argument(fmt::format(
          "[{}]: not JSON: {}", table, rapidjson::GetParseError_En(config.GetParseError())));
    }
    rapidjson::SchemaValidator validator(*impl_->compiled);
    if (config.Accept(validator)) return {};
    const rapidjson::Pointer at = validator.GetInvalidDocumentPointer();
    const Value* value = at.Get(config);
    const Value* schema = validator.GetInvalidSchemaPointer().Get(impl_->plain);
    fault = explain(to_text(at), validator.GetInvalidSchemaKeyword(),
                    schema ? *schema : impl_->plain, value ? *value : config);
  } catch (const std::exception& error) {
    return sdk::internal(fmt::format("[{}]: cannot be checked: {}", table, error.what()));
  }
  const std::string place = locate ? locate(fault.pointer) : std::string();
  std::string message = place.empty() ? std::string() : place + ": ";
  message += fmt::format("{} (JSON pointer \"{}\") {}", toml_key(table, fault.pointer),
                         fault.pointer, fault.problem);
  if (!fault.mend.empty()) message += fmt::format(". Mend: {}", fault.mend);
  return sdk::invalid_argument(message);
}

const std::vector<std::string>& ConfigSchema::secrets() const {
  return impl_->secret_pointers;
}

bool ConfigSchema::is_secret(std::string_view pointer) const {
  const std::vector<std::string> names = names_of(pointer);
  return std::any_of(impl_->secrets.begin(), impl_->secrets.end(), [&](const SecretPath& path) {
    if (path.size() > names.size()) return false;
    for (std::size_t i = 0; i < path.size(); ++i) {
      if (path[i] && *path[i] != names[i]) return false;
    }
    return true;
  });
}

}  // namespace berth::plugin
