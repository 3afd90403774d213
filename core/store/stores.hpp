// SPDX-License-Identifier: Apache-2.0
// What the core keeps, behind interfaces small enough for another database to serve.
//
// All calls are thread-safe and asynchronous: they return at once and call `done` exactly once, on
// the given executor's thread (never from inside the call). OK of a write means: on disk (group
// commit). The embedded default is SQLite (sqlite_store.hpp).
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.hpp"
#include "entity/action.hpp"
#include "entity/activation.hpp"
#include "entity/entity.hpp"
#include "entity/identity.hpp"
#include "entity/namespace_limits.hpp"

namespace berth::store {

template <typename T>
using Done = std::function<void(Result<T>)>;
using Executor = boost::asio::any_io_executor;

// One step of a change of packages, triggers and rules.
struct EntityChange {
  // What is to be stored under its path; null: what is there is to be removed.
  std::shared_ptr<entity::Entity> put;
  // Of what is to be removed.
  entity::Collection collection = entity::Collection::kPackages;
  std::string path;
  bool with_contents = false;  // of a package: with its actions, else it must have none

  // The revision that is stored now; 0: nothing is.
  std::uint64_t expected_revision = 0;
  // Of something new: how many of its collection its namespace may have with it, not counting what
  // else is in the same batch; 0: any number.
  std::int64_t max_in_namespace = 0;
};

struct EntityQuery {
  entity::Collection collection;
  std::string namespace_name;
  bool public_only = false;  // those with `publish` that are no bindings
  std::int64_t skip = 0;
  std::int64_t limit = 30;
};

// Actions by namespace, package and name; packages, triggers and rules by namespace and name. All
// share one space of names: a package and an action without one cannot both be "ns/name". Reads of
// what is hot are served from a cache.
class EntityStore {
 public:
  virtual ~EntityStore() = default;

  // The action now in the cache, at once and from any thread, or null if it is not there: then ask
  // get_action. Never stale: writes go through the same cache.
  virtual entity::ActionPtr cached_action(std::string_view path) const = 0;
  // `path` is "ns/[pkg/]name". NOT_FOUND if there is none; FAILED_PRECONDITION if something that is
  // no action has the name.
  virtual void get_action(Executor on, std::string path, Done<entity::ActionPtr> done) = 0;
  // The same for who replaces its parameters or removes it: what is encrypted need not be opened,
  // so that what no key opens can be got rid of. Parameters that are encrypted may have no values.
  virtual void get_sealed_action(Executor on, std::string path, Done<entity::ActionPtr> done) {
    get_action(std::move(on), std::move(path), std::move(done));
  }
  // Writes if what is stored has `expected_revision` (0: nothing is stored), else ABORTED (changed)
  // or ALREADY_EXISTS. The result is the stored action with its new revision. NOT_FOUND: there is
  // no such package; FAILED_PRECONDITION: something that is no action has the name.
  virtual void put_action(Executor on, entity::Action action, std::uint64_t expected_revision,
                          Done<entity::ActionPtr> done) = 0;
  virtual void remove_action(Executor on, std::string path, std::uint64_t expected_revision,
                             Done<void> done) = 0;
  // Newest `updated` first, without their code (exec.code is empty). `package` nullopt: of all
  // packages.
  virtual void list_actions(Executor on, std::string namespace_name,
                            std::optional<std::string> package, std::int64_t skip,
                            std::int64_t limit, Done<std::vector<entity::ActionPtr>> done) = 0;
  virtual void count_actions(Executor on, std::string namespace_name,
                             std::optional<std::string> package, std::int64_t skip,
                             Done<std::int64_t> done) = 0;

