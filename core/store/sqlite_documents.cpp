// SPDX-License-Identifier: Apache-2.0
// Packages, triggers and rules.
#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "store/reply.hpp"
#include "store/sealed_origin.hpp"
#include "store/sqlite_entities.hpp"

namespace berth::store {
namespace {

using entity::Collection;
using entity::Entity;
using entity::EntityPtr;
using Entities = std::vector<EntityPtr>;

std::int64_t number(Collection collection) {
  return static_cast<std::int64_t>(collection);
}

Status of_another_collection(std::string_view path) {
  return sdk::failed_precondition(std::string(path) + " is of another collection");
}

// The entity of a row (revision, collection, body). Without a cipher, parameters that are encrypted
// have no values.
Result<EntityPtr> from_row(const Query& row, const entity::ParameterCipher* cipher = nullptr) {
  auto entity = entity::deserialize_entity(static_cast<Collection>(row.integer(1)), row.text(2));
  if (!entity) return entity.error();
  if (cipher != nullptr) {
    if (const Status opened = cipher->open((*entity)->parameters); !opened.ok()) {
      log::error("store", "an entity's parameters cannot be decrypted",
                 {{"entity", (*entity)->path()}, {"reason", opened.to_string()}});
      return sdk::data_loss(opened.message());
    }
  }
  (*entity)->revision = static_cast<std::uint64_t>(row.integer(0));
  return EntityPtr(std::move(*entity));
}

// What is stored under a path; revision 0: nothing.
struct Present {
  std::uint64_t revision = 0;
  Collection collection{};
};

Result<Present> find_present(Connection& connection, std::string_view path) {
  Query query(connection, "SELECT revision, collection FROM entities WHERE path = ?");
  query.bind(path);
  Present present;
  if (query.next()) {
    present.revision = static_cast<std::uint64_t>(query.integer(0));
    present.collection = static_cast<Collection>(query.integer(1));
  }
  if (!query.status().ok()) return query.status();
  return present;
}

Result<bool> is_action(Connection& connection, std::string_view path) {
  Query query(connection, "SELECT 1 FROM actions WHERE path = ?");
  query.bind(path);
  const bool found = query.next();
  if (!query.status().ok()) return query.status();
  return found;
}

class ChangeEntities final : public WriteJob {
 public:
  // `sealed`: of each of the changes the parameters that came encrypted.
  ChangeEntities(std::vector<EntityChange> changes, std::vector<entity::Parameters> sealed,
                 ActionCache& actions, EntityCache& others, Reply<Entities> reply)
      : actions_(actions), others_(others), reply_(std::move(reply)) {
    for (std::size_t i = 0; i < changes.size(); ++i) {
      EntityChange& change = changes[i];
      Step& step = steps_.emplace_back();
      step.sealed = std::move(sealed[i]);
      if (change.put) {
        change.path = change.put->path();
        change.collection = change.put->collection();
        step.body = entity::serialize(*change.put);
      }
      step.change = std::move(change);
      bytes_ += 1024 + step.body.size();
    }
  }

  Status run(Connection& connection) override {
    removed_actions_.clear();
    // All checks before the first change: a refused job must have changed nothing.
    for (const Step& step : steps_) {
      Status status = check(connection, step.change);
      if (status.ok() && step.change.put) {
        status = check_sealed(connection, step.sealed, step.change.path,
                              step.change.put->namespace_name);
      }
      if (!status.ok()) return status;
    }
    for (Step& step : steps_) {
      if (Status status = apply(connection, step); !status.ok()) return status;
    }
    return {};
  }

  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    Entities stored;
    for (const std::string& path : removed_actions_) actions_.remove(path);
    for (const Step& step : steps_) {
      if (step.change.put) {
        others_.put(step.change.put, step.body.size());
        stored.push_back(step.change.put);
      } else {
        others_.remove(step.change.path);
      }
    }
    reply_(std::move(stored));
  }

  std::size_t bytes() const override { return bytes_; }

 private:
  struct Step {
    EntityChange change;
    entity::Parameters sealed;
    std::string body;
  };

