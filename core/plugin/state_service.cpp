// SPDX-License-Identifier: Apache-2.0
#include "plugin/state_service.hpp"

#include <boost/asio/post.hpp>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "berth/sdk/strings.hpp"
#include "plugin/wire.hpp"

namespace berth::plugin {
namespace {

Status check_key(berth_str key) {
  if (key.len == 0 || key.len > StateService::kMaxKey) {
    return sdk::invalid_argument("a key has 1 to 512 bytes, this one " + std::to_string(key.len));
  }
  return {};
}

}  // namespace

struct StateService::Impl {
  std::string plugin;
  store::PluginStateStore& store;
  HouseThread& house;
  CallStats& stats;
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t pending = 0;
  bool stopped = false;

  // One question of the plugin.
  struct Caller {
    Impl* impl;
    berth_state_done done;
    void* context;

    void answer(const Status& status, std::vector<store::PluginStateEntry> entries = {},
                std::uint64_t version = 0, const std::string& next_cursor = {}) const {
      impl->tell(*this, status, std::move(entries), version, next_cursor);
    }
  };

  std::optional<Caller> ask(berth_state_done done, void* context) {
    if (done == nullptr) return std::nullopt;
    const std::lock_guard lock(mutex);
    if (stopped) return std::nullopt;
    ++pending;
    return Caller{this, done, context};
  }

  void refuse(const Caller& caller, Status status) {
    boost::asio::post(house.executor(),
                      [caller, status = std::move(status)] { caller.answer(status); });
  }

  // On the house thread.
  void tell(const Caller& caller, const Status& status,
            std::vector<store::PluginStateEntry> entries, std::uint64_t version,
            const std::string& next_cursor) {
    bool silent = false;
    {
      const std::lock_guard lock(mutex);
      silent = stopped;
    }
    if (!silent) {
      std::vector<berth_state_entry> wire_entries;
      for (auto& entry : entries) {
        wire_entries.push_back(
            {to_wire(entry.key), sdk::detail::hand_over(std::move(entry.value)), entry.version});
      }
      const berth_status wire_status{sizeof(berth_status), static_cast<std::int32_t>(status.code()),
                                     status.flags(), 0, to_wire(status.message())};
      const berth_state_result result{sizeof(berth_state_result), 0,       wire_entries.data(),
                                      wire_entries.size(),        version, to_wire(next_cursor)};
      const auto begun = std::chrono::steady_clock::now();
      try {
        caller.done(caller.context, &wire_status, status.ok() ? &result : nullptr);
      } catch (...) {
        stats.threw("state");
      }
      stats.returned("state", std::chrono::steady_clock::now() - begun);
    }
    const std::lock_guard lock(mutex);
    --pending;
    changed.notify_all();
  }
};

StateService::StateService(std::string plugin, store::PluginStateStore& store, HouseThread& house,
                           CallStats& stats)
    : impl_(new Impl{std::move(plugin), store, house, stats, {}, {}}) {}

StateService::~StateService() = default;

void StateService::get(berth_str key, berth_state_done done, void* context) {
  const auto caller = impl_->ask(done, context);
  if (!caller) return;
  if (Status bad = check_key(key); !bad.ok()) return impl_->refuse(*caller, std::move(bad));
  impl_->store.get(impl_->house.executor(), impl_->plugin, std::string(to_view(key)),
                   [caller = *caller](Result<store::PluginStateEntry> got) {
                     if (!got) return caller.answer(got.error());
                     std::vector<store::PluginStateEntry> entries;
                     entries.push_back(std::move(*got));
                     caller.answer({}, std::move(entries));
                   });
}

void StateService::put(berth_str key, berth_str value, std::uint64_t expected_version,
                       berth_state_done done, void* context) {
  const auto caller = impl_->ask(done, context);
  if (!caller) return;
  Status bad = check_key(key);
  if (bad.ok() && value.len > kMaxValue) {
    bad = sdk::invalid_argument("a value has at most 1048576 bytes, this one " +
                                std::to_string(value.len));
  }
  if (!bad.ok()) return impl_->refuse(*caller, std::move(bad));
  impl_->store.put(impl_->house.executor(), impl_->plugin, std::string(to_view(key)),
                   std::string(to_view(value)), expected_version,
                   [caller = *caller](Result<std::uint64_t> version) {
                     if (!version) return caller.answer(version.error());
                     caller.answer({}, {}, *version);
                   });
}

void StateService::remove(berth_str key, std::uint64_t expected_version, berth_state_done done,
                          void* context) {
  const auto caller = impl_->ask(done, context);
  if (!caller) return;
  if (Status bad = check_key(key); !bad.ok()) return impl_->refuse(*caller, std::move(bad));
  impl_->store.remove(impl_->house.executor(), impl_->plugin, std::string(to_view(key)),
                      expected_version, [caller = *caller](Result<void> removed) {
                        caller.answer(removed ? Status() : removed.error());
                      });
}

void StateService::list(berth_str prefix, berth_str cursor, std::uint32_t limit,
                        berth_state_done done, void* context) {
  const auto caller = impl_->ask(done, context);
  if (!caller) return;
  Status bad;
  if (limit < 1 || limit > kMaxPage) {
    bad = sdk::invalid_argument("limit is 1 to 1000, not " + std::to_string(limit));
  } else if (prefix.len > kMaxKey) {
    bad = sdk::invalid_argument("a prefix has at most 512 bytes");
  }
  if (!bad.ok()) return impl_->refuse(*caller, std::move(bad));
  impl_->store.list(impl_->house.executor(), impl_->plugin, std::string(to_view(prefix)),
                    std::string(to_view(cursor)), limit,
                    [caller = *caller](Result<store::PluginStatePage> page) {
                      if (!page) return caller.answer(page.error());
                      caller.answer({}, std::move(page->entries), 0, page->next_cursor);
                    });
}

void StateService::stop() {
  std::unique_lock lock(impl_->mutex);
  impl_->stopped = true;
  impl_->changed.wait(lock, [this] { return impl_->pending == 0; });
}

}  // namespace berth::plugin
