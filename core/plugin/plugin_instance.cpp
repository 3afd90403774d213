// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_instance.hpp"

#include <exception>
#include <optional>
#include <string_view>
#include <utility>

#include "base/files.hpp"
#include "base/log.hpp"
#include "plugin/container_factory_proxy.hpp"
#include "plugin/log_store_proxy.hpp"
#include "plugin/plugin_runtime.hpp"
#include "plugin/wire.hpp"

namespace berth::plugin {

// Shared with the coroutines that wait for an answer: they may go on after the plugin is closed.
struct PluginInstance::Impl : std::enable_shared_from_this<Impl> {
  Impl(const Manifest& the_manifest, const berth_plugin_entry_v1& the_entry, const Options& options)
      : manifest(the_manifest),
        entry(the_entry),
        runtime(manifest.name, options.clock, options.metrics, options.state, options.loader) {}

  void close() {
    runtime.close_gate();
    if (self != nullptr) {
      try {
        entry.close(self);
      } catch (...) {
        runtime.stats.threw("close");
      }
    }
    runtime.shut_down();
  }

  Status error(StatusCode code, const std::string& what) const {
    return {code, "the plugin '" + manifest.name + "' " + what};
  }

  Status check_needs() const {
    for (const std::string& need : manifest.needs) {
      if (!runtime.services.offers(need)) {
        return error(StatusCode::kFailedPrecondition,
                     "needs the host service '" + need + "', which this berthd does not offer");
      }
    }
    return {};
  }

  Status call_open(const Options& options, const std::string& data, const std::string& run) {
    const berth_open_args args{sizeof(berth_open_args),
                               0,
                               runtime.services.host(),
                               to_wire(options.config_json),
                               to_wire(options.instance),
                               to_wire(data),
                               to_wire(run)};
    void* made = nullptr;
    std::int32_t code = BERTH_INTERNAL;
    std::string reason;
    runtime.services.begin_open();
    try {
      code = entry.open(&args, &made);
      reason = runtime.services.end_open();
    } catch (const std::exception& thrown) {
      reason = runtime.services.end_open();
      reason = std::string("it let an exception cross the boundary: ") + thrown.what();
    } catch (...) {
      reason = runtime.services.end_open();
      reason = "it let an exception cross the boundary";
    }
    if (code == BERTH_OK && made == nullptr) {
      return error(StatusCode::kInternal, "failed to open: it said OK but made no instance");
    }
    if (code == BERTH_OK) {
      self = made;
      return {};
    }
    const berth_status wire{sizeof(berth_status), code, 0, 0, {nullptr, 0}};
    if (reason.empty()) reason = "it gave no reason";
    return error(read_status(&wire).code(), "failed to open: " + reason);
  }

  const void* query(std::string_view interface_id) const {
    try {
      return entry.query(self, to_wire(interface_id));
    } catch (...) {
      return nullptr;
    }
  }

  // By its note, or by what it makes of its configuration.
  bool out_of_band() const {
    if (manifest.has_flag("log-store-out-of-band")) return true;
    if (!manifest.has_interface(BERTH_INTERFACE_LOG_OUT_OF_BAND)) return false;
    const auto* table =
        static_cast<const berth_log_out_of_band*>(query(BERTH_INTERFACE_LOG_OUT_OF_BAND));
    return table != nullptr && BERTH_HAS(table, out_of_band) && table->out_of_band(self) != 0;
  }

  Status check_provides() {
    for (const std::string& id : manifest.provides) {
      const void* table = query(id);
      if (table == nullptr) {
        return error(StatusCode::kFailedPrecondition,
                     "says in its note that it provides '" + id + "' but does not");
      }
      std::string bad;
      if (id == BERTH_INTERFACE_CONTAINER_FACTORY) {
        const auto& typed = *static_cast<const berth_container_factory*>(table);
        bad = PluginContainerFactory::check_table(typed);
        if (bad.empty()) {
          factory.emplace(runtime, self, typed, weak_from_this());
          runtime.set_factory(&typed, self);
        }
      } else if (id == BERTH_INTERFACE_RESIZE) {
        resize = static_cast<const berth_resize*>(table);
        bad = PluginContainerFactory::check_table(*resize);
      } else if (id == BERTH_INTERFACE_STATS) {
        stats = static_cast<const berth_stats*>(table);
        bad = PluginContainerFactory::check_table(*stats);
      } else if (id == BERTH_INTERFACE_LOG_STORE) {
        const auto& typed = *static_cast<const berth_log_store*>(table);
        bad = PluginLogStore::check_table(typed);
        if (bad.empty()) {
          log_store.emplace(runtime, self, typed, out_of_band(), weak_from_this());
          if (manifest.has_interface(BERTH_INTERFACE_LOG_FOLLOW)) {
            const auto* follow =
                static_cast<const berth_log_follow*>(query(BERTH_INTERFACE_LOG_FOLLOW));
            if (follow != nullptr && BERTH_HAS(follow, follow)) log_store->set_follow(follow);
          }
        }
      }
      if (!bad.empty()) {
        return error(StatusCode::kFailedPrecondition, "is broken: '" + id + "': " + bad);
      }
    }
    // What the factory has besides.
    if (factory && resize != nullptr) factory->set_resize(*resize);
    if (factory && stats != nullptr) factory->set_stats(*stats);
    return {};
  }

  const Manifest manifest;
  const berth_plugin_entry_v1& entry;
  PluginRuntime runtime;
  void* self = nullptr;
  const berth_resize* resize = nullptr;
  const berth_stats* stats = nullptr;
  std::optional<PluginContainerFactory> factory;
  std::optional<PluginLogStore> log_store;
};

Result<std::unique_ptr<PluginInstance>> PluginInstance::open(const LoadedPlugin& plugin,
                                                             Options options) {
  return open(plugin.manifest(), plugin.entry(), std::move(options));
}

Result<std::unique_ptr<PluginInstance>> PluginInstance::open(const Manifest& manifest,
                                                             const berth_plugin_entry_v1& entry,
                                                             Options options) {
  auto impl = std::make_shared<Impl>(manifest, entry, options);
  // From here on it is closed on every way out.
  std::unique_ptr<PluginInstance> instance(new PluginInstance(impl));
  if (Status status = impl->check_needs(); !status.ok()) return status;

  std::string directories[2];
  const std::filesystem::path* roots[2] = {&options.data_root, &options.runtime_root};
  for (int i = 0; i < 2; ++i) {
    const std::filesystem::path directory = *roots[i] / manifest.name;
    if (Status made = make_private_directory(directory); !made.ok()) {
      return made.with_context("plugin '" + manifest.name + "'");
    }
    directories[i] = directory.string();
  }

  if (Status opened = impl->call_open(options, directories[0], directories[1]); !opened.ok()) {
    return opened;
  }
  if (Status whole = impl->check_provides(); !whole.ok()) return whole;
  log::info("plugin." + manifest.name, "opened", {{"version", manifest.version}});
  return instance;
}

PluginInstance::PluginInstance(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

PluginInstance::~PluginInstance() {
  impl_->close();
}

const Manifest& PluginInstance::manifest() const {
  return impl_->manifest;
}

ContainerFactory* PluginInstance::container_factory() {
  return impl_->factory ? &*impl_->factory : nullptr;
}

LogStore* PluginInstance::log_store() {
  return impl_->log_store ? &*impl_->log_store : nullptr;
}

}  // namespace berth::plugin
