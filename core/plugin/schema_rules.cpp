// SPDX-License-Identifier: Apache-2.0
#include "plugin/schema_rules.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "base/json.hpp"
#include "plugin/schema_pattern.hpp"

namespace berth::plugin {
namespace {

namespace json = boost::json;

constexpr int kMaxDepth = 24;
// References may repeat a definition often: what results is bounded.
constexpr int kMaxSchemas = 2000;
constexpr int kMaxMatched = 1024;
constexpr std::string_view kDefinitions = "#/definitions/";

constexpr std::array<std::string_view, 7> kTypes = {"array",  "boolean", "integer", "null",
                                                    "number", "object",  "string"};

enum class Form {
  kAnnotation,
  kFlag,  // true or false, of no effect on the check
  kBoolean,
  kCount,  // integer >= 0
  kNumber,
  kPositive,  // number > 0
  kPattern,
  kType,
  kEnum,
  kNames,  // array of different names
  kSchema,
  kSchemaOrBoolean,
  kSchemas,  // array of at least one
  kItems,    // a schema, or an array of them
  kSchemaMap,
  kPatternMap,
  kDependencies,
};

struct Keyword {
  std::string_view name;
  Form form;
  std::string_view expected;
};

constexpr std::array kKeywords = {
    Keyword{"$schema", Form::kAnnotation, ""},
    Keyword{"id", Form::kAnnotation, ""},
    Keyword{"title", Form::kAnnotation, ""},
    Keyword{"description", Form::kAnnotation, ""},
    Keyword{"default", Form::kAnnotation, ""},
    Keyword{"examples", Form::kAnnotation, ""},
    Keyword{"format", Form::kAnnotation, ""},
    Keyword{"readOnly", Form::kFlag, "true or false"},
    Keyword{"writeOnly", Form::kFlag, "true or false"},
    Keyword{"type", Form::kType, "a type's name or an array of different ones"},
    Keyword{"enum", Form::kEnum, "an array of at least one text, number, boolean or null"},
    Keyword{"properties", Form::kSchemaMap, "an object of schemas"},
    Keyword{"patternProperties", Form::kPatternMap, "an object of patterns and schemas"},
    Keyword{"additionalProperties", Form::kSchemaOrBoolean, "a schema, true or false"},
    Keyword{"required", Form::kNames, "an array of at least one name, all different"},
    Keyword{"minProperties", Form::kCount, "an integer of 0 or more"},
    Keyword{"maxProperties", Form::kCount, "an integer of 0 or more"},
    Keyword{"dependencies", Form::kDependencies, "an object of schemas and arrays of names"},
    Keyword{"items", Form::kItems, "a schema or an array of schemas"},
    Keyword{"additionalItems", Form::kSchemaOrBoolean, "a schema, true or false"},
    Keyword{"minItems", Form::kCount, "an integer of 0 or more"},
    Keyword{"maxItems", Form::kCount, "an integer of 0 or more"},
    Keyword{"uniqueItems", Form::kBoolean, "true or false"},
    Keyword{"minLength", Form::kCount, "an integer of 0 or more"},
    Keyword{"maxLength", Form::kCount, "an integer of 0 or more"},
    Keyword{"pattern", Form::kPattern, "a regular expression"},
    Keyword{"minimum", Form::kNumber, "a number"},
    Keyword{"maximum", Form::kNumber, "a number"},
    Keyword{"exclusiveMinimum", Form::kBoolean, "true or false"},
    Keyword{"exclusiveMaximum", Form::kBoolean, "true or false"},
    Keyword{"multipleOf", Form::kPositive, "a number above 0"},
    Keyword{"allOf", Form::kSchemas, "an array of at least one schema"},
    Keyword{"anyOf", Form::kSchemas, "an array of at least one schema"},
    Keyword{"oneOf", Form::kSchemas, "an array of at least one schema"},
    Keyword{"not", Form::kSchema, "a schema"},
};

bool all_different(const json::array& array) {
  for (std::size_t i = 0; i < array.size(); ++i) {
    for (std::size_t k = i + 1; k < array.size(); ++k) {
      if (array[i] == array[k]) return false;
    }
  }
  return true;
}

bool is_type_name(const json::value& value) {
  return value.is_string() && std::find(kTypes.begin(), kTypes.end(),
                                        std::string_view(value.get_string())) != kTypes.end();
}

bool is_names(const json::value& value) {
  return value.is_array() && !value.get_array().empty() &&
         std::all_of(value.get_array().begin(), value.get_array().end(),
                     [](const json::value& name) { return name.is_string(); }) &&
         all_different(value.get_array());
}

// What has no schema inside.
bool is_simple_form_kept(Form form, const json::value& value) {
  switch (form) {
    case Form::kFlag:
    case Form::kBoolean: return value.is_bool();
    case Form::kCount: return (value.is_int64() && value.get_int64() >= 0) || value.is_uint64();
    case Form::kNumber: return value.is_number();
    case Form::kPositive: return value.is_number() && value.to_number<double>() > 0;
    case Form::kType:
      return is_type_name(value) ||
             (value.is_array() && !value.get_array().empty() && all_different(value.get_array()) &&
              std::all_of(value.get_array().begin(), value.get_array().end(), is_type_name));
    case Form::kEnum:
      return value.is_array() && !value.get_array().empty() && all_different(value.get_array()) &&
             std::none_of(value.get_array().begin(), value.get_array().end(),
                          [](const json::value& one) { return one.is_structured(); });
    case Form::kNames: return is_names(value);
    default: return false;
  }
}

class Maker {
 public:
  explicit Maker(const json::object& root) : root_(root) {}

