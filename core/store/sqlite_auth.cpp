// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_auth.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <mutex>
#include <utility>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "store/reply.hpp"

namespace berth::store {
namespace {

using entity::AuthKey;
using entity::Identity;
using entity::Namespace;

constexpr std::size_t kMinSecret = 16;
constexpr std::size_t kMaxSecret = 256;
constexpr std::int64_t kRemoveBatch = 500;

Status check_namespace_name(const std::string& name) {
  if (!entity::is_entity_name(name)) {
    return sdk::invalid_argument("'" + name +
                                 "' cannot be the name of a namespace: up to 256 letters, digits "
                                 "and _ @ . & - or inner spaces, the "
                                 "first a letter, digit or _");
  }
  if (name == "_") return sdk::invalid_argument("'_' stands for the caller's own namespace");
  return {};
}

// The secret is never part of an error.
Status check_key(const AuthKey& key) {
  if (!is_uuid(key.uuid)) {
    return sdk::invalid_argument("the first half of the key must be a uuid in lower case");
  }
  const bool printable =
      std::all_of(key.secret.begin(), key.secret.end(), [](char c) { return c > ' ' && c <= '~'; });
  if (!printable || key.secret.size() < kMinSecret || key.secret.size() > kMaxSecret) {
    return sdk::invalid_argument(
        "the second half of the key must be 16 to 256 printable characters");
  }
  return {};
}

// True if the query has a row.
Result<bool> has_row(Query& query) {
  const bool row = query.next();
  if (!query.status().ok()) return query.status();
  return row;
}

// As the table keeps them; empty: none. What cannot be understood (a newer Berth wrote it) is left
// out and told: one namespace's limits do not keep all of them from being served.
std::shared_ptr<const entity::NamespaceLimits> read_limits(std::string_view name,
                                                           std::string_view text) {
  if (text.empty()) return nullptr;
  const auto json = parse_json(text);
  if (!json || !json->is_object()) {
    log::error("store", "a namespace's limits cannot be read and do not hold",
               {{"namespace", name}});
    return nullptr;
  }
  entity::NamespaceLimits limits;
  for (const auto& member : json->get_object()) {
    boost::json::object one;
    one.emplace(member.key(), member.value());
    auto with = entity::parse_namespace_limits(one, limits);
    if (with) {
      limits = std::move(*with);
    } else {
      log::error("store", "a limit of a namespace is not known and does not hold",
                 {{"namespace", name}, {"reason", with.error().message()}});
    }
  }
  return std::make_shared<const entity::NamespaceLimits>(std::move(limits));
}

Status no_namespace(const std::string& name) {
  return sdk::not_found("there is no namespace '" + name + "'");
}

}  // namespace

class CreateNamespace final : public WriteJob {
 public:
  CreateNamespace(SqliteAuth& owner, Namespace facts, AuthKey key, Reply<Identity> reply)
      : owner_(owner),
        entry_{std::move(facts), nullptr},
        key_(std::move(key)),
        reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    const Namespace& facts = entry_.facts;
    {
      Query query(connection, "SELECT removed FROM namespaces WHERE name = ?");
      query.bind(facts.name);
      const auto known = has_row(query);
      if (!known) return known.error();
      if (*known && query.integer(0) != 0) {
        return sdk::failed_precondition("namespace '" + facts.name +
                                        "' is still being removed: try again later");
      }
      if (*known) return sdk::already_exists("namespace '" + facts.name + "' already exists");
    }
    {
      Query query(connection,
                  "SELECT 1 FROM namespaces WHERE uuid = ?1 UNION ALL "
                  "SELECT 1 FROM keys WHERE uuid = ?1");
      query.bind(key_.uuid);
      const auto known = has_row(query);
      if (!known) return known.error();
      if (*known) return sdk::already_exists("the key's uuid is already in use");
    }
    Query space(connection, "INSERT INTO namespaces(name, uuid, created) VALUES(?, ?, ?)");
    space.bind(facts.name).bind(facts.uuid).bind(facts.created_ms);
    if (Status status = space.run(); !status.ok()) return status;
    Query key(connection, "INSERT INTO keys(uuid, namespace, secret, created) VALUES(?, ?, ?, ?)");
    key.bind(key_.uuid).bind(facts.name).bind(key_.secret).bind(facts.created_ms);
    return key.run();
  }

  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    Key own;
    own.namespace_name = entry_.facts.name;
    own.subject = entry_.facts.name;
    own.key = key_;
    own.created_ms = entry_.facts.created_ms;
    own.own = true;
    Identity identity = SqliteAuth::identity_of(entry_, own);
    {
      const std::unique_lock lock(owner_.mutex_);
      owner_.by_uuid_[key_.uuid] = {std::move(own), ""};
      std::string name = entry_.facts.name;
      owner_.by_name_.insert_or_assign(std::move(name), std::move(entry_));
    }
    reply_(std::move(identity));
  }

 private:
  SqliteAuth& owner_;
  SqliteAuth::Entry entry_;
  const AuthKey key_;
  Reply<Identity> reply_;
};

