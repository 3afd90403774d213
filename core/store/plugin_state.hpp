// SPDX-License-Identifier: Apache-2.0
// `PluginStateStore`: the durable key-value stores of the plugins, one namespace each, behind the
// host service berth.state/1 (berth/plugin/host.h).
//
// All calls are thread-safe and asynchronous: they return at once and call `done` exactly once
// through the given executor, never from inside the call. OK of a write means: on disk. The
// embedded default is SQLite; plugin/memory_state.hpp keeps everything in memory, for tests.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace berth::store {

struct PluginStateEntry {
  std::string key;
  std::string value;
  std::uint64_t version = 0;  // never 0
};

struct PluginStatePage {
  std::vector<PluginStateEntry> entries;  // in byte order of their keys
  std::string next_cursor;                // empty: the end
};

class PluginStateStore {
 public:
  using Executor = boost::asio::any_io_executor;
  template <typename T>
  using Done = std::function<void(Result<T>)>;

  // As `expected_version`: whatever is there.
  static constexpr std::uint64_t kAnyVersion = std::numeric_limits<std::uint64_t>::max();

  virtual ~PluginStateStore() = default;

  // `plugin` is the plugin's short name. Keys are 1..512 bytes, values at most 1 MiB: the caller
  // has checked that. NOT_FOUND if there is no such key.
  virtual void get(Executor on, std::string plugin, std::string key,
                   Done<PluginStateEntry> done) = 0;
  // Writes if the version there is `expected_version` (0: it must not exist), else ABORTED. The
  // result is the new version, larger than every earlier one of this key, a removed one's included.
  virtual void put(Executor on, std::string plugin, std::string key, std::string value,
                   std::uint64_t expected_version, Done<std::uint64_t> done) = 0;
  // NOT_FOUND if there is no such key; ABORTED if its version is another.
  virtual void remove(Executor on, std::string plugin, std::string key,
                      std::uint64_t expected_version, Done<void> done) = 0;
  // Entries whose key starts with `prefix`, after `cursor` (a former page's next_cursor; empty:
  // from the start), at most `limit` (1..1000).
  virtual void list(Executor on, std::string plugin, std::string prefix, std::string cursor,
                    std::uint32_t limit, Done<PluginStatePage> done) = 0;
};

}  // namespace berth::store
