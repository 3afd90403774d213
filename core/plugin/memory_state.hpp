// SPDX-License-Identifier: Apache-2.0
// `MemoryPluginState`: a PluginStateStore that forgets everything at the end; for tests and for
// hosts that only look at a plugin. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <utility>

#include "store/plugin_state.hpp"

namespace berth::plugin {

class MemoryPluginState final : public store::PluginStateStore {
 public:
  void get(Executor on, std::string plugin, std::string key,
           Done<store::PluginStateEntry> done) override;
  void put(Executor on, std::string plugin, std::string key, std::string value,
           std::uint64_t expected_version, Done<std::uint64_t> done) override;
  void remove(Executor on, std::string plugin, std::string key, std::uint64_t expected_version,
              Done<void> done) override;
  void list(Executor on, std::string plugin, std::string prefix, std::string cursor,
            std::uint32_t limit, Done<store::PluginStatePage> done) override;

 private:
  struct Value {
    std::string text;
    std::uint64_t version;
  };
  using Key = std::pair<std::string, std::string>;  // plugin, key

  // Why an entry that is there (or not: null) may not be changed; OK if it may.
  static Status check(const Value* there, std::uint64_t expected_version, const std::string& key);

  std::mutex mutex_;
  std::map<Key, Value> values_;     // guarded by mutex_
  std::uint64_t last_version_ = 0;  // guarded by mutex_
};

}  // namespace berth::plugin
