// SPDX-License-Identifier: Apache-2.0
#include "base/config.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <fmt/format.h>
#include <stdexcept>

#include "base/toml.hpp"

namespace berth::config {
namespace {

struct Unit {
  std::string_view name;
  std::int64_t factor;
};
constexpr Unit kDurationUnits[] = {
    {"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}, {"d", 86'400'000}};
constexpr Unit kSizeUnits[] = {{"B", 1},
                               {"KB", 1024},
                               {"MB", 1024 * 1024},
                               {"GB", 1024ll * 1024 * 1024},
                               {"TB", 1024ll * 1024 * 1024 * 1024}};

template <std::size_t N>
std::optional<std::int64_t> parse_with_unit(std::string_view text, const Unit (&units)[N]) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return std::nullopt;
  std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  for (const Unit& known : units) {
    if (unit == known.name) {
      if (number > INT64_MAX / known.factor) return std::nullopt;
      return number * known.factor;
    }
  }
  return std::nullopt;
}

std::string_view type_text(Type type) {
  switch (type) {
    case Type::kString: return "a string, e.g. \"text\"";
    case Type::kInteger: return "an integer, e.g. 10";
    case Type::kBoolean: return "true or false";
    case Type::kDuration: return "a duration with its unit (ms, s, m, h, d), e.g. \"10s\"";
    case Type::kSize: return "a size with its unit (B, KB, MB, GB), e.g. \"256MB\"";
    case Type::kStringList: return "an array of strings, e.g. [\"a\", \"b\"]";
  }
  return "";
}

// Checks type and range; durations and sizes become integers. Empty: fine, else what is wrong.
std::string normalise(const Key& key, boost::json::value& value) {
  const std::string wrong_type = fmt::format("{} must be {}", key.name, type_text(key.type));
  std::optional<std::int64_t> number;
  switch (key.type) {
    case Type::kString:
      if (!value.is_string()) return wrong_type;
      if (!key.choices.empty() &&
          std::find(key.choices.begin(), key.choices.end(), std::string_view(value.get_string())) ==
              key.choices.end()) {
        return fmt::format("{} must be one of: {}", key.name, fmt::join(key.choices, ", "));
      }
      return {};
    case Type::kBoolean: return value.is_bool() ? "" : wrong_type;
    case Type::kInteger:
      if (!value.is_int64()) return wrong_type;
      number = value.get_int64();
      break;
    case Type::kDuration:
      if (value.is_string()) number = parse_duration_ms(value.get_string());
      break;
    case Type::kSize:
      if (value.is_string()) number = parse_size(value.get_string());
      break;
    case Type::kStringList: {
      if (value.is_string()) value = boost::json::array{value};
      if (!value.is_array()) return wrong_type;
      for (const auto& element : value.get_array()) {
        if (!element.is_string()) return wrong_type;
      }
      return {};
    }
  }
  if (!number) return wrong_type;
  if (*number < key.min || *number > key.max) {
    const std::string_view unit = key.type == Type::kDuration ? " ms"
                                  : key.type == Type::kSize   ? " bytes"
                                                              : "";
    if (key.max == INT64_MAX) {
      return fmt::format("{} is {}{} but must be at least {}{}", key.name, *number, unit, key.min,
                         unit);
    }
    return fmt::format("{} is {}{} but must be from {} to {}{}", key.name, *number, unit, key.min,
                       key.max, unit);
  }
  value = *number;
  return {};
}

// The declared key most like `name`, for "did you mean".
std::string nearest(const std::vector<Key>& keys, std::string_view name) {
  std::string_view best;
  std::size_t best_distance = 4;
  for (const Key& key : keys) {
    std::vector<std::size_t> row(key.name.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) row[j] = j;
    for (std::size_t i = 1; i <= name.size(); ++i) {
      std::size_t diagonal = row[0];
      row[0] = i;
      for (std::size_t j = 1; j < row.size(); ++j) {
        const std::size_t above = row[j];
        row[j] =
            std::min({row[j] + 1, row[j - 1] + 1, diagonal + (name[i - 1] != key.name[j - 1])});
        diagonal = above;
      }
    }
    if (row.back() < best_distance) {
      best_distance = row.back();
      best = key.name;
    }
  }
  return best.empty() ? "" : fmt::format("; did you mean {}?", best);
}

std::string unknown_key(const std::vector<Key>& keys, std::string_view name) {
  return fmt::format("unknown key {}{}", name, nearest(keys, name));
}

// "a.b-c" parts of a dotted key.
std::vector<std::string> split_dots(std::string_view key) {
  std::vector<std::string> parts(1);
  for (const char c : key) {
    if (c == '.') {
      parts.emplace_back();
    } else {
      parts.back().push_back(c);
    }
  }
  return parts;
}

// BERTH_HTTP__LISTEN -> "http.listen"; plugin names have '-' where the variable has '_'. nullopt:
// this is no configuration variable.
std::optional<std::string> environment_key(std::string_view variable,
                                           const std::vector<Key>& keys) {
  constexpr std::string_view kPrefix = "BERTH_";
  if (!variable.starts_with(kPrefix)) return std::nullopt;
  std::string name(variable.substr(kPrefix.size()));
  for (char& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  const bool nested = name.find("__") != std::string::npos;
  std::string key;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '_' && i + 1 < name.size() && name[i + 1] == '_') {
      key.push_back('.');
      ++i;
    } else {
      key.push_back(name[i]);
    }
  }
  if (!nested) {
    const bool known =
        std::any_of(keys.begin(), keys.end(), [&](const Key& k) { return k.name == key; });
    return known ? std::optional(key) : std::nullopt;
  }
  constexpr std::string_view kPlugin = "plugin.";
  if (key.starts_with(kPlugin)) {
    const std::size_t end = key.find('.', kPlugin.size());
    std::replace(
        key.begin() + kPlugin.size(),
        end == std::string::npos ? key.end() : key.begin() + static_cast<std::ptrdiff_t>(end), '_',
        '-');
  }
  return key;
}

}  // namespace

std::string pointer_part(std::string_view key) {
  std::string part;
  for (const char c : key) {
    if (c == '~' || c == '/') {
      part += c == '~' ? "~0" : "~1";
    } else {
      part.push_back(c);
    }
  }
  return part;
}

std::optional<std::int64_t> parse_duration_ms(std::string_view text) {
  return parse_with_unit(text, kDurationUnits);
}

std::optional<std::int64_t> parse_size(std::string_view text) {
  return parse_with_unit(text, kSizeUnits);
}

Result<Document> Document::load(const std::vector<Key>& keys, const Sources& sources) {
  Document document;
  document.keys_ = keys;
  std::vector<std::string> errors;

  const auto find_key = [&](std::string_view name) {
    return std::find_if(keys.begin(), keys.end(), [&](const Key& key) { return key.name == name; });
  };
  const auto assign_declared = [&](const Key& key, boost::json::value value,
                                   const std::string& origin) {
    const std::string wrong = normalise(key, value);
    if (!wrong.empty()) {
      errors.push_back(fmt::format("{}: {}", origin, wrong));
      return;
    }
    document.values_[std::string(key.name)] = {std::move(value), origin};
  };
  const auto assign = [&](const std::string& name, boost::json::value value,
                          const std::string& origin) {
    if (name.starts_with("plugin.")) {
      const auto parts = split_dots(name);
      if (parts.size() < 3 || std::find(parts.begin(), parts.end(), "") != parts.end()) {
        errors.push_back(fmt::format("{}: {} must be plugin.NAME.KEY", origin, name));
        return;
      }
      boost::json::object* table = &document.plugins_[parts[1]];
      std::string pointer;
      for (std::size_t i = 2; i < parts.size(); ++i) {
        pointer += "/" + pointer_part(parts[i]);
        boost::json::value& slot = (*table)[parts[i]];
        if (i + 1 == parts.size()) {
          slot = std::move(value);
          break;
        }
        if (!slot.is_object()) slot = boost::json::object();
        table = &slot.get_object();
      }
      document.plugin_origins_[parts[1] + pointer] = origin;
      return;
    }
    const auto key = find_key(name);
    if (key == keys.end()) {
      errors.push_back(fmt::format("{}: {}", origin, unknown_key(keys, name)));
      return;
    }
    assign_declared(*key, std::move(value), origin);
  };

  for (const Key& key : keys) {
    if (key.default_text.empty()) continue;
    assign_declared(key, toml_value_or_string(key.default_text), "default");
  }
  if (sources.file) {
    auto parsed = read_toml_file(*sources.file);
    if (!parsed) return parsed.error();
    for (TomlEntry& entry : *parsed) {
      const std::string origin = fmt::format("{}:{}", *sources.file, entry.line);
      // Below plugin.NAME tables keep their shape; elsewhere only declared leaves are welcome.
      if (entry.path.size() >= 2 && entry.path[0] == "plugin") {
        boost::json::object& table = document.plugins_[entry.path[1]];
        if (entry.path.size() == 2) {
          if (!entry.is_table) {
            errors.push_back(fmt::format("{}: plugin.{} must be a table", origin, entry.path[1]));
          }
          document.plugin_origins_[entry.path[1]] = origin;
          continue;
        }
        boost::json::object* place = &table;
        std::string pointer;
        for (std::size_t i = 2; i < entry.path.size(); ++i) {
          pointer += "/" + pointer_part(entry.path[i]);
          boost::json::value& slot = (*place)[entry.path[i]];
          if (i + 1 == entry.path.size()) {
            if (entry.is_table) {
              if (!slot.is_object()) slot = boost::json::object();
            } else {
              slot = std::move(entry.value);
            }
            break;
          }
          place = &slot.get_object();
        }
        document.plugin_origins_[entry.path[1] + pointer] = origin;
      } else if (!entry.is_table) {
        assign(fmt::format("{}", fmt::join(entry.path, ".")), std::move(entry.value), origin);
      } else {
        const std::string section = fmt::format("{}", fmt::join(entry.path, "."));
        const bool known =
            section == "plugin" || std::any_of(keys.begin(), keys.end(), [&](const Key& key) {
              return key.name.starts_with(section + ".");
            });
        if (!known) errors.push_back(fmt::format("{}: unknown section [{}]", origin, section));
      }
    }
  }
  for (const auto& [variable, text] : sources.environment) {
    const auto name = environment_key(variable, keys);
    if (name) assign(*name, toml_value_or_string(text), "environment " + variable);
  }
  for (const std::string& set : sources.sets) {
    const std::size_t equals = set.find('=');
    if (equals == std::string::npos || equals == 0) {
      errors.push_back(
          fmt::format("--set {}: must be KEY=VALUE, e.g. --set http.listen=127.0.0.1:80", set));
      continue;
    }
    const std::string name = set.substr(0, equals);
    assign(name, toml_value_or_string(set.substr(equals + 1)), "--set " + name);
  }
  for (const auto& [name, text] : sources.options) {
    const std::size_t dot = name.rfind('.');
    std::string option = "--" + (dot == std::string::npos ? name : name.substr(dot + 1));
    std::replace(option.begin(), option.end(), '_', '-');
    assign(name, boost::json::value(text), option);
  }
  if (!errors.empty()) return sdk::invalid_argument(fmt::format("{}", fmt::join(errors, "\n")));
  return document;
}

const Document::Value& Document::declared(std::string_view key, Type type) const {
  const auto found =
      std::find_if(keys_.begin(), keys_.end(), [&](const Key& k) { return k.name == key; });
  if (found == keys_.end() || found->type != type) {
    throw std::logic_error("configuration key asked for but not declared so: " + std::string(key));
  }
  static const Value kUnset{nullptr, "default"};
  const auto value = values_.find(key);
  return value == values_.end() ? kUnset : value->second;
}

std::string Document::text(std::string_view key) const {
  const Value& value = declared(key, Type::kString);
  return value.json.is_string() ? std::string(value.json.get_string()) : "";
}
std::int64_t Document::integer(std::string_view key) const {
  const Value& value = declared(key, Type::kInteger);
  return value.json.is_int64() ? value.json.get_int64() : 0;
}
bool Document::boolean(std::string_view key) const {
  const Value& value = declared(key, Type::kBoolean);
  return value.json.is_bool() && value.json.get_bool();
}
std::chrono::milliseconds Document::duration(std::string_view key) const {
  const Value& value = declared(key, Type::kDuration);
  return std::chrono::milliseconds(value.json.is_int64() ? value.json.get_int64() : 0);
}
std::uint64_t Document::bytes(std::string_view key) const {
  const Value& value = declared(key, Type::kSize);
  return value.json.is_int64() ? static_cast<std::uint64_t>(value.json.get_int64()) : 0;
}
std::vector<std::string> Document::list(std::string_view key) const {
  const Value& value = declared(key, Type::kStringList);
  std::vector<std::string> elements;
  if (value.json.is_array()) {
    for (const auto& element : value.json.get_array()) elements.emplace_back(element.get_string());
  }
  return elements;
}
bool Document::is_set(std::string_view key) const {
  return origin(key) != "default";
}

boost::json::object Document::plugin(std::string_view name) const {
  const auto found = plugins_.find(name);
  return found == plugins_.end() ? boost::json::object() : found->second;
}

std::vector<std::string> Document::plugins() const {
  std::vector<std::string> names;
  for (const auto& [name, table] : plugins_) names.push_back(name);
  return names;
}

std::string Document::origin(std::string_view key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? "default" : found->second.origin;
}

std::string Document::plugin_origin(std::string_view name, std::string_view json_pointer) const {
  std::string place = std::string(name) + std::string(json_pointer);
  for (;;) {
    const auto found = plugin_origins_.find(place);
    if (found != plugin_origins_.end()) return found->second;
    const std::size_t slash = place.rfind('/');
    if (slash == std::string::npos) return "default";
    place.resize(slash);
  }
}

std::string Document::describe(const std::vector<std::string>& secrets) const {
  const auto is_secret = [&](const std::string& key) {
    return std::find(secrets.begin(), secrets.end(), key) != secrets.end();
  };
  std::string text;
  for (const Key& key : keys_) {
    const auto value = values_.find(key.name);
    std::string shown =
        value == values_.end() ? "(not set)" : boost::json::serialize(value->second.json);
    if (value != values_.end() && key.type == Type::kDuration) shown += " ms";
    if (value != values_.end() && key.type == Type::kSize) shown += " bytes";
    text += fmt::format("{} = {}  # {}\n", key.name, shown, origin(key.name));
  }
  const auto leaves = [&](const auto& self, const std::string& name, const std::string& pointer,
                          const std::string& dotted, const boost::json::value& value) -> void {
    if (value.is_object() && !is_secret(dotted)) {
      for (const auto& member : value.get_object()) {
        const std::string key(member.key());
        self(self, name, pointer + "/" + pointer_part(key), dotted + "." + key, member.value());
      }
      return;
    }
    text += fmt::format("{} = {}  # {}\n", dotted,
                        is_secret(dotted) ? "(secret)" : boost::json::serialize(value),
                        plugin_origin(name, pointer));
  };
  for (const auto& [name, table] : plugins_) leaves(leaves, name, "", "plugin." + name, table);
  return text;
}

std::string reference(const std::vector<Key>& keys) {
  std::string text;
  std::string section;
  for (const Key& key : keys) {
    const std::size_t dot = key.name.rfind('.');
    const std::string own(dot == std::string_view::npos ? "" : key.name.substr(0, dot));
    if (own != section) {
      text += fmt::format("\n[{}]\n", own);
      section = own;
    }
    const std::string_view leaf =
        dot == std::string_view::npos ? key.name : key.name.substr(dot + 1);
    text += fmt::format("# {}\n", key.help);
    if (!key.choices.empty()) text += fmt::format("# One of: {}.\n", fmt::join(key.choices, ", "));
    text += fmt::format("#{} = {}\n", leaf, key.default_text.empty() ? "" : key.default_text);
  }
  return text;
}

}  // namespace berth::config