  // As cached_action(); `path` is "ns/name".
  virtual entity::EntityPtr cached_entity(entity::Collection collection,
                                          std::string_view path) const = 0;
  // NOT_FOUND; FAILED_PRECONDITION if something of another collection has the name. The result is
  // of that collection.
  virtual void get_entity(Executor on, entity::Collection collection, std::string path,
                          Done<entity::EntityPtr> done) = 0;
  // As get_sealed_action().
  virtual void get_sealed_entity(Executor on, entity::Collection collection, std::string path,
                                 Done<entity::EntityPtr> done) {
    get_entity(std::move(on), collection, std::move(path), std::move(done));
  }
  // All of the changes or none. ABORTED (one was changed meanwhile, or is gone), ALREADY_EXISTS,
  // FAILED_PRECONDITION (something of another collection has the name), OUT_OF_RANGE (the package
  // is not empty; the message is the number of its actions. Or the namespace has as many as it
  // may). The results are what was put, with its new revisions, in the order of the changes.
  virtual void change_entities(Executor on, std::vector<EntityChange> changes,
                               Done<std::vector<entity::EntityPtr>> done) = 0;
  // Newest `updated` first.
  virtual void list_entities(Executor on, EntityQuery query,
                             Done<std::vector<entity::EntityPtr>> done) = 0;
  // Of all that `query` names, without its limit.
  virtual void count_entities(Executor on, EntityQuery query, Done<std::int64_t> done) = 0;
};

struct ActivationQuery {
  std::string namespace_name;
  std::string name;                      // "action" or "package/action"; empty: all
  std::optional<std::int64_t> since_ms;  // start >= since
  std::optional<std::int64_t> upto_ms;   // start <= upto
  std::int64_t skip = 0;
  std::int64_t limit = 30;
  bool summaries = false;  // leave out `result` and `logs`, which a list entry does not show
};

// Writing a record ends the activation: it takes its row of the WorkStore, if there is one, away in
// the same transaction.
class ActivationStore {
 public:
  virtual ~ActivationStore() = default;

  virtual void put(Executor on, entity::Activation activation, Done<void> done) = 0;
  // Without waiting for the disk: queued for the next group commit; lost only in a crash before it.
  // RESOURCE_EXHAUSTED is reported in the log and the metrics.
  virtual void put_later(entity::Activation activation) = 0;
  // Sees what was put_later, too. NOT_FOUND.
  virtual void get(Executor on, std::string namespace_name, std::string activation_id,
                   Done<entity::Activation> done) = 0;
  // Newest start first.
  virtual void list(Executor on, ActivationQuery query,
                    Done<std::vector<entity::Activation>> done) = 0;
  virtual void count(Executor on, ActivationQuery query, Done<std::int64_t> done) = 0;
  // Done when everything put before is on disk; else the status says why it waits in memory.
  virtual void flush(Executor on, Done<void> done) = 0;
};

// Namespaces and their keys.
class AuthStore {
 public:
  virtual ~AuthStore() = default;

  // The identity of a key, from memory, at once and from any thread; nullopt: unknown uuid, wrong
  // secret (compared in constant time), a key that has ended, a namespace that is blocked.
  virtual std::optional<entity::Identity> authenticate(std::string_view uuid,
                                                       std::string_view secret) const = 0;
  // The namespace by name with its own key, from memory; also one that is blocked.
  virtual std::optional<entity::Identity> find_namespace(std::string_view name) const = 0;
  virtual std::vector<entity::Namespace> namespaces() const = 0;
  // ALREADY_EXISTS; INVALID_ARGUMENT for a bad name. `key` empty: a random one is made.
  virtual void create_namespace(Executor on, std::string name, std::optional<entity::AuthKey> key,
                                Done<entity::Identity> done) = 0;
  // FAILED_PRECONDITION if it still has actions and `force` is not given.
  virtual void remove_namespace(Executor on, std::string name, bool force, Done<void> done) = 0;
  // Changes what the namespace alone may: `change` makes the new limits from the present ones, on
  // the store's thread, so that no change of another caller is lost. The result is what is stored;
  // NOT_FOUND, or what `change` failed with. `change` may be called more than once.
  using LimitsChange =
      std::function<Result<entity::NamespaceLimits>(const entity::NamespaceLimits& present)>;
  virtual void change_limits(Executor on, std::string name, LimitsChange change,
                             Done<entity::NamespaceLimits> done) = 0;
  // Replaces the secret of the namespace's own key; the one before ends at once. For all else about
  // keys see key_store.hpp.
  virtual void rotate_key(Executor on, std::string name, Done<entity::Identity> done) = 0;
};

}  // namespace berth::store
