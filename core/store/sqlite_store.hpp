// SPDX-License-Identifier: Apache-2.0
// The embedded store: everything the core keeps, in one SQLite file (WAL mode, group commit).
//
// One thread writes: whatever waits is written in one transaction and answered together after it is
// on disk. A few threads read, each with its own connection. All calls are thread-safe. One process
// at a time has the file open, held by a lock on PATH.lock.
//
//   auto store = SqliteStore::open(data_dir / "berth.db", {.metrics = &metrics});
//   if (!store) return store.error();
//   (*store)->entities().get_action(executor, "guest/hello", [](Result<entity::ActionPtr> action)
//   {...});
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "entity/parameter_cipher.hpp"
#include "store/alarm_store.hpp"
#include "store/key_store.hpp"
#include "store/plugin_state.hpp"
#include "store/stores.hpp"
#include "store/work_store.hpp"

namespace berth::store {

// How long records of activations stay. They are deleted oldest first in small batches between
// writes.
struct Retention {
  std::int64_t max_age_ms = 0;              // by start; 0: no bound
  std::int64_t max_count = 0;               // over all namespaces; 0: no bound
  std::int64_t max_count_of_namespace = 0;  // of each that has no number of its own; 0: no bound
  std::int64_t batch = 500;                 // rows a transaction, >= 1
  std::chrono::milliseconds check_every{60'000};
};

class SqliteStore {
 public:
  struct Options {
    const Clock* clock = &system_clock();  // must outlive the store
    Metrics* metrics = nullptr;            // must outlive the store; null: none are kept
    std::size_t max_queued_writes = 50'000;
    std::size_t max_queued_write_bytes = 512ull * 1024 * 1024;
    std::size_t max_queued_reads = 20'000;
    int readers = 2;
    std::size_t action_cache_bytes = 256ull * 1024 * 1024;
    // How long put_later's records wait for company.
    std::chrono::milliseconds linger{5};
    Retention retention;
    // Parameters of entities and arguments of accepted activations are encrypted with it on the
    // disk. What was encrypted otherwise, or not at all, is brought to the current key at open().
    entity::ParameterCipher cipher;
  };

  // Opens or makes the file, of mode 0600, and brings its schema up to this version. Blocks. Errors
  // name the file and the mend: FAILED_PRECONDITION (written by a newer Berth; in use by another
  // process; no database of Berth), PERMISSION_DENIED, RESOURCE_EXHAUSTED, DATA_LOSS (damaged).
  static Result<std::unique_ptr<SqliteStore>> open(const std::filesystem::path& path,
                                                   Options options);

  // close().
  ~SqliteStore();
  SqliteStore(const SqliteStore&) = delete;
  SqliteStore& operator=(const SqliteStore&) = delete;

  // Valid as long as the store.
  EntityStore& entities();
  ActivationStore& activations();
  AuthStore& auth();
  KeyStore& keys();
  PluginStateStore& plugin_state();
  WorkStore& work();
  AlarmStore& alarms();

  // For an operator, while the store is in use; both take as long as the file is big and hold no
  // writer up. back_up() writes the present state into the new file `to` (absolute; 0600) and
  // answers with its size; ALREADY_EXISTS. find_damage() tells what is wrong with the store's own
  // file, or with another one of Berth, in words: none is good.
  void back_up(Executor on, std::filesystem::path to, Done<std::uint64_t> done);
  void find_damage(Executor on, std::optional<std::filesystem::path> other,
                   Done<std::vector<std::string>> done);

  // Writes what waits, answers every call, folds the WAL into the file, and closes it. Calls after
  // it are answered with UNAVAILABLE. Blocks; idempotent; not from inside a `done`. The status
  // tells if something could not be written.
  Status close();

 private:
  struct Impl;
  explicit SqliteStore(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::store
