// SPDX-License-Identifier: Apache-2.0
// Keys beside a namespace's own, rotation with overlap, blocked namespaces.
#include <algorithm>
#include <mutex>
#include <utility>

#include "base/ids.hpp"
#include "store/reply.hpp"
#include "store/sqlite_auth.hpp"

namespace berth::store {
namespace {

Status no_key(const std::string& name, const std::string& uuid) {
  return sdk::not_found("namespace '" + name + "' has no key " + uuid);
}
Status no_namespace(const std::string& name) {
  return sdk::not_found("there is no namespace '" + name + "'");
}

// The first number of the only row; 0 without one.
Result<std::int64_t> number(Query& query) {
  if (query.next()) return query.integer(0);
  if (!query.status().ok()) return query.status();
  return 0;
}

}  // namespace

class AddKey final : public WriteJob {
 public:
  AddKey(SqliteAuth& owner, Key key, Reply<Key> reply)
      : owner_(owner), key_(std::move(key)), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    {
      Query query(connection, "SELECT count(*) FROM namespaces WHERE name = ? AND removed = 0");
      query.bind(key_.namespace_name);
      const auto known = number(query);
      if (!known) return known.error();
      if (*known == 0) return no_namespace(key_.namespace_name);
    }
    {
      Query query(connection, "SELECT count(*) FROM keys WHERE namespace = ?");
      query.bind(key_.namespace_name);
      const auto count = number(query);
      if (!count) return count.error();
      if (*count >= static_cast<std::int64_t>(KeyStore::kMaxKeys)) {
        return sdk::failed_precondition("namespace '" + key_.namespace_name + "' has " +
                                        std::to_string(KeyStore::kMaxKeys) +
                                        " keys: remove some that are not used");
      }
    }
    Query query(connection,
                "INSERT INTO keys(uuid, namespace, secret, created, subject, rights, expires) "
                "VALUES(?, ?, ?, ?, ?, ?, ?)");
    query.bind(key_.key.uuid)
        .bind(key_.namespace_name)
        .bind(key_.key.secret)
        .bind(key_.created_ms)
        .bind(key_.subject)
        .bind(std::int64_t{key_.rights.bits})
        .bind(key_.expires_ms);
    return query.run();
  }
  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    {
      const std::unique_lock lock(owner_.mutex_);
      // It was deleted in the same batch.
      if (owner_.by_name_.contains(key_.namespace_name)) {
        owner_.by_uuid_[key_.key.uuid] = {key_, ""};
      }
    }
    reply_(std::move(key_));
  }

 private:
  SqliteAuth& owner_;
  Key key_;
  Reply<Key> reply_;
};

class RemoveKey final : public WriteJob {
 public:
  RemoveKey(SqliteAuth& owner, std::string name, std::string uuid, Reply<void> reply)
      : owner_(owner), name_(std::move(name)), uuid_(std::move(uuid)), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    {
      Query query(connection, "SELECT count(*) FROM namespaces WHERE name = ? AND uuid = ?");
      query.bind(name_).bind(uuid_);
      const auto own = number(query);
      if (!own) return own.error();
      if (*own != 0) {
        return sdk::failed_precondition("this is the own key of namespace '" + name_ +
                                        "': rotate it, block the namespace, or delete it");
      }
    }
    Query query(connection, "DELETE FROM keys WHERE uuid = ? AND namespace = ?");
    query.bind(uuid_).bind(name_);
    if (Status status = query.run(); !status.ok()) return status;
    return connection.changes() > 0 ? Status() : no_key(name_, uuid_);
  }
  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    {
      const std::unique_lock lock(owner_.mutex_);
      owner_.by_uuid_.erase(uuid_);
    }
    reply_(Result<void>());
  }

 private:
  SqliteAuth& owner_;
  const std::string name_;
  const std::string uuid_;
  Reply<void> reply_;
};

class RotateOne final : public WriteJob {
 public:
  RotateOne(SqliteAuth& owner, std::string name, std::string uuid, std::int64_t old_until_ms,
            Reply<Key> reply)
      : owner_(owner),
        name_(std::move(name)),
        uuid_(std::move(uuid)),
        secret_(new_secret()),
        old_until_ms_(old_until_ms),
        reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    Query query(connection,
                "UPDATE keys SET old_secret = CASE WHEN ?1 = 0 THEN '' ELSE secret END, "
                "old_until = ?1, secret = ?2 WHERE uuid = ?3 AND namespace = ?4");
    query.bind(old_until_ms_).bind(secret_).bind(uuid_).bind(name_);
    if (Status status = query.run(); !status.ok()) return status;
    return connection.changes() > 0 ? Status() : no_key(name_, uuid_);
  }
  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    Key key;
    {
      const std::unique_lock lock(owner_.mutex_);
      const auto found = owner_.by_uuid_.find(uuid_);
      if (found == owner_.by_uuid_.end()) return reply_(no_key(name_, uuid_));
      SqliteAuth::KnownKey& known = found->second;
      known.old_secret = old_until_ms_ == 0 ? "" : known.key.key.secret;
      known.key.old_until_ms = old_until_ms_;
      known.key.key.secret = secret_;
      key = known.key;
    }
    reply_(std::move(key));
  }

 private:
  SqliteAuth& owner_;
  const std::string name_;
  const std::string uuid_;
  const std::string secret_;
  const std::int64_t old_until_ms_;
  Reply<Key> reply_;
};

