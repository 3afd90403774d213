// SPDX-License-Identifier: Apache-2.0
#include "plugin/describe.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/json.hpp"
#include "plugin/schema_rules.hpp"

namespace berth::plugin {
namespace {

namespace json = boost::json;

// Names and details come from files: a control character must not reach a terminal.
std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f) {
      result += fmt::format("\\x{:02x}", byte);
    } else {
      result += c;
    }
  }
  return result;
}

// As it is if it is UTF-8, which a file's name need not be; else with the bytes beyond ASCII
// escaped.
std::string utf8(const std::string& text) {
  if (parse_json(json_quote(text))) return text;
  std::string result;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    result += byte < 0x80 ? std::string(1, c) : fmt::format("\\x{:02x}", byte);
  }
  return result;
}

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk: return "ok";
    case Verdict::kRefused: return "refused";
    case Verdict::kNotChecked: return "not checked";
  }
  return "";
}

std::string joined(const std::vector<std::string>& words, std::string_view if_empty) {
  return words.empty() ? std::string(if_empty) : fmt::format("{}", fmt::join(words, ", "));
}

json::array to_json(const std::vector<std::string>& words) {
  return json::array(words.begin(), words.end());
}

// It was parsed before it got into the manifest.
json::value schema_of(const Manifest& manifest) {
  return parse_json(manifest.config_schema).value();
}

json::object to_json(const Manifest& manifest) {
  return {{"name", manifest.name},
          {"id", manifest.id},
          {"version", manifest.version},
          {"abi", plugin::to_string(manifest.abi)},
          {"provides", to_json(manifest.provides)},
          {"needs", to_json(manifest.needs)},
          {"flags", to_json(manifest.flags)},
          {"config_schema", schema_of(manifest)}};
}

std::vector<std::string> secrets_of(const Manifest& manifest) {
  const auto schema = ConfigSchema::parse(manifest.config_schema);
  return schema ? schema->secrets() : std::vector<std::string>();
}

// The settings a plugin takes, one a line: key, type, default, description.
std::string settings_text(const Manifest& manifest) {
  const json::value schema = schema_of(manifest);
  const auto rules = ConfigSchema::parse(manifest.config_schema);
  const json::value* properties = schema.as_object().if_contains("properties");
  if (!properties || !properties->is_object()) return {};
  std::string text;
  for (const auto& [name, setting] : properties->get_object()) {
    const json::object& facts = setting.as_object();
    const auto word = [&](std::string_view key) -> std::string {
      const json::value* value = facts.if_contains(key);
      if (!value) return {};
      return value->is_string() ? std::string(value->get_string()) : json::serialize(*value);
    };
    std::string line(name);
    if (const std::string type = word("type"); !type.empty()) line += " (" + type + ")";
    if (facts.contains("default")) line += ", default " + json::serialize(facts.at("default"));
    if (rules && rules->is_secret(pointer_append("", name))) line += ", secret";
    if (const std::string what = word("description"); !what.empty()) line += ": " + what;
    text += "  " + printable(line) + "\n";
  }
  return text;
}

}  // namespace

std::string list_text(const PluginDirectory& directory) {
  using Row = std::array<std::string, 5>;
  std::vector<Row> rows = {{"NAME", "VERSION", "PROVIDES", "FILE", "STATE"}};
  std::string refusals;
  for (const PluginListing& plugin : directory.plugins()) {
    rows.push_back(
        {plugin.name.empty() ? "-" : plugin.name, plugin.manifest ? plugin.manifest->version : "-",
         plugin.manifest ? joined(plugin.manifest->provides, "-") : "-",
         printable(plugin.file.filename().string()), plugin.status.ok() ? "ok" : "refused"});
    if (!plugin.status.ok()) refusals += printable(plugin.status.message()) + "\n";
  }
  if (rows.size() == 1) {
    return fmt::format("no plugins (libberth_*.so) in {}\n", printable(directory.path().string()));
  }
  std::array<std::size_t, 5> widths{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += i + 1 == row.size() ? row[i] : fmt::format("{:<{}}  ", row[i], widths[i]);
    }
    text += line + "\n";
  }
  return refusals.empty() ? text : text + "\n" + refusals;
}

json::value list_json(const PluginDirectory& directory) {
  json::array plugins;
  for (const PluginListing& plugin : directory.plugins()) {
    json::object entry{{"name", plugin.name},
                       {"file", utf8(plugin.file.string())},
                       {"sha256", plugin.sha256},
                       {"state", plugin.status.ok() ? "ok" : "refused"}};
    if (plugin.manifest) {
      entry["id"] = plugin.manifest->id;
      entry["version"] = plugin.manifest->version;
      entry["provides"] = to_json(plugin.manifest->provides);
    }
    if (!plugin.status.ok()) entry["error"] = utf8(plugin.status.message());
    plugins.push_back(std::move(entry));
  }
  return json::object{{"directory", utf8(directory.path().string())},
                      {"plugins", std::move(plugins)}};
}

std::string inspect_text(const Examination& examination) {
  std::string text = fmt::format("file      {}\n", printable(examination.file.string()));
  if (!examination.sha256.empty()) text += fmt::format("sha256    {}\n", examination.sha256);
  if (examination.manifest) {
    const Manifest& manifest = *examination.manifest;
    text += fmt::format(
        "name      {}\nversion   {}\nid        {}\nabi       {}\nprovides  {}\nneeds     {}\n"
        "flags     {}\n",
        manifest.name, manifest.version, manifest.id, plugin::to_string(manifest.abi),
        joined(manifest.provides, "-"), joined(manifest.needs, "-"), joined(manifest.flags, "-"));
    if (const std::string settings = settings_text(manifest); !settings.empty()) {
      text += "settings of [plugin." + manifest.name + "]:\n" + settings;
    }
  }
  if (examination.elf && examination.elf->stays_loaded) {
    text += "it cannot be unmapped (NODELETE): a new version needs a restart\n";
  }
  text += "checks:\n";
  for (const Check& check : examination.checks) {
    const std::string verdict =
        check.verdict == Verdict::kRefused ? "REFUSED" : std::string(to_string(check.verdict));
    text += fmt::format("  {:<12} {:<12} {}\n", check.rule, verdict, printable(check.detail));
    if (!check.mend.empty()) text += fmt::format("  {:<25} mend: {}\n", "", printable(check.mend));
  }
  text += examination.ok() ? "This plugin would be loaded.\n" : "This plugin would be refused.\n";
  return text;
}

json::value inspect_json(const Examination& examination) {
  json::array checks;
  for (const Check& check : examination.checks) {
    json::object entry{{"rule", check.rule},
                       {"verdict", to_string(check.verdict)},
                       {"detail", utf8(check.detail)}};
    if (!check.mend.empty()) entry["mend"] = utf8(check.mend);
    checks.push_back(std::move(entry));
  }
  json::object result{{"file", utf8(examination.file.string())},
                      {"size", examination.size},
                      {"sha256", examination.sha256},
                      {"state", examination.ok() ? "ok" : "refused"},
                      {"checks", std::move(checks)}};
  if (examination.elf) result["needed"] = to_json(examination.elf->needed);
  if (examination.manifest) {
    result["manifest"] = to_json(*examination.manifest);
    result["secrets"] = to_json(secrets_of(*examination.manifest));
  }
  return result;
}

}  // namespace berth::plugin