  static Status check(Connection& connection, const EntityChange& change) {
    const auto present = find_present(connection, change.path);
    if (!present) return present.error();
    if (present->revision != 0 && present->collection != change.collection) {
      return of_another_collection(change.path);
    }
    if (present->revision != change.expected_revision) {
      return change.expected_revision == 0 ? sdk::already_exists(change.path + " already exists")
                                           : sdk::aborted(change.path + " was changed meanwhile");
    }
    if (change.put && present->revision == 0) {
      const auto taken = is_action(connection, change.path);
      if (!taken) return taken.error();
      if (*taken) return of_another_collection(change.path);
      if (Status status = check_number(connection, change); !status.ok()) return status;
    }
    if (!change.put && change.collection == Collection::kPackages && !change.with_contents) {
      Query query(connection, "SELECT count(*) FROM actions WHERE namespace = ? AND package = ?");
      const std::size_t slash = change.path.find('/');
      query.bind(std::string_view(change.path).substr(0, slash))
          .bind(std::string_view(change.path).substr(slash + 1));
      query.next();
      if (!query.status().ok()) return query.status();
      if (query.integer(0) > 0) return sdk::out_of_range(query.string(0));
    }
    return {};
  }

  // In the writer's transaction: who asks first and writes then would let in too many.
  static Status check_number(Connection& connection, const EntityChange& change) {
    if (change.max_in_namespace == 0) return {};
    Query query(connection, "SELECT count(*) FROM entities WHERE namespace = ? AND collection = ?");
    query.bind(change.put->namespace_name).bind(number(change.collection));
    query.next();
    if (!query.status().ok()) return query.status();
    if (query.integer(0) < change.max_in_namespace) return {};
    return sdk::out_of_range("there are " + query.string(0) + " already");
  }

  Status apply(Connection& connection, Step& step) {
    EntityChange& change = step.change;
    if (change.expected_revision != 0) {
      Query query(connection, "DELETE FROM entities WHERE path = ?");
      query.bind(change.path);
      if (Status status = query.run(); !status.ok()) return status;
    }
    if (!change.put) {
      return change.with_contents ? remove_contents(connection, change.path) : Status();
    }
    Query query(connection,
                "INSERT INTO entities(path, collection, namespace, updated, listed, body) "
                "VALUES(?, ?, ?, ?, ?, ?)");
    query.bind(change.path)
        .bind(number(change.collection))
        .bind(change.put->namespace_name)
        .bind(change.put->updated_ms)
        .bind(is_listed(*change.put) ? std::int64_t{1} : std::int64_t{0})
        .bind(step.body);
    if (Status status = query.run(); !status.ok()) return status;
    change.put->revision = static_cast<std::uint64_t>(connection.last_insert_id());
    return {};
  }

  Status remove_contents(Connection& connection, const std::string& package) {
    const std::size_t slash = package.find('/');
    const std::string_view space = std::string_view(package).substr(0, slash);
    const std::string_view name = std::string_view(package).substr(slash + 1);
    {
      Query query(connection, "SELECT path FROM actions WHERE namespace = ? AND package = ?");
      query.bind(space).bind(name);
      while (query.next()) removed_actions_.push_back(query.string(0));
      if (!query.status().ok()) return query.status();
    }
    Query query(connection, "DELETE FROM actions WHERE namespace = ? AND package = ?");
    query.bind(space).bind(name);
    return query.run();
  }

  static bool is_listed(const Entity& entity) {
    if (!entity.publish) return false;
    return entity.collection() != Collection::kPackages ||
           !static_cast<const entity::Package&>(entity).binding;
  }

  std::vector<Step> steps_;
  std::vector<std::string> removed_actions_;
  ActionCache& actions_;
  EntityCache& others_;
  Reply<Entities> reply_;
  std::size_t bytes_ = 256;
};

}  // namespace

EntityPtr SqliteEntities::cached_entity(Collection collection, std::string_view path) const {
  EntityPtr entity = others_.find(path);
  return entity && entity->collection() == collection ? entity : nullptr;
}

void SqliteEntities::get_entity(Executor on, Collection collection, std::string path,
                                Done<EntityPtr> done) {
  read_entity(std::move(on), collection, std::move(path), true, std::move(done));
}

