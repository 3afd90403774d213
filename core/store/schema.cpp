// SPDX-License-Identifier: Apache-2.0
#include "store/schema.hpp"

#include <array>
#include <string>

namespace berth::store {
namespace {

// "Brth", so that the file is told from other programs' databases.
constexpr std::int64_t kApplicationId = 0x42727468;

// Step i leads from version i to i + 1.
//
// - namespaces.removed: its records are still being deleted; finished at the next start after a
// crash.
// - actions.revision is never used twice (AUTOINCREMENT): a warm container tells by it that its
// action is
//   still the same. `code` is apart, and last, so that lists do not read it.
// - activations.entity is "[pkg/]name"; `result` and `logs` are last for the same reason.
// - counters: the last version given to a plugin's value; never used twice either.
// - work: accepted activations without a record yet (work_store.hpp); `arguments` last, too.
// - namespaces.limits: what the operator set for this one alone, JSON; empty: nothing.
// - entities: packages, triggers and rules; `listed`: what strangers see in lists.
// - alarms: when which trigger is to be fired (alarm_store.hpp).
// - namespaces.blocked: an operator has closed it. keys: `subject` is whose it is (empty: the
// namespace's), `rights` are entity::Rights, `expires` and `old_until` are wall times or 0, and
// `old_secret` opens until then beside `secret`. entities of the collection 4 are APIs.
// - work.binding: "ns/pkg" of the package binding that the action was reached through, or empty.
constexpr std::array<const char*, 4> kSteps{{
    R"sql(
CREATE TABLE namespaces(
  name TEXT PRIMARY KEY,
  uuid TEXT NOT NULL UNIQUE,
  created INTEGER NOT NULL,
  removed INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE keys(
  uuid TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  secret TEXT NOT NULL,
  created INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE actions(
  revision INTEGER PRIMARY KEY AUTOINCREMENT,
  path TEXT NOT NULL UNIQUE,
  namespace TEXT NOT NULL,
  package TEXT NOT NULL,
  updated INTEGER NOT NULL,
  body TEXT NOT NULL,
  code TEXT NOT NULL
);
CREATE INDEX actions_by_namespace ON actions(namespace, updated);
CREATE INDEX actions_by_package ON actions(namespace, package, updated);
CREATE TABLE activations(
  sequence INTEGER PRIMARY KEY,
  id BLOB NOT NULL UNIQUE,
  namespace TEXT NOT NULL,
  entity TEXT NOT NULL,
  start INTEGER NOT NULL,
  namespace_uuid TEXT NOT NULL,
  subject TEXT NOT NULL,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  path TEXT NOT NULL,
  cause TEXT NOT NULL,
  "end" INTEGER NOT NULL,
  duration INTEGER NOT NULL,
  outcome INTEGER NOT NULL,
  size INTEGER NOT NULL,
  annotations TEXT NOT NULL,
  result TEXT NOT NULL,
  logs TEXT
);
CREATE INDEX activations_by_namespace ON activations(namespace, start);
CREATE INDEX activations_by_entity ON activations(namespace, entity, start);
CREATE TABLE plugin_state(
  plugin TEXT NOT NULL,
  key BLOB NOT NULL,
  version INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY(plugin, key)
) WITHOUT ROWID;
CREATE TABLE counters(
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO counters(name, value) VALUES('plugin_state', 0);
)sql",
    R"sql(
CREATE TABLE work(
  sequence INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  transaction_id TEXT NOT NULL,
  namespace TEXT NOT NULL,
  namespace_uuid TEXT NOT NULL,
  subject TEXT NOT NULL,
  path TEXT NOT NULL,
  cause TEXT NOT NULL,
  received INTEGER NOT NULL,
  started INTEGER NOT NULL,
  arguments TEXT NOT NULL
);
ALTER TABLE namespaces ADD COLUMN limits TEXT NOT NULL DEFAULT '';
)sql",
    R"sql(
CREATE TABLE entities(
  revision INTEGER PRIMARY KEY AUTOINCREMENT,
  path TEXT NOT NULL UNIQUE,
  collection INTEGER NOT NULL,
  namespace TEXT NOT NULL,
  updated INTEGER NOT NULL,
  listed INTEGER NOT NULL,
  body TEXT NOT NULL
);
CREATE INDEX entities_by_namespace ON entities(namespace, collection, updated);
CREATE TABLE alarms(
  trigger TEXT PRIMARY KEY,
  namespace TEXT NOT NULL,
  next INTEGER NOT NULL,
  body TEXT NOT NULL
) WITHOUT ROWID;
ALTER TABLE work ADD COLUMN binding TEXT NOT NULL DEFAULT '';
)sql",
    R"sql(
ALTER TABLE namespaces ADD COLUMN blocked INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN subject TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN rights INTEGER NOT NULL DEFAULT 15;
ALTER TABLE keys ADD COLUMN expires INTEGER NOT NULL DEFAULT 0;
ALTER TABLE keys ADD COLUMN old_secret TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN old_until INTEGER NOT NULL DEFAULT 0;
)sql",
}};

Result<std::int64_t> read_number(Connection& connection, const char* sql) {
  Query query(connection, sql);
  if (query.next()) return query.integer(0);
  if (!query.status().ok()) return query.status();
  return 0;
}

Status take_step(Connection& connection, std::size_t step) {
  Status status = connection.begin();
  if (status.ok()) status = connection.execute(kSteps[step]);
  const std::string version = "PRAGMA user_version = " + std::to_string(step + 1);
  if (status.ok()) status = connection.execute(version.c_str());
  const std::string mark = "PRAGMA application_id = " + std::to_string(kApplicationId);
  if (status.ok()) status = connection.execute(mark.c_str());
  if (status.ok()) status = connection.commit();
  if (!status.ok()) connection.roll_back();
  return status;
}

}  // namespace

