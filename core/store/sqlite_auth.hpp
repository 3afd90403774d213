// SPDX-License-Identifier: Apache-2.0
// AuthStore over SQLite: reads are answered from memory, which is filled at start and changed after
// each commit. Private to core/store; made by SqliteStore.
#pragma once

#include <map>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "store/sqlite_activations.hpp"
#include "store/sqlite_entities.hpp"
#include "store/stores.hpp"
#include "store/writer.hpp"

namespace berth::store {

class SqliteAuth final : public AuthStore {
 public:
  SqliteAuth(const Clock& clock, Writer& writer, SqliteEntities& entities,
             SqliteActivations& activations)
      : clock_(clock), writer_(writer), entities_(entities), activations_(activations) {}

  // Fills the memory, and goes on with removals that a crash interrupted. Called once, first.
  Status load(Connection& connection);

  std::optional<entity::Identity> authenticate(std::string_view uuid,
                                               std::string_view secret) const override;
  std::optional<entity::Identity> find_namespace(std::string_view name) const override;
  std::vector<entity::Namespace> namespaces() const override;
  void create_namespace(Executor on, std::string name, std::optional<entity::AuthKey> key,
                        Done<entity::Identity> done) override;
  void remove_namespace(Executor on, std::string name, bool force, Done<void> done) override;
  void change_limits(Executor on, std::string name, LimitsChange change,
                     Done<entity::NamespaceLimits> done) override;
  void rotate_key(Executor on, std::string name, Done<entity::Identity> done) override;

 private:
  friend class CreateNamespace;
  friend class HideNamespace;
  friend class RotateKey;
  friend class ChangeLimits;

  struct Entry {
    entity::Namespace facts;
    entity::AuthKey key;
    std::shared_ptr<const entity::NamespaceLimits> limits{};
  };
  static entity::Identity identity_of(const Entry& entry);
  void remember(Entry entry);
  void forget(const std::string& name);
  // Deletes the records of a hidden namespace batch by batch, then the namespace itself.
  void remove_records(std::string name, std::function<void(Status)> done);

  const Clock& clock_;
  Writer& writer_;
  SqliteEntities& entities_;
  SqliteActivations& activations_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, Entry, std::less<>> by_name_;
  std::map<std::string, std::string, std::less<>> name_by_uuid_;  // of the key
};

}  // namespace berth::store
