// SPDX-License-Identifier: Apache-2.0
// Registration: emits the ELF note and the one exported symbol. Use one macro once, at file scope.
//
//   BERTH_REGISTER_CONTAINER_FACTORY(Echo, "echo", "org.example.echo", "1.0.0",
//                                    R"({"type": "object", "additionalProperties": false})",
//                                    BERTH_NEEDS(BERTH_SERVICE_LOG))
//
// The class has a constructor that takes `const berth::sdk::OpenArgs&`; it may throw
// berth::sdk::Error (or any exception), whose text the operator is shown. Its destructor joins
// every thread it started. Name, id, version and the schema (a JSON Schema of draft 4) are string
// literals.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

#include "berth/plugin/abi.h"
#include "berth/plugin/container_factory.h"
#include "berth/plugin/container_optional.h"
#include "berth/plugin/host.h"
#include "berth/plugin/log_store.h"
#include "berth/plugin/note.h"
#include "berth/sdk/container_factory.hpp"
#include "berth/sdk/container_optional.hpp"
#include "berth/sdk/host.hpp"
#include "berth/sdk/log_store.hpp"
#include "berth/sdk/promise.hpp"

namespace berth::sdk {

namespace detail {
struct Access;
}

// A plugin with several or optional interfaces. Each accessor returns the same object every time,
// or null. With only one of the two usual interfaces there is no need for this class.
class Plugin {
 public:
  virtual ~Plugin() = default;
  virtual ContainerFactory* container_factory() { return nullptr; }
  virtual LogStore* log_store() { return nullptr; }
  virtual LogFollow* log_follow() { return nullptr; }
  virtual LogOutOfBand* log_out_of_band() { return nullptr; }
  virtual Resize* container_resize() { return nullptr; }
  virtual Stats* container_stats() { return nullptr; }
  // The C table of an interface that this SDK does not wrap. Its functions get the Plugin* as
  // `self`.
  virtual const void* query(std::string_view interface_id) {
    static_cast<void>(interface_id);
    return nullptr;
  }

