// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <algorithm>
#include <array>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "berth/sdk/promise.hpp"
#include "link.hpp"

namespace berth::log_driver {
namespace {

// What a driver cannot do without, so that the operator hears of it at the start and not the user
// when his first container fails.
struct Needed {
  std::string_view driver;
  std::string_view option;
};
constexpr std::array kNeeded = {
    Needed{"splunk", "splunk-token"},   Needed{"splunk", "splunk-url"},
    Needed{"gelf", "gelf-address"},     Needed{"awslogs", "awslogs-group"},
    Needed{"syslog", "syslog-address"},
};

// The drivers that put a container's labels beside each line, and those that have a tag.
constexpr std::array kLabelled = {"splunk", "fluentd", "gelf", "journald", "gcplogs", "json-file"};
constexpr std::array kTagged = {"splunk", "fluentd", "gelf", "journald", "syslog"};

[[noreturn]] void refuse(const std::string& reason) {
  throw sdk::Error(sdk::invalid_argument("plugin.log-driver." + reason));
}

bool has(const Settings& settings, std::string_view option) {
  return std::any_of(settings.options.begin(), settings.options.end(),
                     [&](const auto& given) { return given.first == option; });
}

template <typename Names>
bool among(const Names& names, const std::string& name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string text_of(const boost::json::object& table, std::string_view key) {
  const auto* value = table.if_contains(key);
  const auto* text = value != nullptr ? value->if_string() : nullptr;
  return text != nullptr ? std::string(*text) : std::string();
}

}  // namespace

Settings Settings::parse(std::string_view config_json) {
  boost::system::error_code error;
  const boost::json::value json =
      boost::json::parse(config_json.empty() ? "{}" : config_json, error);
  const auto* table = error ? nullptr : json.if_object();
  if (table == nullptr) throw sdk::Error(sdk::invalid_argument("plugin.log-driver: not a table"));
  Settings settings;
  settings.driver = text_of(*table, "driver");
  settings.where = text_of(*table, "where");
  settings.link = text_of(*table, "link");
  if (settings.driver.empty()) refuse("driver must be given, e.g. driver = \"gelf\"");
  if (const auto* options = table->if_contains("options"); options && options->is_object()) {
    for (const auto& [name, value] : options->get_object()) {
      settings.options.emplace_back(std::string(name), text_of(options->get_object(), name));
    }
  }
  for (const Needed& needed : kNeeded) {
    if (needed.driver == settings.driver && !has(settings, needed.option)) {
      refuse("options needs \"" + std::string(needed.option) + "\" with the driver " +
             settings.driver);
    }
  }
  if (const std::string unknown = unknown_in_link(settings.link); !unknown.empty()) {
    refuse("link has " + unknown + ", which is not known: " + link_names());
  }
  // What makes a line findable again, unless the operator decided otherwise.
  if (among(kLabelled, settings.driver) && !has(settings, "labels") &&
      !has(settings, "labels-regex")) {
    settings.options.emplace_back("labels-regex", "berth");
  }
  if (among(kTagged, settings.driver) && !has(settings, "tag")) {
    settings.options.emplace_back("tag", "{{.Name}}");
  }
  return settings;
}

}  // namespace berth::log_driver