  // Sets `error_` and returns null on the first fault.
  json::value make(const json::value& schema, const std::string& at, const SecretPath& path,
                   int depth);

  const std::string& error() const { return error_; }
  std::vector<SecretPath>& secrets() { return secrets_; }

 private:
  json::value fail(const std::string& at, std::string_view what) {
    if (error_.empty()) error_ = fmt::format("{}: {}", at.empty() ? "the root" : at, what);
    return nullptr;
  }
  json::value make_reference(const json::object& object, const std::string& at,
                             const SecretPath& path, int depth);
  json::value make_keyword(const Keyword& keyword, const json::value& value, const std::string& at,
                           const SecretPath& path, int depth);
  json::value make_array(const json::array& schemas, const std::string& at, const SecretPath& path,
                         bool indexed, int depth);
  json::value make_map(const json::object& schemas, const std::string& at, const SecretPath& path,
                       bool patterns, int depth);
  json::value make_dependencies(const json::object& object, const std::string& at,
                                const SecretPath& path, int depth);
  void check_combinations(const json::object& object, const std::string& at);

  // The matcher recurses with the length of the text.
  static void bound_length(json::object& schema) {
    const auto* length = schema.if_contains("maxLength");
    if (!length || length->to_number<double>() > kMaxMatched) schema["maxLength"] = kMaxMatched;
  }

  static SecretPath below(const SecretPath& path, std::optional<std::string> name) {
    SecretPath result = path;
    result.push_back(std::move(name));
    return result;
  }