 private:
  friend struct detail::Access;
  const berth_host* host_ = nullptr;
};

namespace detail {

struct Access {
  static const berth_host*& host(Plugin& plugin) { return plugin.host_; }
};

// Runs `call(interface, Promise<T>)` on the interface that `get` finds in the instance.
template <typename T, auto get, typename Call>
void operation(void* self, berth_op op, std::uint64_t deadline_ns, Call&& call) noexcept {
  auto& plugin = *static_cast<Plugin*>(self);
  run_operation<T>(Access::host(plugin), op, deadline_ns,
                   [&](Promise<T> done) { call(*(plugin.*get)(), std::move(done)); });
}

template <auto get>
void cancel_operation(void* self, berth_op op) noexcept {
  auto& plugin = *static_cast<Plugin*>(self);
  try {
    (plugin.*get)()->on_cancel(op.id);
  } catch (...) {
    Log(Access::host(plugin)).error("on_cancel threw an exception");
  }
}

inline const berth_container_factory* container_factory_table() {
  constexpr auto kGet = &Plugin::container_factory;
  static constexpr berth_container_factory kTable = {
      sizeof(berth_container_factory),
      0,
      [](void* self, berth_op op, std::uint64_t deadline, const berth_container_events* events) {
        operation<void, kGet>(self, op, deadline, [&](ContainerFactory& f, Promise<void> done) {
          f.start(ContainerEvents(events), std::move(done));
        });
      },
      [](void* self, berth_op op, std::uint64_t deadline, const berth_create_request* request) {
        operation<ContainerInfo, kGet>(self, op, deadline,
                                       [&](ContainerFactory& f, Promise<ContainerInfo> done) {
                                         f.create(CreateRequestView(*request), std::move(done));
                                       });
      },
      [](void* self, berth_op op, std::uint64_t deadline, berth_str id) {
        operation<void, kGet>(self, op, deadline, [&](ContainerFactory& f, Promise<void> done) {
          f.destroy(view(id), std::move(done));
        });
      },
      [](void* self, berth_op op, std::uint64_t deadline, berth_str id) {
        operation<void, kGet>(self, op, deadline, [&](ContainerFactory& f, Promise<void> done) {
          f.pause(view(id), std::move(done));
        });
      },
      [](void* self, berth_op op, std::uint64_t deadline, berth_str id) {
        operation<void, kGet>(self, op, deadline, [&](ContainerFactory& f, Promise<void> done) {
          f.resume(view(id), std::move(done));
        });
      },
      [](void* self, berth_op op, std::uint64_t deadline, berth_str cursor, std::uint32_t limit) {
        operation<ContainerList, kGet>(self, op, deadline,
                                       [&](ContainerFactory& f, Promise<ContainerList> done) {
                                         f.list(view(cursor), limit, std::move(done));
                                       });
      },
      [](void* self, berth_op op, std::uint64_t deadline, berth_str id, berth_str cursor,
         std::uint64_t max_bytes) {
        operation<LogBatch, kGet>(self, op, deadline,
                                  [&](ContainerFactory& f, Promise<LogBatch> done) {
                                    f.read_logs(view(id), view(cursor), max_bytes, std::move(done));
                                  });
      },
      [](void* self, berth_op op, std::uint64_t deadline) {
        operation<Capacity, kGet>(
            self, op, deadline,
            [&](ContainerFactory& f, Promise<Capacity> done) { f.capacity(std::move(done)); });
      },
      [](void* self, berth_op op, std::uint64_t deadline) {
        operation<void, kGet>(self, op, deadline, [&](ContainerFactory& f, Promise<void> done) {
          f.drain(std::move(done));
        });
      },
      [](void* self, berth_op op, std::uint64_t deadline, std::int32_t mode) {
        operation<void, kGet>(self, op, deadline, [&](ContainerFactory& f, Promise<void> done) {
          f.stop(static_cast<StopMode>(mode), std::move(done));
        });
      },
      &cancel_operation<kGet>,
  };
  return &kTable;
}

inline const berth_log_store* log_store_table() {
  constexpr auto kGet = &Plugin::log_store;
  static constexpr berth_log_store kTable = {
      sizeof(berth_log_store),
      0,
      [](void* self, berth_op op, std::uint64_t deadline) {
        operation<void, kGet>(self, op, deadline,
                              [&](LogStore& s, Promise<void> done) { s.start(std::move(done)); });
      },
      [](void* self, berth_op op, std::uint64_t deadline) {
        operation<Pairs, kGet>(self, op, deadline, [&](LogStore& s, Promise<Pairs> done) {
          s.container_parameters(std::move(done));
        });
      },
      [](void* self, berth_op op, std::uint64_t deadline, const berth_activation_ref* activation,
         const berth_log_line* lines, std::uint64_t count, std::uint32_t final) {
        operation<void, kGet>(self, op, deadline, [&](LogStore& s, Promise<void> done) {
          s.append(ActivationRefView(*activation), LogLinesView(lines, count), final != 0,
                   std::move(done));
        });
      },
      [](void* self, berth_op op, std::uint64_t deadline, const berth_activation_ref* activation,
         berth_str cursor, std::uint64_t max_bytes) {
        operation<LogPage, kGet>(self, op, deadline, [&](LogStore& s, Promise<LogPage> done) {
          s.fetch(ActivationRefView(*activation), view(cursor), max_bytes, std::move(done));
        });
      },
      [](void* self, berth_op op, std::uint64_t deadline) {
        operation<void, kGet>(self, op, deadline,
                              [&](LogStore& s, Promise<void> done) { s.drain(std::move(done)); });
      },
      [](void* self, berth_op op, std::uint64_t deadline) {
        operation<void, kGet>(self, op, deadline,
                              [&](LogStore& s, Promise<void> done) { s.stop(std::move(done)); });
      },
      &cancel_operation<kGet>,
  };
  return &kTable;
}

inline const berth_log_follow* log_follow_table() {
  constexpr auto kGet = &Plugin::log_follow;
  static constexpr berth_log_follow kTable = {
      sizeof(berth_log_follow),
      0,
      [](void* self, berth_op op, std::uint64_t deadline, const berth_activation_ref* activation,
         berth_str cursor, std::uint64_t max_bytes) {
        operation<LogPage, kGet>(self, op, deadline, [&](LogFollow& f, Promise<LogPage> done) {
          f.follow(ActivationRefView(*activation), view(cursor), max_bytes, std::move(done));
        });
      },
  };
  return &kTable;
}

inline const berth_log_out_of_band* log_out_of_band_table() {
  static constexpr berth_log_out_of_band kTable = {
      sizeof(berth_log_out_of_band),
      0,
      [](void* self) -> std::uint32_t {
        return static_cast<Plugin*>(self)->log_out_of_band()->out_of_band() ? 1 : 0;
      },
  };
  return &kTable;
}

inline const berth_resize* resize_table() {
  constexpr auto kGet = &Plugin::container_resize;
  static constexpr berth_resize kTable = {
      sizeof(berth_resize),
      0,
      [](void* self, berth_op op, std::uint64_t deadline, berth_str id,
         const berth_resize_request* request) {
        operation<void, kGet>(self, op, deadline, [&](Resize& r, Promise<void> done) {
          r.resize(view(id),
                   {request->memory_bytes, request->cpu_shares, request->cpu_quota_millis},
                   std::move(done));
        });
      },
  };
  return &kTable;
}

inline const berth_stats* stats_table() {
  constexpr auto kGet = &Plugin::container_stats;
  static constexpr berth_stats kTable = {
      sizeof(berth_stats),
      0,
      [](void* self, berth_op op, std::uint64_t deadline, berth_str id) {
        operation<ContainerStats, kGet>(
            self, op, deadline,
            [&](Stats& s, Promise<ContainerStats> done) { s.stats(view(id), std::move(done)); });
      },
  };
  return &kTable;
}

// Makes a T from what its constructor wants: OpenArgs, the Host, or nothing.
template <typename T>
struct Holder {
  explicit Holder(const OpenArgs& args) : object(make(args)) {}
  static std::unique_ptr<T> make(const OpenArgs& args) {
    if constexpr (std::is_constructible_v<T, const OpenArgs&>) {
      return std::make_unique<T>(args);
    } else if constexpr (std::is_constructible_v<T, Host>) {
      return std::make_unique<T>(args.host);
    } else {
      return std::make_unique<T>();
    }
  }
  std::unique_ptr<T> object;
};

// The Plugin around a class that is only a ContainerFactory or only a LogStore.
template <typename T>
class Single final : public Plugin {
 public:
  explicit Single(const OpenArgs& args) : holder_(args) {}
  ContainerFactory* container_factory() override {
    if constexpr (std::is_base_of_v<ContainerFactory, T>) return holder_.object.get();
    return nullptr;
  }
  LogStore* log_store() override {
    if constexpr (std::is_base_of_v<LogStore, T>) return holder_.object.get();
    return nullptr;
  }
  LogFollow* log_follow() override {
    if constexpr (std::is_base_of_v<LogFollow, T>) return holder_.object.get();
    return nullptr;
  }
  LogOutOfBand* log_out_of_band() override {
    if constexpr (std::is_base_of_v<LogOutOfBand, T>) return holder_.object.get();
    return nullptr;
  }
  Resize* container_resize() override {
    if constexpr (std::is_base_of_v<Resize, T>) return holder_.object.get();
    return nullptr;
  }
  Stats* container_stats() override {
    if constexpr (std::is_base_of_v<Stats, T>) return holder_.object.get();
    return nullptr;
  }