// First half of a removal: keys and actions go and the name is marked; its records follow in
// batches.
class HideNamespace final : public WriteJob {
 public:
  HideNamespace(SqliteAuth& owner, std::string name, bool force, Reply<void> reply)
      : owner_(owner), name_(std::move(name)), force_(force), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    {
      Query query(connection, "SELECT 1 FROM namespaces WHERE name = ? AND removed = 0");
      query.bind(name_);
      const auto known = has_row(query);
      if (!known) return known.error();
      if (!*known) return no_namespace(name_);
    }
    if (!force_) {
      Query query(connection,
                  "SELECT (SELECT count(*) FROM actions WHERE namespace = ?1), "
                  "(SELECT count(*) FROM entities WHERE namespace = ?1)");
      query.bind(name_);
      const auto counted = has_row(query);
      if (!counted) return counted.error();
      if (query.integer(0) > 0) {
        return sdk::failed_precondition("namespace '" + name_ + "' still has " + query.string(0) +
                                        " actions: delete them, or force it");
      }
      if (query.integer(1) > 0) {
        return sdk::failed_precondition(
            "namespace '" + name_ + "' still has " + query.string(1) +
            " packages, triggers, rules or APIs: delete them, or force it");
      }
    }
    Query actions(connection, "DELETE FROM actions WHERE namespace = ?");
    actions.bind(name_);
    if (Status status = actions.run(); !status.ok()) return status;
    Query entities(connection, "DELETE FROM entities WHERE namespace = ?");
    entities.bind(name_);
    if (Status status = entities.run(); !status.ok()) return status;
    Query alarms(connection, "DELETE FROM alarms WHERE namespace = ?");
    alarms.bind(name_);
    if (Status status = alarms.run(); !status.ok()) return status;
    Query keys(connection, "DELETE FROM keys WHERE namespace = ?");
    keys.bind(name_);
    if (Status status = keys.run(); !status.ok()) return status;
    Query work(connection, "DELETE FROM work WHERE namespace = ?");
    work.bind(name_);
    if (Status status = work.run(); !status.ok()) return status;
    Query mark(connection, "UPDATE namespaces SET removed = 1 WHERE name = ?");
    mark.bind(name_);
    return mark.run();
  }

  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    owner_.forget(name_);
    owner_.entities_.forget_namespace(name_);
    auto reply = std::make_shared<Reply<void>>(std::move(reply_));
    owner_.remove_records(name_, [reply](const Status& removed) {
      if (removed.ok()) return (*reply)(Result<void>());
      (*reply)(removed);
    });
  }

 private:
  SqliteAuth& owner_;
  const std::string name_;
  const bool force_;
  Reply<void> reply_;
};

// Last step of a removal.
class DropNamespace final : public WriteJob {
 public:
  DropNamespace(std::string name, std::function<void(Status)> done)
      : name_(std::move(name)), done_(std::move(done)) {}

  Status run(Connection& connection) override {
    Query query(connection, "DELETE FROM namespaces WHERE name = ? AND removed = 1");
    query.bind(name_);
    return query.run();
  }
  void finish(const Status& status) override { done_(status); }

 private:
  const std::string name_;
  const std::function<void(Status)> done_;
};

