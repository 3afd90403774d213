// SPDX-License-Identifier: Apache-2.0
#include "backends.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <fmt/format.h>

#include "base/files.hpp"
#include "base/log.hpp"
#include "berth/plugin/container_factory.h"
#include "berth/plugin/log_store.h"

namespace berth::daemon {
namespace {

constexpr std::size_t kMaxSecretBytes = 64 * 1024;

// What a secret given as {file = "..."} or {env = "..."} stands for.
Result<std::string> read_secret(const boost::json::object& reference) {
  if (reference.size() == 1 && reference.begin()->value().is_string()) {
    const std::string where(reference.begin()->value().get_string());
    if (reference.begin()->key() == "file") {
      auto text = read_file(where, kMaxSecretBytes);
      if (!text) return text.error();
      while (text->ends_with('\n') || text->ends_with('\r')) text->pop_back();
      return text;
    }
    if (reference.begin()->key() == "env") {
      const char* value = std::getenv(where.c_str());
      if (!value) return sdk::not_found("environment variable " + where + " is not set");
      return std::string(value);
    }
  }
  return sdk::invalid_argument("must be a string, { file = \"PATH\" } or { env = \"NAME\" }");
}

// Walks a plugin's table: reads secrets in, notes where they are.
class SecretReader {
 public:
  SecretReader(const plugin::ConfigSchema& schema, const config::Document& config, std::string name)
      : schema_(schema), config_(config), name_(std::move(name)) {}

  void walk(boost::json::object& table, const std::string& pointer, const std::string& dotted) {
    for (auto& member : table) {
      const std::string at = pointer + "/" + config::pointer_part(member.key());
      const std::string key = dotted + "." + std::string(member.key());
      if (schema_.is_secret(at)) {
        secrets.push_back(key);
        if (!member.value().is_object()) continue;
        auto text = read_secret(member.value().get_object());
        if (text) {
          member.value() = *text;
        } else {
          errors.push_back(fmt::format("{}: {}: {}", config_.plugin_origin(name_, at), key,
                                       text.error().message()));
        }
      } else if (member.value().is_object()) {
        walk(member.value().get_object(), at, key);
      }
    }
  }

  std::vector<std::string> secrets;
  std::vector<std::string> errors;