  const json::object& root_;
  std::string error_;
  std::vector<SecretPath> secrets_;
  std::vector<std::string> references_;  // being followed
  int schemas_ = 0;
};

json::value Maker::make(const json::value& schema, const std::string& at, const SecretPath& path,
                        int depth) {
  if (!error_.empty()) return nullptr;
  if (!schema.is_object()) return fail(at, "is not an object");
  if (depth > kMaxDepth) return fail(at, fmt::format("is nested deeper than {}", kMaxDepth));
  if (++schemas_ > kMaxSchemas) {
    return fail(at, fmt::format("there are more than {} schemas", kMaxSchemas));
  }
  const json::object& object = schema.get_object();
  if (const auto* secret = object.if_contains("writeOnly"); secret && *secret == true) {
    if (std::find(secrets_.begin(), secrets_.end(), path) == secrets_.end())
      secrets_.push_back(path);
  }
  if (object.contains("$ref")) return make_reference(object, at, path, depth);

  json::object result;
  for (const auto& [name, value] : object) {
    const std::string here = pointer_append(at, name);
    const auto keyword =
        std::find_if(kKeywords.begin(), kKeywords.end(),
                     [&](const Keyword& known) { return known.name == std::string_view(name); });
    if (std::string_view(name) == "definitions" && at.empty()) {
      if (!value.is_object()) return fail(here, "is not an object");
      // A definition nobody refers to is checked, too. It has no place of its own: no secrets.
      for (const auto& [definition, body] : value.get_object()) {
        const std::size_t before = secrets_.size();
        make(body, pointer_append(here, definition), path, depth + 1);
        secrets_.resize(before);
      }
      continue;
    }
    if (keyword == kKeywords.end()) return fail(here, "is not a keyword of JSON Schema draft 4");
    if (keyword->form == Form::kAnnotation) continue;
    json::value made = make_keyword(*keyword, value, here, path, depth);
    if (!error_.empty()) return nullptr;
    if (keyword->form != Form::kFlag) result.emplace(name, std::move(made));
  }
  check_combinations(object, at);
  if (result.contains("pattern")) bound_length(result);
  return result;
}

json::value Maker::make_reference(const json::object& object, const std::string& at,
                                  const SecretPath& path, int depth) {
  const std::string here = pointer_append(at, "$ref");
  for (const auto& member : object) {
    const std::string_view name = member.key();
    if (name != "$ref" && name != "title" && name != "description" && name != "default" &&
        name != "writeOnly" && name != "definitions") {
      return fail(here, fmt::format("stands beside \"{}\", which would not be looked at", name));
    }
  }
  const json::value& target = object.at("$ref");
  const auto* definitions = root_.if_contains("definitions");
  const std::string_view text =
      target.is_string() ? std::string_view(target.get_string()) : std::string_view();
  const json::value* body = nullptr;
  if (text.starts_with(kDefinitions) && definitions && definitions->is_object()) {
    body = definitions->get_object().if_contains(text.substr(kDefinitions.size()));
  }
  if (!body) return fail(here, "does not name an entry of #/definitions/");
  const std::string name(text.substr(kDefinitions.size()));
  if (std::find(references_.begin(), references_.end(), name) != references_.end()) {
    return fail(here, fmt::format("recurses: {} refers to itself", name));
  }
  references_.push_back(name);
  json::value made = make(*body, pointer_append("/definitions", name), path, depth + 1);
  references_.pop_back();
  return made;
}

json::value Maker::make_keyword(const Keyword& keyword, const json::value& value,
                                const std::string& at, const SecretPath& path, int depth) {
  switch (keyword.form) {
    case Form::kPattern:
      if (!value.is_string()) break;
      if (const std::string problem = pattern_problem(value.get_string()); !problem.empty()) {
        return fail(at, problem);
      }
      return value;
    case Form::kSchemaOrBoolean:
      if (value.is_bool()) return value;
      return make(value, at, below(path, std::nullopt), depth + 1);
    case Form::kSchema: {
      // What must not be there is no place for a secret.
      const std::size_t before = secrets_.size();
      json::value made = make(value, at, path, depth + 1);
      secrets_.resize(before);
      return made;
    }
    case Form::kSchemas:
      if (!value.is_array() || value.get_array().empty()) break;
      return make_array(value.get_array(), at, path, false, depth);
    case Form::kItems:
      if (value.is_array()) return make_array(value.get_array(), at, path, true, depth);
      return make(value, at, below(path, std::nullopt), depth + 1);
    case Form::kSchemaMap:
    case Form::kPatternMap:
      if (!value.is_object()) break;
      return make_map(value.get_object(), at, path, keyword.form == Form::kPatternMap, depth);
    case Form::kDependencies:
      if (!value.is_object()) break;
      return make_dependencies(value.get_object(), at, path, depth);
    default:
      if (is_simple_form_kept(keyword.form, value)) return value;
  }
  return fail(at, fmt::format("is not {}", keyword.expected));
}

json::value Maker::make_array(const json::array& schemas, const std::string& at,
                              const SecretPath& path, bool indexed, int depth) {
  json::array result;
  for (std::size_t i = 0; i < schemas.size(); ++i) {
    const std::string index = fmt::to_string(i);
    result.push_back(make(schemas[i], pointer_append(at, index),
                          indexed ? below(path, index) : path, depth + 1));
  }
  return result;
}

json::value Maker::make_map(const json::object& schemas, const std::string& at,
                            const SecretPath& path, bool patterns, int depth) {
  json::object result;
  for (const auto& [name, schema] : schemas) {
    const std::string here = pointer_append(at, name);
    if (patterns) {
      if (const std::string problem = pattern_problem(name); !problem.empty()) {
        return fail(here, problem);
      }
    }
    result.emplace(
        name,
        make(schema, here, below(path, patterns ? std::nullopt : std::optional(std::string(name))),
             depth + 1));
  }
  return result;
}

json::value Maker::make_dependencies(const json::object& object, const std::string& at,
                                     const SecretPath& path, int depth) {
  json::object result;
  for (const auto& [name, value] : object) {
    const std::string here = pointer_append(at, name);
    if (value.is_array() && !is_names(value)) {
      return fail(here, "is not an array of at least one name, all different");
    }
    result.emplace(name, value.is_array() ? value : make(value, here, path, depth + 1));
  }
  return result;
}

void Maker::check_combinations(const json::object& object, const std::string& at) {
  for (const auto& [bound, exclusive] :
       {std::pair("minimum", "exclusiveMinimum"), std::pair("maximum", "exclusiveMaximum")}) {
    if (object.contains(exclusive) && !object.contains(bound)) {
      fail(pointer_append(at, exclusive), fmt::format("stands without \"{}\"", bound));
    }
  }
}

}  // namespace

std::string pointer_append(std::string_view pointer, std::string_view name) {
  std::string result(pointer);
  result += '/';
  for (const char c : name) {
    if (c == '~') {
      result += "~0";
    } else if (c == '/') {
      result += "~1";
    } else {
      result += c;
    }
  }
  return result;
}

Result<PlainSchema> make_plain_schema(const json::value& schema) {
  if (!schema.is_object()) return sdk::invalid_argument("the root: is not an object");
  if (const auto* type = schema.get_object().if_contains("type"); type && *type != "object") {
    return sdk::invalid_argument("/type: is not \"object\", but a plugin's settings are a table");
  }
  Maker maker(schema.get_object());
  PlainSchema plain;
  plain.schema = maker.make(schema, "", {}, 0);
  if (!maker.error().empty()) return sdk::invalid_argument(maker.error());
  plain.secrets = std::move(maker.secrets());
  return plain;
}

}  // namespace berth::plugin
