// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_plugin_state.hpp"

#include <algorithm>
#include <utility>

#include "store/reply.hpp"

namespace berth::store {
namespace {

// A page of 1000 values of 1 MiB would be too much to hold: pages end early instead.
constexpr std::size_t kMaxPageBytes = 8 * 1024 * 1024;

// The version of a key, 0 if there is none.
Result<std::uint64_t> stored_version(Connection& connection, std::string_view plugin,
                                     std::string_view key) {
  Query query(connection, "SELECT version FROM plugin_state WHERE plugin = ? AND key = ?");
  query.bind(plugin).bind_blob(key);
  if (query.next()) return static_cast<std::uint64_t>(query.integer(0));
  if (!query.status().ok()) return query.status();
  return std::uint64_t{0};
}

bool matches(std::uint64_t stored, std::uint64_t expected) {
  return expected == PluginStateStore::kAnyVersion || stored == expected;
}

Status other_version(const std::string& key, std::uint64_t stored, std::uint64_t expected) {
  return sdk::aborted("key '" + key + "' has version " + std::to_string(stored) + ", not " +
                      std::to_string(expected));
}

class PutState final : public WriteJob {
 public:
  PutState(std::string plugin, std::string key, std::string value, std::uint64_t expected,
           Reply<std::uint64_t> reply)
      : plugin_(std::move(plugin)),
        key_(std::move(key)),
        value_(std::move(value)),
        expected_(expected),
        reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    const auto stored = stored_version(connection, plugin_, key_);
    if (!stored) return stored.error();
    if (!matches(*stored, expected_)) return other_version(key_, *stored, expected_);
    {
      Query query(
          connection,
          "UPDATE counters SET value = value + 1 WHERE name = 'plugin_state' RETURNING value");
      if (!query.next()) {
        return query.status().ok() ? sdk::data_loss("the store has lost its counters")
                                   : query.status();
      }
      version_ = static_cast<std::uint64_t>(query.integer(0));
    }
    Query query(
        connection,
        "INSERT OR REPLACE INTO plugin_state(plugin, key, version, value) VALUES(?, ?, ?, ?)");
    query.bind(plugin_).bind_blob(key_).bind(static_cast<std::int64_t>(version_)).bind_blob(value_);
    return query.run();
  }

  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    reply_(version_);
  }

  std::size_t bytes() const override { return 512 + key_.size() + value_.size(); }

 private:
  const std::string plugin_;
  const std::string key_;
  const std::string value_;
  const std::uint64_t expected_;
  Reply<std::uint64_t> reply_;
  std::uint64_t version_ = 0;
};

class RemoveState final : public WriteJob {
 public:
  RemoveState(std::string plugin, std::string key, std::uint64_t expected, Reply<void> reply)
      : plugin_(std::move(plugin)),
        key_(std::move(key)),
        expected_(expected),
        reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    const auto stored = stored_version(connection, plugin_, key_);
    if (!stored) return stored.error();
    if (*stored == 0) return sdk::not_found("there is no key '" + key_ + "'");
    if (!matches(*stored, expected_)) return other_version(key_, *stored, expected_);
    Query query(connection, "DELETE FROM plugin_state WHERE plugin = ? AND key = ?");
    query.bind(plugin_).bind_blob(key_);
    return query.run();
  }

  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    reply_(Result<void>());
  }

 private:
  const std::string plugin_;
  const std::string key_;
  const std::uint64_t expected_;
  Reply<void> reply_;
};

Result<PluginStateEntry> load(Connection& connection, const std::string& plugin,
                              const std::string& key) {
  Query query(connection, "SELECT version, value FROM plugin_state WHERE plugin = ? AND key = ?");
  query.bind(plugin).bind_blob(key);
  if (query.next()) {
    return PluginStateEntry{key, query.string(1), static_cast<std::uint64_t>(query.integer(0))};
  }
  if (!query.status().ok()) return query.status();
  return sdk::not_found("there is no key '" + key + "'");
}

// From the first key that is both after `cursor` and not before `prefix`.
Result<PluginStatePage> load_page(Connection& connection, const std::string& plugin,
                                  const std::string& prefix, const std::string& cursor,
                                  std::size_t limit) {
  Query query(
      connection,
      "SELECT key, version, value FROM plugin_state WHERE plugin = ? AND key >= ? AND key > ? "
      "ORDER BY key");
  query.bind(plugin).bind_blob(prefix).bind_blob(cursor);
  PluginStatePage page;
  std::size_t bytes = 0;
  while (query.next()) {
    if (!query.text(0).starts_with(prefix)) break;
    if (page.entries.size() >= limit || bytes >= kMaxPageBytes) {
      page.next_cursor = page.entries.back().key;
      break;
    }
    page.entries.push_back(
        {query.string(0), query.string(2), static_cast<std::uint64_t>(query.integer(1))});
    bytes += page.entries.back().value.size();
  }
  if (!query.status().ok()) return query.status();
  return page;
}

}  // namespace

void SqlitePluginState::get(Executor on, std::string plugin, std::string key,
                            Done<PluginStateEntry> done) {
  readers_.submit([plugin = std::move(plugin), key = std::move(key),
                   reply = Reply<PluginStateEntry>(std::move(on), std::move(done))](
                      Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    reply(load(**connection, plugin, key));
  });
}

void SqlitePluginState::put(Executor on, std::string plugin, std::string key, std::string value,
                            std::uint64_t expected_version, Done<std::uint64_t> done) {
  writer_.submit_or_refuse(std::make_unique<PutState>(
      std::move(plugin), std::move(key), std::move(value), expected_version,
      Reply<std::uint64_t>(std::move(on), std::move(done))));
}

void SqlitePluginState::remove(Executor on, std::string plugin, std::string key,
                               std::uint64_t expected_version, Done<void> done) {
  writer_.submit_or_refuse(
      std::make_unique<RemoveState>(std::move(plugin), std::move(key), expected_version,
                                    Reply<void>(std::move(on), std::move(done))));
}

void SqlitePluginState::list(Executor on, std::string plugin, std::string prefix,
                             std::string cursor, std::uint32_t limit, Done<PluginStatePage> done) {
  const std::size_t bounded = std::clamp<std::uint32_t>(limit, 1, 1000);
  readers_.submit([plugin = std::move(plugin), prefix = std::move(prefix),
                   cursor = std::move(cursor), bounded,
                   reply = Reply<PluginStatePage>(std::move(on), std::move(done))](
                      Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    reply(load_page(**connection, plugin, prefix, cursor, bounded));
  });
}

}  // namespace berth::store