 private:
  const plugin::ConfigSchema& schema_;
  const config::Document& config_;
  const std::string name_;
};

plugin::ConfigSchema::Locate locate_in(const config::Document& config, const std::string& name) {
  return [&config, name](std::string_view pointer) { return config.plugin_origin(name, pointer); };
}

}  // namespace

Result<PluginChoice> PluginChoice::make(const config::Document& config,
                                        const std::filesystem::path& directory) {
  auto scanned = plugin::PluginDirectory::scan(directory);
  if (!scanned) return scanned.error().with_context("plugins.directory");
  PluginChoice choice(std::move(*scanned));
  choice.factory_ = config.text("containers.plugin");
  choice.log_stores_ = config.list("logs.plugins");
  if (choice.log_stores_.empty()) choice.log_stores_ = {config.text("logs.plugin")};

  std::vector<std::string> errors;
  const auto check_role = [&](const std::string& name, const char* key,
                              std::string_view interface_id) {
    const auto listing = choice.directory_.find(name);
    if (!listing) {
      errors.push_back(fmt::format("{}: {} = \"{}\": {}", config.origin(key), key, name,
                                   listing.error().message()));
    } else if (!(*listing)->manifest->has_interface(interface_id)) {
      errors.push_back(fmt::format("{}: {} = \"{}\": plugin {} does not provide {}; it provides {}",
                                   config.origin(key), key, name, name, interface_id,
                                   fmt::join((*listing)->manifest->provides, ", ")));
    }
  };
  check_role(choice.factory_, "containers.plugin", BERTH_INTERFACE_CONTAINER_FACTORY);
  const char* logs_key = config.is_set("logs.plugins") ? "logs.plugins" : "logs.plugin";
  for (const std::string& name : choice.log_stores_) {
    check_role(name, logs_key, BERTH_INTERFACE_LOG_STORE);
  }
  for (const std::string& name : config.plugins()) {
    if (!choice.directory_.find(name) && name != choice.factory_ &&
        std::find(choice.log_stores_.begin(), choice.log_stores_.end(), name) ==
            choice.log_stores_.end()) {
      errors.push_back(fmt::format("{}: [plugin.{}]: {}", config.plugin_origin(name, ""), name,
                                   choice.directory_.find(name).error().message()));
    }
  }
  std::vector<std::string> names = choice.log_stores_;
  names.push_back(choice.factory_);
  for (const std::string& name : config.plugins()) names.push_back(name);
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  for (const std::string& name : names) {
    const auto schema = choice.directory_.config_schema(name);
    if (!schema) continue;  // told above
    boost::json::object table = config.plugin(name);
    SecretReader secrets(*schema, config, name);
    secrets.walk(table, "", "plugin." + name);
    errors.insert(errors.end(), secrets.errors.begin(), secrets.errors.end());
    PluginSettings settings{boost::json::serialize(table), std::move(secrets.secrets)};
    if (secrets.errors.empty()) {
      const Status checked =
          choice.directory_.check_config(name, settings.json, locate_in(config, name));
      if (!checked.ok()) errors.push_back(checked.message());
    }
    choice.settings_.emplace_back(name, std::move(settings));
  }
  if (!errors.empty()) return sdk::invalid_argument(fmt::format("{}", fmt::join(errors, "\n")));
  return choice;
}

const PluginSettings& PluginChoice::settings(const std::string& name) const {
  static const PluginSettings kNone{"{}", {}};
  const auto found = std::find_if(settings_.begin(), settings_.end(),
                                  [&](const auto& entry) { return entry.first == name; });
  return found == settings_.end() ? kNone : found->second;
}

std::vector<std::string> PluginChoice::secrets() const {
  std::vector<std::string> all;
  for (const auto& [name, settings] : settings_) {
    all.insert(all.end(), settings.secrets.begin(), settings.secrets.end());
  }
  return all;
}

Status Backends::open_one(const std::string& name, const PluginChoice& choice,
                          const Options& options) {
  const std::string& settings = choice.settings(name).json;
  auto loaded = choice.directory().load(name, settings, locate_in(options.config, name));
  if (!loaded) return loaded.error();
  auto instance =
      plugin::PluginInstance::open(**loaded, {.clock = options.clock,
                                              .metrics = options.metrics,
                                              .state = options.state,
                                              .instance = options.config.text("instance"),
                                              .config_json = settings,
                                              .data_root = options.data_root,
                                              .runtime_root = options.runtime_root,
                                              .loader = options.loader});
  if (!instance) return instance.error();
  const plugin::Manifest& manifest = (*loaded)->manifest();
  log::info(
      "plugin", "opened",
      {{"plugin", name}, {"version", manifest.version}, {"file", (*loaded)->file().string()}});
  loaded_.push_back(std::move(*loaded));
  instances_.push_back(std::move(*instance));
  return {};
}

Result<std::unique_ptr<Backends>> Backends::open(const PluginChoice& choice,
                                                 const Options& options) {
  std::unique_ptr<Backends> backends(new Backends());
  std::vector<std::string> names = choice.log_stores();
  if (std::find(names.begin(), names.end(), choice.factory()) == names.end()) {
    names.push_back(choice.factory());
  }
  std::vector<plugin::LogStoreSet::Member> stores;
  for (const std::string& name : names) {
    Status opened = backends->open_one(name, choice, options);
    if (!opened.ok()) return opened;
    plugin::PluginInstance& instance = *backends->instances_.back();
    if (name == choice.factory()) backends->factory_ = instance.container_factory();
    if (std::find(choice.log_stores().begin(), choice.log_stores().end(), name) !=
        choice.log_stores().end()) {
      stores.push_back({name, instance.log_store()});
    }
  }
  backends->set_ = std::make_unique<plugin::LogStoreSet>(std::move(stores), options.loader,
                                                         options.metrics, options.clock);
  backends->logs_ = backends->set_.get();
  return backends;
}

Backends::~Backends() {
  set_.reset();
  while (!instances_.empty()) instances_.pop_back();
}

boost::json::array Backends::describe() const {
  boost::json::array plugins;
  for (const auto& loaded : loaded_) {
    const plugin::Manifest& manifest = loaded->manifest();
    boost::json::array provides(manifest.provides.begin(), manifest.provides.end());
    plugins.push_back({{"name", manifest.name},
                       {"id", manifest.id},
                       {"version", manifest.version},
                       {"path", loaded->file().string()},
                       {"sha256", loaded->sha256()},
                       {"provides", std::move(provides)}});
  }
  return plugins;
}

}  // namespace berth::daemon