 private:
  Holder<T> holder_;
};

template <typename T>
std::int32_t open(const berth_open_args* args, void** instance) noexcept {
  Status status;
  try {
    const OpenArgs open_args{Host(args->host), view(args->config_json), view(args->instance),
                             view(args->data_directory), view(args->runtime_directory)};
    std::unique_ptr<Plugin> plugin;
    if constexpr (std::is_base_of_v<Plugin, T>) {
      plugin = Holder<T>::make(open_args);
    } else {
      plugin = std::make_unique<Single<T>>(open_args);
    }
    Access::host(*plugin) = args->host;
    *instance = plugin.release();
    return BERTH_OK;
  } catch (...) {
    try {
      status = current_exception_status();
    } catch (...) {
      return BERTH_RESOURCE_EXHAUSTED;
    }
  }
  if (BERTH_HAS(args->host, set_error)) {
    args->host->set_error(args->host->context, str(status.message()));
  }
  return static_cast<std::int32_t>(status.code());
}

inline const void* query(void* instance, berth_str interface_id) noexcept {
  auto& plugin = *static_cast<Plugin*>(instance);
  try {
    const std::string_view id = view(interface_id);
    if (id == BERTH_INTERFACE_CONTAINER_FACTORY) {
      return plugin.container_factory() != nullptr ? container_factory_table() : nullptr;
    }
    if (id == BERTH_INTERFACE_LOG_STORE) {
      return plugin.log_store() != nullptr ? log_store_table() : nullptr;
    }
    if (id == BERTH_INTERFACE_LOG_FOLLOW && plugin.log_follow() != nullptr) {
      return log_follow_table();
    }
    if (id == BERTH_INTERFACE_LOG_OUT_OF_BAND && plugin.log_out_of_band() != nullptr) {
      return log_out_of_band_table();
    }
    if (id == BERTH_INTERFACE_RESIZE && plugin.container_resize() != nullptr) return resize_table();
    if (id == BERTH_INTERFACE_STATS && plugin.container_stats() != nullptr) return stats_table();
    return plugin.query(id);
  } catch (...) {
    return nullptr;
  }
}

inline void close(void* instance) noexcept {
  delete static_cast<Plugin*>(instance);
}

}  // namespace detail
}  // namespace berth::sdk