class RotateKey final : public WriteJob {
 public:
  RotateKey(SqliteAuth& owner, std::string name, Reply<Identity> reply)
      : owner_(owner), name_(std::move(name)), secret_(new_secret()), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    Query query(connection,
                "UPDATE keys SET secret = ?1, old_secret = '', old_until = 0 WHERE uuid = "
                "(SELECT uuid FROM namespaces WHERE name = ?2 AND removed = 0)");
    query.bind(secret_).bind(name_);
    if (Status status = query.run(); !status.ok()) return status;
    return connection.changes() > 0 ? Status() : no_namespace(name_);
  }

  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    std::optional<Identity> identity;
    {
      const std::unique_lock lock(owner_.mutex_);
      const auto found = owner_.by_name_.find(name_);
      if (found != owner_.by_name_.end()) {
        SqliteAuth::KnownKey& known = owner_.by_uuid_[found->second.facts.uuid];
        known.key.key.secret = secret_;
        known.key.old_until_ms = 0;
        known.old_secret.clear();
        identity = owner_.own_identity(name_);
      }
    }
    if (!identity) return reply_(no_namespace(name_));
    reply_(std::move(*identity));
  }

 private:
  SqliteAuth& owner_;
  const std::string name_;
  const std::string secret_;
  Reply<Identity> reply_;
};

class ChangeLimits final : public WriteJob {
 public:
  ChangeLimits(SqliteAuth& owner, std::string name, AuthStore::LimitsChange change,
               Reply<entity::NamespaceLimits> reply)
      : owner_(owner),
        name_(std::move(name)),
        change_(std::move(change)),
        reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    entity::NamespaceLimits present;
    {
      Query query(connection, "SELECT limits FROM namespaces WHERE name = ? AND removed = 0");
      query.bind(name_);
      const auto known = has_row(query);
      if (!known) return known.error();
      if (!*known) return no_namespace(name_);
      if (const auto stored = read_limits(name_, query.text(0))) present = *stored;
    }
    auto changed = change_(present);
    if (!changed) return changed.error();
    const bool none = *changed == entity::NamespaceLimits();
    limits_ = std::make_shared<const entity::NamespaceLimits>(std::move(*changed));
    const std::string text =
        none ? std::string() : boost::json::serialize(entity::to_json(*limits_));
    Query query(connection, "UPDATE namespaces SET limits = ? WHERE name = ?");
    query.bind(text).bind(name_);
    return query.run();
  }

  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    {
      const std::unique_lock lock(owner_.mutex_);
      const auto found = owner_.by_name_.find(name_);
      if (found != owner_.by_name_.end()) {
        found->second.limits = *limits_ == entity::NamespaceLimits() ? nullptr : limits_;
      }
    }
    reply_(*limits_);
  }

 private:
  SqliteAuth& owner_;
  const std::string name_;
  const AuthStore::LimitsChange change_;
  std::shared_ptr<const entity::NamespaceLimits> limits_;  // as changed
  Reply<entity::NamespaceLimits> reply_;
};

Identity SqliteAuth::identity_of(const Entry& entry, const Key& key) {
  return {key.subject,  entry.facts.name, entry.facts.uuid,   key.key,
          entry.limits, key.rights,       entry.facts.blocked};
}

std::optional<Identity> SqliteAuth::own_identity(std::string_view name) const {
  const auto entry = by_name_.find(name);
  if (entry == by_name_.end()) return std::nullopt;
  const auto key = by_uuid_.find(entry->second.facts.uuid);
  if (key == by_uuid_.end()) return std::nullopt;
  return identity_of(entry->second, key->second.key);
}

void SqliteAuth::forget(const std::string& name) {
  const std::unique_lock lock(mutex_);
  std::erase_if(by_uuid_,
                [&name](const auto& entry) { return entry.second.key.namespace_name == name; });
  by_name_.erase(name);
}

Status SqliteAuth::load(Connection& connection) {
  {
    Query query(connection,
                "SELECT n.name, n.uuid, n.created, n.blocked, n.limits, k.uuid, k.secret, "
                "k.created, k.subject, k.rights, k.expires, k.old_secret, k.old_until "
                "FROM namespaces n JOIN keys k ON k.namespace = n.name WHERE n.removed = 0");
    const std::unique_lock lock(mutex_);
    while (query.next()) {
      Key key;
      key.namespace_name = query.string(0);
      key.key = {query.string(5), query.string(6)};
      key.created_ms = query.integer(7);
      key.subject = query.string(8).empty() ? key.namespace_name : query.string(8);
      key.rights.bits = static_cast<std::uint8_t>(query.integer(9));
      key.expires_ms = query.integer(10);
      key.old_until_ms = query.integer(12);
      key.own = key.key.uuid == query.text(1);
      Entry& entry = by_name_[key.namespace_name];
      if (entry.facts.name.empty()) {
        entry = {{query.string(0), query.string(1), query.integer(2), query.integer(3) != 0},
                 read_limits(query.text(0), query.text(4))};
      }
      // The right side of an assignment is done first.
      KnownKey& known = by_uuid_[key.key.uuid];
      known = {std::move(key), query.string(11)};
    }
    if (!query.status().ok()) return query.status();
  }
  std::vector<std::string> hidden;
  {
    Query query(connection, "SELECT name FROM namespaces WHERE removed <> 0");
    while (query.next()) hidden.push_back(query.string(0));
    if (!query.status().ok()) return query.status();
  }
  for (std::string& name : hidden) {
    remove_records(std::move(name), [](const Status& status) {
      if (!status.ok()) {
        log::warn("store", "a namespace is not fully removed yet; the next start goes on",
                  {{"reason", status.to_string()}});
      }
    });
  }
  return {};
}

