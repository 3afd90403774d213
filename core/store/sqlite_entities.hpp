// SPDX-License-Identifier: Apache-2.0
// EntityStore over SQLite. Private to core/store; made by SqliteStore.
#pragma once

#include "base/metrics.hpp"
#include "entity/parameter_cipher.hpp"
#include "store/action_cache.hpp"
#include "store/reader_pool.hpp"
#include "store/stores.hpp"
#include "store/writer.hpp"

namespace berth::store {

class SqliteEntities final : public EntityStore {
 public:
  SqliteEntities(Writer& writer, ReaderPool& readers, std::size_t cache_bytes,
                 const entity::ParameterCipher& cipher)
      : writer_(writer), readers_(readers), cipher_(cipher), cache_(cache_bytes) {}

  entity::ActionPtr cached_action(std::string_view path) const override {
    return cache_.find(path);
  }
  void get_action(Executor on, std::string path, Done<entity::ActionPtr> done) override;
  void put_action(Executor on, entity::Action action, std::uint64_t expected_revision,
                  Done<entity::ActionPtr> done) override;
  void remove_action(Executor on, std::string path, std::uint64_t expected_revision,
                     Done<void> done) override;
  void list_actions(Executor on, std::string namespace_name, std::optional<std::string> package,
                    std::int64_t skip, std::int64_t limit,
                    Done<std::vector<entity::ActionPtr>> done) override;
  void count_actions(Executor on, std::string namespace_name, std::optional<std::string> package,
                     std::int64_t skip, Done<std::int64_t> done) override;

  ActionCache& cache() { return cache_; }

 private:
  Writer& writer_;
  ReaderPool& readers_;
  const entity::ParameterCipher& cipher_;
  ActionCache cache_;
};

}  // namespace berth::store