const int kSchemaVersion = static_cast<int>(kSteps.size());

Status prepare_schema(Connection& connection) {
  const std::string path = connection.path().string();
  const auto version = read_number(connection, "PRAGMA user_version");
  if (!version) return version.error();
  const auto mark = read_number(connection, "PRAGMA application_id");
  if (!mark) return mark.error();
  const auto tables = read_number(connection, "SELECT count(*) FROM sqlite_master");
  if (!tables) return tables.error();
  if (*tables != 0 && *mark != kApplicationId) {
    return sdk::failed_precondition(
        path + " is a database of another program: name another data directory");
  }
  if (*version > kSchemaVersion) {
    return sdk::failed_precondition(
        path + " was written by a newer Berth (schema " + std::to_string(*version) +
        ", this one knows " + std::to_string(kSchemaVersion) +
        "): run that version, or restore the backup made before the upgrade, or name another data "
        "directory");
  }
  if (*version < 0) return sdk::data_loss(path + " has no valid schema version: restore a backup");
  for (auto step = static_cast<std::size_t>(*version); step < kSteps.size(); ++step) {
    if (Status status = take_step(connection, step); !status.ok()) return status;
  }
  return {};
}

Status check_version(Connection& connection) {
  const std::string path = connection.path().string();
  const auto mark = read_number(connection, "PRAGMA application_id");
  if (!mark) return mark.error();
  if (*mark != kApplicationId) return sdk::failed_precondition(path + " is no store of Berth");
  const auto version = read_number(connection, "PRAGMA user_version");
  if (!version) return version.error();
  if (*version == kSchemaVersion) return {};
  return sdk::failed_precondition(
      path + " has schema " + std::to_string(*version) + ", this Berth has " +
      std::to_string(kSchemaVersion) +
      (*version < kSchemaVersion ? ": it is brought up to date when berthd opens it" : ""));
}

}  // namespace berth::store