class SetBlocked final : public WriteJob {
 public:
  SetBlocked(SqliteAuth& owner, std::string name, bool blocked, Reply<void> reply)
      : owner_(owner), name_(std::move(name)), blocked_(blocked), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    Query query(connection, "UPDATE namespaces SET blocked = ? WHERE name = ? AND removed = 0");
    query.bind(std::int64_t{blocked_ ? 1 : 0}).bind(name_);
    if (Status status = query.run(); !status.ok()) return status;
    return connection.changes() > 0 ? Status() : no_namespace(name_);
  }
  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    {
      const std::unique_lock lock(owner_.mutex_);
      const auto found = owner_.by_name_.find(name_);
      if (found != owner_.by_name_.end()) found->second.facts.blocked = blocked_;
    }
    reply_(Result<void>());
  }

 private:
  SqliteAuth& owner_;
  const std::string name_;
  const bool blocked_;
  Reply<void> reply_;
};

std::vector<Key> SqliteAuth::keys_where(const std::function<bool(const Key&)>& wanted) const {
  std::vector<Key> keys;
  {
    const std::shared_lock lock(mutex_);
    for (const auto& [uuid, known] : by_uuid_) {
      if (wanted(known.key)) keys.push_back(known.key);
    }
  }
  const std::int64_t now_ms = clock_.wall_ms();
  for (Key& key : keys) {
    if (key.old_until_ms <= now_ms) key.old_until_ms = 0;
  }
  std::sort(keys.begin(), keys.end(), [](const Key& a, const Key& b) {
    if (a.namespace_name != b.namespace_name) return a.namespace_name < b.namespace_name;
    if (a.own != b.own) return a.own;
    return a.subject != b.subject ? a.subject < b.subject : a.created_ms < b.created_ms;
  });
  return keys;
}

std::vector<Key> SqliteAuth::keys_of_namespace(std::string_view name) const {
  return keys_where([name](const Key& key) { return name.empty() || key.namespace_name == name; });
}

std::vector<Key> SqliteAuth::keys_of_subject(std::string_view subject) const {
  return keys_where(
      [subject](const Key& key) { return subject.empty() || key.subject == subject; });
}

void SqliteAuth::add_key(Executor on, NewKey wanted, Done<Key> done) {
  Reply<Key> reply(std::move(on), std::move(done));
  if (wanted.rights.bits == 0) {
    return reply(sdk::invalid_argument("a key without any right opens nothing"));
  }
  if (!entity::is_entity_name(wanted.subject)) {
    return reply(sdk::invalid_argument("'" + wanted.subject + "' cannot be the name of a subject"));
  }
  const std::int64_t now_ms = clock_.wall_ms();
  if (wanted.expires_ms != 0 && wanted.expires_ms <= now_ms) {
    return reply(sdk::invalid_argument("the key's end is past"));
  }
  Key key;
  key.namespace_name = std::move(wanted.namespace_name);
  key.subject = std::move(wanted.subject);
  key.key = {new_uuid(), new_secret()};
  key.rights = wanted.rights;
  key.created_ms = now_ms;
  key.expires_ms = wanted.expires_ms;
  writer_.submit_or_refuse(std::make_unique<AddKey>(*this, std::move(key), std::move(reply)));
}

void SqliteAuth::remove_key(Executor on, std::string name, std::string uuid, Done<void> done) {
  writer_.submit_or_refuse(std::make_unique<RemoveKey>(
      *this, std::move(name), std::move(uuid), Reply<void>(std::move(on), std::move(done))));
}

void SqliteAuth::rotate_key(Executor on, std::string name, std::string uuid,
                            std::int64_t overlap_ms, Done<Key> done) {
  const std::int64_t until_ms = overlap_ms <= 0 ? 0 : clock_.wall_ms() + overlap_ms;
  writer_.submit_or_refuse(std::make_unique<RotateOne>(*this, std::move(name), std::move(uuid),
                                                       until_ms,
                                                       Reply<Key>(std::move(on), std::move(done))));
}

void SqliteAuth::set_blocked(Executor on, std::string name, bool blocked, Done<void> done) {
  writer_.submit_or_refuse(std::make_unique<SetBlocked>(
      *this, std::move(name), blocked, Reply<void>(std::move(on), std::move(done))));
}

}  // namespace berth::store
