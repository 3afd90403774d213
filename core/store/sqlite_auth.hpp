// SPDX-License-Identifier: Apache-2.0
// AuthStore and KeyStore over SQLite: reads are answered from memory, which is filled at start and
// changed after each commit. Private to core/store; made by SqliteStore.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <shared_mutex>
#include <string>
#include <string_view>

#include "base/clock.hpp"
#include "store/key_store.hpp"
#include "store/sqlite_activations.hpp"
#include "store/sqlite_entities.hpp"
#include "store/stores.hpp"
#include "store/writer.hpp"

namespace berth::store {

class SqliteAuth final : public AuthStore, public KeyStore {
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

  std::vector<Key> keys_of_namespace(std::string_view name) const override;
  std::vector<Key> keys_of_subject(std::string_view subject) const override;
  void add_key(Executor on, NewKey wanted, Done<Key> done) override;
  void remove_key(Executor on, std::string name, std::string uuid, Done<void> done) override;
  void rotate_key(Executor on, std::string name, std::string uuid, std::int64_t overlap_ms,
                  Done<Key> done) override;
  void set_blocked(Executor on, std::string name, bool blocked, Done<void> done) override;

 private:
  friend class CreateNamespace;
  friend class HideNamespace;
  friend class RotateKey;
  friend class ChangeLimits;
  friend class AddKey;
  friend class RemoveKey;
  friend class RotateOne;
  friend class SetBlocked;

  struct Entry {
    entity::Namespace facts;
    std::shared_ptr<const entity::NamespaceLimits> limits{};
  };
  struct KnownKey {
    Key key;
    std::string old_secret;  // opens until key.old_until_ms
  };
  static entity::Identity identity_of(const Entry& entry, const Key& key);
  // With the namespace's own key; nullopt if there is no such namespace. Under the mutex.
  std::optional<entity::Identity> own_identity(std::string_view name) const;
  std::vector<Key> keys_where(const std::function<bool(const Key&)>& wanted) const;
  void forget(const std::string& name);
  // Deletes the records of a hidden namespace batch by batch, then the namespace itself.
  void remove_records(std::string name, std::function<void(Status)> done);

  const Clock& clock_;
  Writer& writer_;
  SqliteEntities& entities_;
  SqliteActivations& activations_;
  mutable std::shared_mutex mutex_;
  std::map<std::string, Entry, std::less<>> by_name_;
  std::map<std::string, KnownKey, std::less<>> by_uuid_;  // of the key
};

}  // namespace berth::store