void SqliteAuth::remove_records(std::string name, std::function<void(Status)> done) {
  activations_.remove_of_namespace(
      name, kRemoveBatch,
      [this, name, done = std::move(done)](const Result<std::int64_t>& removed) mutable {
        if (!removed) return done(removed.error());
        if (*removed == kRemoveBatch) return remove_records(std::move(name), std::move(done));
        writer_.submit_or_refuse(std::make_unique<DropNamespace>(std::move(name), std::move(done)));
      });
}

std::optional<Identity> SqliteAuth::authenticate(std::string_view uuid,
                                                 std::string_view secret) const {
  const std::shared_lock lock(mutex_);
  const auto found = by_uuid_.find(uuid);
  if (found == by_uuid_.end()) return std::nullopt;
  const KnownKey& known = found->second;
  bool opens = constant_time_equal(known.key.key.secret, secret);
  // What only some keys have costs the others no look at the clock.
  if (known.key.old_until_ms != 0 || known.key.expires_ms != 0) {
    const std::int64_t now_ms = clock_.wall_ms();
    const bool old_opens = constant_time_equal(known.old_secret, secret);
    opens |= old_opens && !known.old_secret.empty() && now_ms < known.key.old_until_ms;
    opens &= known.key.expires_ms == 0 || now_ms < known.key.expires_ms;
  }
  const auto entry = by_name_.find(known.key.namespace_name);
  if (!opens || entry == by_name_.end() || entry->second.facts.blocked) return std::nullopt;
  return identity_of(entry->second, known.key);
}

std::optional<Identity> SqliteAuth::find_namespace(std::string_view name) const {
  const std::shared_lock lock(mutex_);
  return own_identity(name);
}

std::vector<Namespace> SqliteAuth::namespaces() const {
  const std::shared_lock lock(mutex_);
  std::vector<Namespace> all;
  all.reserve(by_name_.size());
  for (const auto& [name, entry] : by_name_) all.push_back(entry.facts);
  return all;
}

void SqliteAuth::create_namespace(Executor on, std::string name, std::optional<AuthKey> key,
                                  Done<Identity> done) {
  Reply<Identity> reply(std::move(on), std::move(done));
  if (Status status = check_namespace_name(name); !status.ok()) return reply(std::move(status));
  if (!key) key = AuthKey{new_uuid(), new_secret()};
  if (Status status = check_key(*key); !status.ok()) return reply(std::move(status));
  Namespace facts{std::move(name), key->uuid, clock_.wall_ms()};
  writer_.submit_or_refuse(std::make_unique<CreateNamespace>(*this, std::move(facts),
                                                             std::move(*key), std::move(reply)));
}

void SqliteAuth::remove_namespace(Executor on, std::string name, bool force, Done<void> done) {
  writer_.submit_or_refuse(std::make_unique<HideNamespace>(
      *this, std::move(name), force, Reply<void>(std::move(on), std::move(done))));
}

void SqliteAuth::change_limits(Executor on, std::string name, LimitsChange change,
                               Done<entity::NamespaceLimits> done) {
  writer_.submit_or_refuse(std::make_unique<ChangeLimits>(
      *this, std::move(name), std::move(change),
      Reply<entity::NamespaceLimits>(std::move(on), std::move(done))));
}

void SqliteAuth::rotate_key(Executor on, std::string name, Done<Identity> done) {
  writer_.submit_or_refuse(std::make_unique<RotateKey>(
      *this, std::move(name), Reply<Identity>(std::move(on), std::move(done))));
}

}  // namespace berth::store
