// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_entities.hpp"

#include <algorithm>
#include <utility>

#include "base/log.hpp"
#include "store/reply.hpp"
#include "store/sealed_origin.hpp"

namespace berth::store {
namespace {

using entity::Action;
using entity::ActionPtr;

// The action of a row (revision, body[, code]).
// Without a cipher, parameters that are encrypted have no values.
Result<ActionPtr> read_action(const Query& row, bool with_code,
                              const entity::ParameterCipher* cipher = nullptr) {
  auto action = entity::deserialize_action(row.text(1));
  if (!action) return action.error();
  if (cipher != nullptr) {
    if (const Status opened = cipher->open(action->parameters); !opened.ok()) {
      log::error("store", "an action's parameters cannot be decrypted",
                 {{"action", action->path()}, {"reason", opened.to_string()}});
      return sdk::data_loss(opened.message());
    }
  }
  action->revision = static_cast<std::uint64_t>(row.integer(0));
  if (with_code) action->exec.code = row.string(2);
  return std::make_shared<const Action>(std::move(*action));
}

// The revision stored under a path, 0 if there is none.
Result<std::uint64_t> stored_revision(Connection& connection, std::string_view path) {
  Query query(connection, "SELECT revision FROM actions WHERE path = ?");
  query.bind(path);
  if (query.next()) return static_cast<std::uint64_t>(query.integer(0));
  if (!query.status().ok()) return query.status();
  return std::uint64_t{0};
}

Status changed(const std::string& path) {
  return sdk::aborted("action " + path + " was changed meanwhile");
}

// What is no action and has the path.
Result<bool> is_taken(Connection& connection, std::string_view path) {
  Query query(connection, "SELECT 1 FROM entities WHERE path = ?");
  query.bind(path);
  const bool taken = query.next();
  if (!query.status().ok()) return query.status();
  return taken;
}

// Whether there is a package to put an action into.
Status find_package(Connection& connection, const std::string& path) {
  Query query(connection, "SELECT 1 FROM entities WHERE path = ? AND collection = ?");
  query.bind(path).bind(static_cast<std::int64_t>(entity::Collection::kPackages));
  if (query.next()) return {};
  if (!query.status().ok()) return query.status();
  return sdk::not_found("there is no package " + path);
}

Status erase(Connection& connection, std::string_view path) {
  Query query(connection, "DELETE FROM actions WHERE path = ?");
  query.bind(path);
  return query.run();
}

class PutAction final : public WriteJob {
 public:
  // `sealed`: the parameters that came encrypted.
  PutAction(Action action, entity::Parameters sealed, std::uint64_t expected, ActionCache& cache,
            Reply<ActionPtr> reply)
      : action_(std::make_shared<Action>(std::move(action))),
        path_(action_->path()),
        sealed_(std::move(sealed)),
        expected_(expected),
        cache_(cache),
        reply_(std::move(reply)) {
    // The code has a column of its own.
    std::string code = std::move(action_->exec.code);
    action_->exec.code.clear();
    body_ = entity::serialize(*action_);
    action_->exec.code = std::move(code);
  }

  Status run(Connection& connection) override {
    const auto revision = stored_revision(connection, path_);
    if (!revision) return revision.error();
    if (*revision != expected_) {
      return expected_ == 0 ? sdk::already_exists("action " + path_ + " already exists")
                            : changed(path_);
    }
    if (Status status = check_sealed(connection, sealed_, path_, action_->namespace_name);
        !status.ok()) {
      return status;
    }
    if (!action_->package.empty()) {
      Status status = find_package(connection, action_->namespace_path());
      if (!status.ok()) return status;
    } else if (*revision == 0) {
      const auto taken = is_taken(connection, path_);
      if (!taken) return taken.error();
      if (*taken) return sdk::failed_precondition(path_ + " is no action");
    }
    if (*revision != 0) {
      if (Status status = erase(connection, path_); !status.ok()) return status;
    }
    Query query(connection,
                "INSERT INTO actions(path, namespace, package, updated, body, code) "
                "VALUES(?, ?, ?, ?, ?, ?)");
    query.bind(path_)
        .bind(action_->namespace_name)
        .bind(action_->package)
        .bind(action_->updated_ms)
        .bind(body_)
        .bind(action_->exec.code);
    if (Status status = query.run(); !status.ok()) return status;
    action_->revision = static_cast<std::uint64_t>(connection.last_insert_id());
    return {};
  }

  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    const ActionPtr stored = std::move(action_);
    cache_.put(stored);
    reply_(stored);
  }

  std::size_t bytes() const override { return 1024 + body_.size() + action_bytes_; }

 private:
  std::shared_ptr<Action> action_;
  const std::string path_;
  const entity::Parameters sealed_;
  const std::uint64_t expected_;
  ActionCache& cache_;
  Reply<ActionPtr> reply_;
  std::string body_;
  const std::size_t action_bytes_ = action_->exec.code.size();
};

class RemoveAction final : public WriteJob {
 public:
  RemoveAction(std::string path, std::uint64_t expected, ActionCache& cache, Reply<void> reply)
      : path_(std::move(path)), expected_(expected), cache_(cache), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    const auto revision = stored_revision(connection, path_);
    if (!revision) return revision.error();
    if (*revision == 0) return sdk::not_found("there is no action " + path_);
    if (*revision != expected_) return changed(path_);
    return erase(connection, path_);
  }

  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    cache_.remove(path_);
    reply_(Result<void>());
  }

 private:
  const std::string path_;
  const std::uint64_t expected_;
  ActionCache& cache_;
  Reply<void> reply_;
};