void SqliteEntities::get_sealed_entity(Executor on, Collection collection, std::string path,
                                       Done<EntityPtr> done) {
  read_entity(std::move(on), collection, std::move(path), false, std::move(done));
}

void SqliteEntities::read_entity(Executor on, Collection collection, std::string path, bool opened,
                                 Done<EntityPtr> done) {
  Reply<EntityPtr> reply(std::move(on), std::move(done));
  if (EntityPtr cached = cached_entity(collection, path)) return reply(std::move(cached));
  readers_.submit([this, collection, opened, path = std::move(path),
                   reply = std::move(reply)](Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    const std::uint64_t epoch = others_.epoch();
    Query query(**connection, "SELECT revision, collection, body FROM entities WHERE path = ?");
    query.bind(path);
    if (query.next()) {
      auto entity = from_row(query, opened ? &cipher_ : nullptr);
      if (!entity) return reply(entity.error());
      if (opened) others_.offer(*entity, query.text(2).size(), epoch);
      if ((*entity)->collection() != collection) return reply(of_another_collection(path));
      return reply(std::move(*entity));
    }
    if (!query.status().ok()) return reply(query.status());
    const auto taken = is_action(**connection, path);
    if (!taken) return reply(taken.error());
    if (*taken) return reply(of_another_collection(path));
    reply(sdk::not_found("there is no " + path));
  });
}

void SqliteEntities::change_entities(Executor on, std::vector<EntityChange> changes,
                                     Done<Entities> done) {
  Reply<Entities> reply(std::move(on), std::move(done));
  std::vector<entity::Parameters> sealed(changes.size());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const EntityChange& change = changes[i];
    if (!change.put) continue;
    // A client may send back what it was shown; the writer sees whether it was.
    sealed[i] = sealed_of(change.put->parameters);
    if (const Status opened = cipher_.open(change.put->parameters); !opened.ok()) {
      return reply(sdk::invalid_argument(opened.message()));
    }
    cipher_.seal(change.put->parameters);
  }
  writer_.submit_or_refuse(std::make_unique<ChangeEntities>(std::move(changes), std::move(sealed),
                                                            cache_, others_, std::move(reply)));
}

void SqliteEntities::list_entities(Executor on, EntityQuery wanted, Done<Entities> done) {
  Reply<Entities> reply(std::move(on), std::move(done));
  readers_.submit([wanted = std::move(wanted),
                   reply = std::move(reply)](Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    Query query(**connection,
                "SELECT revision, collection, body FROM entities WHERE namespace = ? AND "
                "collection = ? AND listed >= ? ORDER BY updated DESC, revision DESC LIMIT ? "
                "OFFSET ?");
    query.bind(wanted.namespace_name)
        .bind(number(wanted.collection))
        .bind(wanted.public_only ? std::int64_t{1} : std::int64_t{0})
        .bind(std::max<std::int64_t>(wanted.limit, 0))
        .bind(wanted.skip);
    Entities entities;
    while (query.next()) {
      auto entity = from_row(query);
      // One that is damaged does not take the others with it.
      if (!entity) {
        log::error("store", "an entity cannot be read",
                   {{"namespace", wanted.namespace_name},
                    {"collection", std::string(entity::to_string(wanted.collection))},
                    {"reason", entity.error().to_string()}});
        continue;
      }
      entities.push_back(std::move(*entity));
    }
    if (!query.status().ok()) return reply(query.status());
    reply(std::move(entities));
  });
}

void SqliteEntities::count_entities(Executor on, EntityQuery wanted, Done<std::int64_t> done) {
  Reply<std::int64_t> reply(std::move(on), std::move(done));
  readers_.submit([wanted = std::move(wanted),
                   reply = std::move(reply)](Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    Query query(**connection,
                "SELECT count(*) FROM entities WHERE namespace = ? AND collection = ? AND "
                "listed >= ?");
    query.bind(wanted.namespace_name)
        .bind(number(wanted.collection))
        .bind(wanted.public_only ? std::int64_t{1} : std::int64_t{0});
    query.next();
    if (!query.status().ok()) return reply(query.status());
    reply(std::max<std::int64_t>(query.integer(0) - wanted.skip, 0));
  });
}

}  // namespace berth::store
