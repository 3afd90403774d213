// SPDX-License-Identifier: Apache-2.0
// ActivationStore over SQLite. What is not on disk yet is kept in a map by id, so that a reader
// sees it. Private to core/store; made by SqliteStore.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "store/reader_pool.hpp"
#include "store/sqlite_store.hpp"
#include "store/stores.hpp"
#include "store/writer.hpp"

namespace berth::store {

class SqliteWork;

class SqliteActivations final : public ActivationStore {
 public:
  using Record = std::shared_ptr<const entity::Activation>;

  SqliteActivations(Writer& writer, ReaderPool& readers, SqliteWork& work, Metrics& metrics);
  ~SqliteActivations() override;

  void put(Executor on, entity::Activation activation, Done<void> done) override;
  void put_later(entity::Activation activation) override;
  void get(Executor on, std::string namespace_name, std::string activation_id,
           Done<entity::Activation> done) override;
  void list(Executor on, ActivationQuery query,
            Done<std::vector<entity::Activation>> done) override;
  void count(Executor on, ActivationQuery query, Done<std::int64_t> done) override;
  void flush(Executor on, Done<void> done) override;

  // Deletes one batch of what `retention` does not keep. `done` gets how many rows went, on the
  // writer's thread, or on this one if refused.
  void remove_expired(const Retention& retention, std::int64_t now_ms,
                      std::function<void(Result<std::int64_t>)> done);
  // Deletes the oldest records of a namespace beyond the newest `keep`, `batch` in a transaction.
  // Where they begin is looked for by a reader, which takes time by `keep`; the writer only
  // deletes.
  void remove_surplus(const std::string& namespace_name, std::int64_t keep, std::int64_t batch);
  // Records written for a namespace since forget_written(); at most: it starts as "very many".
  std::int64_t written(const std::string& namespace_name) const;
  void forget_written(const std::string& namespace_name);
  // The same for what belongs to a namespace.
  void remove_of_namespace(std::string namespace_name, std::int64_t batch,
                           std::function<void(Result<std::int64_t>)> done);

 private:
  // A record's place in the order of lists.
  struct Place {
    std::int64_t start_ms;
    std::int64_t sequence;
  };
  void remove_up_to(const std::string& namespace_name, Place last, std::int64_t batch);
  friend class PutActivation;
  void remember(const Record& record);
  void forget(const Record& record);
  Record pending(const std::string& id) const;
  void report_loss(const entity::Activation& record, const Status& status);

  Writer& writer_;
  ReaderPool& readers_;
  SqliteWork& work_;
  Counter& lost_;
  std::atomic<std::int64_t> lost_unreported_{0};
  std::atomic<std::int64_t> next_report_ns_{0};  // of the steady clock
  mutable std::mutex mutex_;
  std::unordered_map<std::string, Record> pending_;        // by id
  std::unordered_map<std::string, std::int64_t> written_;  // by namespace
};

}  // namespace berth::store
