// SPDX-License-Identifier: Apache-2.0
// PluginStateStore over SQLite. Private to core/store; made by SqliteStore.
#pragma once

#include <string>

#include "store/plugin_state.hpp"
#include "store/reader_pool.hpp"
#include "store/writer.hpp"

namespace berth::store {

class SqlitePluginState final : public PluginStateStore {
 public:
  SqlitePluginState(Writer& writer, ReaderPool& readers) : writer_(writer), readers_(readers) {}

  void get(Executor on, std::string plugin, std::string key, Done<PluginStateEntry> done) override;
  void put(Executor on, std::string plugin, std::string key, std::string value,
           std::uint64_t expected_version, Done<std::uint64_t> done) override;
  void remove(Executor on, std::string plugin, std::string key, std::uint64_t expected_version,
              Done<void> done) override;
  void list(Executor on, std::string plugin, std::string prefix, std::string cursor,
            std::uint32_t limit, Done<PluginStatePage> done) override;

 private:
  Writer& writer_;
  ReaderPool& readers_;
};

}  // namespace berth::store