// The text of a JSON array of string literals: BERTH_NEEDS("berth.log/1"), or BERTH_NEEDS() for
// none.
#define BERTH_JSON_LIST_(...) "[" #__VA_ARGS__ "]"
#define BERTH_JSON_LIST(...) BERTH_JSON_LIST_(__VA_ARGS__)
#define BERTH_PROVIDES(...) BERTH_JSON_LIST(__VA_ARGS__)
#define BERTH_NEEDS(...) BERTH_JSON_LIST(__VA_ARGS__)
#define BERTH_FLAGS(...) BERTH_JSON_LIST(__VA_ARGS__)

#define BERTH_STRINGIFY_(x) #x
#define BERTH_STRINGIFY(x) BERTH_STRINGIFY_(x)

// Registers a class derived from Plugin, ContainerFactory or LogStore, saying everything.
#define BERTH_REGISTER_PLUGIN(Class, name, id, version, provides, needs, flags, schema)         \
  BERTH_PLUGIN_NOTE("{\"name\":\"" name "\",\"id\":\"" id "\",\"version\":\"" version           \
                    "\",\"abi\":\"" BERTH_STRINGIFY(BERTH_ABI_MAJOR) "." BERTH_STRINGIFY(       \
                        BERTH_ABI_MINOR) "\",\"provides\":" provides ",\"needs\":" needs        \
                                         ",\"flags\":" flags ",\"config_schema\":" schema "}"); \
  extern "C" {                                                                                  \
  BERTH_EXPORT extern const berth_plugin_entry_v1 berth_plugin_entry;                           \
  }                                                                                             \
  const berth_plugin_entry_v1 berth_plugin_entry = {sizeof(berth_plugin_entry_v1),              \
                                                    BERTH_ABI_MAJOR,                            \
                                                    BERTH_ABI_MINOR,                            \
                                                    0,                                          \
                                                    name,                                       \
                                                    id,                                         \
                                                    version,                                    \
                                                    &::berth::sdk::detail::open<Class>,         \
                                                    &::berth::sdk::detail::query,               \
                                                    &::berth::sdk::detail::close}

// Registers a class derived from ContainerFactory.
#define BERTH_REGISTER_CONTAINER_FACTORY(Class, name, id, version, schema, needs)                \
  BERTH_REGISTER_PLUGIN(Class, name, id, version,                                                \
                        BERTH_PROVIDES(BERTH_INTERFACE_CONTAINER_FACTORY), needs, BERTH_FLAGS(), \
                        schema)

// Registers a class derived from LogStore. `flags` is BERTH_FLAGS() for a store that keeps what the
// core appends, BERTH_FLAGS("log-store-out-of-band") for one whose output the engine ships.
#define BERTH_REGISTER_LOG_STORE(Class, name, id, version, schema, needs, flags)             \
  BERTH_REGISTER_PLUGIN(Class, name, id, version, BERTH_PROVIDES(BERTH_INTERFACE_LOG_STORE), \
                        needs, flags, schema)
