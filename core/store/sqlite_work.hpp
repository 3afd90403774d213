// SPDX-License-Identifier: Apache-2.0
// WorkStore over SQLite. Which activation has which row is kept in memory, so that the table needs
// no index and a record of an activation without a row costs no statement. Private to core/store;
// made by SqliteStore.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/metrics.hpp"
#include "base/text_hash.hpp"
#include "entity/parameter_cipher.hpp"
#include "store/reader_pool.hpp"
#include "store/work_store.hpp"
#include "store/writer.hpp"

namespace berth::store {

class SqliteWork final : public WorkStore {
 public:
  // Arguments are encrypted with `cipher`, for parameters are in them.
  SqliteWork(Writer& writer, ReaderPool& readers, Metrics& metrics,
             const entity::ParameterCipher& cipher);

  // Learns what an earlier process left. Called once, first.
  Status load(Connection& connection);

  void enqueue(Executor on, Work work, Done<void> done) override;
  void withdraw(const std::string& activation_id) override;
  void start(Executor on, const std::string& activation_id, std::int64_t now_ms,
             Done<void> done) override;
  void left_over(Executor on, std::int64_t after, Done<std::vector<Work>> done) override;
  std::size_t size() const override;

  // Deletes the activation's row, if it has one, in the writer's transaction; and forgets it, after
  // the commit.
  Status remove(Connection& connection, std::string_view activation_id);
  bool has(std::string_view activation_id) const { return find(activation_id) != nullptr; }
  void removed(std::string_view activation_id);

 private:
  friend class EnqueueWork;
  friend class StartWork;
  friend class WithdrawWork;

  struct Entry {
    std::int64_t sequence = 0;
    std::int64_t started_ms = 0;      // wanted
    std::int64_t row_started_ms = 0;  // as the row was inserted
    bool gone = false;                // withdrawn, or could not be inserted
  };
  using EntryPtr = std::shared_ptr<Entry>;

  EntryPtr find(std::string_view activation_id) const;
  void forget(const std::string& activation_id, const EntryPtr& entry);

  Writer& writer_;
  ReaderPool& readers_;
  const entity::ParameterCipher& cipher_;
  Gauge& rows_;
  mutable std::mutex mutex_;  // guards everything below, the entries included
  std::unordered_map<std::string, EntryPtr, TextHash, std::equal_to<>>
      entries_;  // by activation id
  std::int64_t next_sequence_ = 1;
  std::int64_t first_new_ = 1;  // rows before it are left over
};

}  // namespace berth::store
