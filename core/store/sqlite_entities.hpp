// SPDX-License-Identifier: Apache-2.0
// EntityStore over SQLite: actions in sqlite_entities.cpp, the rest in sqlite_documents.cpp.
// Private to core/store; made by SqliteStore.
#pragma once

#include "base/metrics.hpp"
#include "entity/parameter_cipher.hpp"
#include "store/action_cache.hpp"
#include "store/entity_cache.hpp"
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
  void get_sealed_action(Executor on, std::string path, Done<entity::ActionPtr> done) override;
  void put_action(Executor on, entity::Action action, std::uint64_t expected_revision,
                  Done<entity::ActionPtr> done) override;
  void remove_action(Executor on, std::string path, std::uint64_t expected_revision,
                     Done<void> done) override;
  void list_actions(Executor on, std::string namespace_name, std::optional<std::string> package,
                    std::int64_t skip, std::int64_t limit,
                    Done<std::vector<entity::ActionPtr>> done) override;
  void count_actions(Executor on, std::string namespace_name, std::optional<std::string> package,
                     std::int64_t skip, Done<std::int64_t> done) override;

  entity::EntityPtr cached_entity(entity::Collection collection,
                                  std::string_view path) const override;
  void get_entity(Executor on, entity::Collection collection, std::string path,
                  Done<entity::EntityPtr> done) override;
  void get_sealed_entity(Executor on, entity::Collection collection, std::string path,
                         Done<entity::EntityPtr> done) override;
  void change_entities(Executor on, std::vector<EntityChange> changes,
                       Done<std::vector<entity::EntityPtr>> done) override;
  void list_entities(Executor on, EntityQuery query,
                     Done<std::vector<entity::EntityPtr>> done) override;
  void count_entities(Executor on, EntityQuery query, Done<std::int64_t> done) override;

  // All of the namespace was deleted.
  void forget_namespace(std::string_view name) {
    cache_.remove_namespace(name);
    others_.remove_namespace(name);
  }

 private:
  void read_entity(Executor on, entity::Collection collection, std::string path, bool opened,
                   Done<entity::EntityPtr> done);

  Writer& writer_;
  ReaderPool& readers_;
  const entity::ParameterCipher& cipher_;
  ActionCache cache_;
  EntityCache others_;  // packages, triggers, rules
};

}  // namespace berth::store