// Without a cipher, parameters that are encrypted have no values.
Result<ActionPtr> load(Connection& connection, const std::string& path,
                       const entity::ParameterCipher* cipher) {
  Query query(connection, "SELECT revision, body, code FROM actions WHERE path = ?");
  query.bind(path);
  if (query.next()) return read_action(query, true, cipher);
  if (!query.status().ok()) return query.status();
  const auto taken = is_taken(connection, path);
  if (!taken) return taken.error();
  if (*taken) return sdk::failed_precondition(path + " is no action");
  return sdk::not_found("there is no action " + path);
}

Result<std::vector<ActionPtr>> load_list(Query& query) {
  std::vector<ActionPtr> actions;
  while (query.next()) {
    auto action = read_action(query, false);
    if (!action) return action.error();
    actions.push_back(std::move(*action));
  }
  if (!query.status().ok()) return query.status();
  return actions;
}

}  // namespace

void SqliteEntities::get_action(Executor on, std::string path, Done<ActionPtr> done) {
  Reply<ActionPtr> reply(std::move(on), std::move(done));
  if (ActionPtr cached = cache_.find(path)) return reply(std::move(cached));
  readers_.submit([this, path = std::move(path),
                   reply = std::move(reply)](Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    const std::uint64_t epoch = cache_.epoch();
    auto action = load(**connection, path, &cipher_);
    if (action) cache_.offer(*action, epoch);
    reply(std::move(action));
  });
}

void SqliteEntities::get_sealed_action(Executor on, std::string path, Done<ActionPtr> done) {
  Reply<ActionPtr> reply(std::move(on), std::move(done));
  if (ActionPtr cached = cache_.find(path)) return reply(std::move(cached));
  readers_.submit(
      [path = std::move(path), reply = std::move(reply)](Result<Connection*> connection) mutable {
        if (!connection) return reply(connection.error());
        reply(load(**connection, path, nullptr));
      });
}

void SqliteEntities::put_action(Executor on, Action action, std::uint64_t expected_revision,
                                Done<ActionPtr> done) {
  Reply<ActionPtr> reply(std::move(on), std::move(done));
  // A client may send back what it was shown; the writer sees whether it was.
  entity::Parameters sealed = sealed_of(action.parameters);
  if (const Status opened = cipher_.open(action.parameters); !opened.ok()) {
    return reply(sdk::invalid_argument(opened.message()));
  }
  cipher_.seal(action.parameters);
  auto job = std::make_unique<PutAction>(std::move(action), std::move(sealed), expected_revision,
                                         cache_, std::move(reply));
  writer_.submit_or_refuse(std::move(job));
}

void SqliteEntities::remove_action(Executor on, std::string path, std::uint64_t expected_revision,
                                   Done<void> done) {
  auto job = std::make_unique<RemoveAction>(std::move(path), expected_revision, cache_,
                                            Reply<void>(std::move(on), std::move(done)));
  writer_.submit_or_refuse(std::move(job));
}

void SqliteEntities::list_actions(Executor on, std::string namespace_name,
                                  std::optional<std::string> package, std::int64_t skip,
                                  std::int64_t limit, Done<std::vector<ActionPtr>> done) {
  Reply<std::vector<ActionPtr>> reply(std::move(on), std::move(done));
  readers_.submit([namespace_name = std::move(namespace_name), package = std::move(package), skip,
                   limit, reply = std::move(reply)](Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    if (package) {
      Query query(**connection,
                  "SELECT revision, body FROM actions WHERE namespace = ? AND package = ? "
                  "ORDER BY updated DESC, revision DESC LIMIT ? OFFSET ?");
      query.bind(namespace_name).bind(*package).bind(std::max<std::int64_t>(limit, 0)).bind(skip);
      return reply(load_list(query));
    }
    Query query(**connection,
                "SELECT revision, body FROM actions WHERE namespace = ? "
                "ORDER BY updated DESC, revision DESC LIMIT ? OFFSET ?");
    query.bind(namespace_name).bind(std::max<std::int64_t>(limit, 0)).bind(skip);
    reply(load_list(query));
  });
}

void SqliteEntities::count_actions(Executor on, std::string namespace_name,
                                   std::optional<std::string> package, std::int64_t skip,
                                   Done<std::int64_t> done) {
  Reply<std::int64_t> reply(std::move(on), std::move(done));
  readers_.submit([namespace_name = std::move(namespace_name), package = std::move(package), skip,
                   reply = std::move(reply)](Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    // One statement for both: an absent package is NULL.
    Query query(
        **connection,
        "SELECT count(*) FROM actions WHERE namespace = ?1 AND (?2 IS NULL OR package = ?2)");
    query.bind(namespace_name);
    if (package) {
      query.bind(*package);
    } else {
      query.bind_null();
    }
    query.next();
    if (!query.status().ok()) return reply(query.status());
    reply(std::max<std::int64_t>(query.integer(0) - skip, 0));
  });
}

}  // namespace berth::store
