// SPDX-License-Identifier: Apache-2.0
#include "store/reseal.hpp"

#include <string>
#include <utility>
#include <vector>

#include "base/log.hpp"
#include "entity/action.hpp"
#include "entity/entity.hpp"

namespace berth::store {
namespace {

constexpr std::int64_t kBatch = 500;
// A row of `counters` named so tells the key that everything was encrypted with.
constexpr std::string_view kMark = "parameters ";

struct Row {
  std::int64_t revision = 0;
  std::int64_t collection = 0;  // of `entities`
  std::string body;
};

// One of the tables whose rows have parameters. The statements are literals, as Query wants them.
struct Table {
  const char* read;
  const char* write;
  bool holds_actions;
};
constexpr Table kTables[] = {
    {"SELECT revision, 0, body FROM actions WHERE revision > ? ORDER BY revision LIMIT ?",
     "UPDATE actions SET body = ? WHERE revision = ?", true},
    {"SELECT revision, collection, body FROM entities WHERE revision > ? ORDER BY revision LIMIT ?",
     "UPDATE entities SET body = ? WHERE revision = ?", false},
};

Result<std::string> last_key(Connection& connection) {
  Query query(connection, "SELECT name FROM counters WHERE name LIKE 'parameters %'");
  if (query.next()) return query.string(0).substr(kMark.size());
  if (!query.status().ok()) return query.status();
  return std::string();
}

Status remember_key(Connection& connection, const std::string& fingerprint) {
  Status status = connection.execute("DELETE FROM counters WHERE name LIKE 'parameters %'");
  if (!status.ok() || fingerprint.empty()) return status;
  const std::string name = std::string(kMark) + fingerprint;
  Query query(connection, "INSERT INTO counters(name, value) VALUES(?, 0)");
  query.bind(name);
  return query.run();
}

Result<std::vector<Row>> read_batch(Connection& connection, const Table& table,
                                    std::int64_t after) {
  Query query(connection, table.read);
  query.bind(after).bind(kBatch);
  std::vector<Row> rows;
  while (query.next()) rows.push_back({query.integer(0), query.integer(1), query.string(2)});
  if (!query.status().ok()) return query.status();
  return rows;
}

Status write(Connection& connection, const Table& table, const Row& row) {
  Query query(connection, table.write);
  query.bind(row.body).bind(row.revision);
  return query.run();
}

// Of an action or another entity: seals its parameters anew. Empty: it stays as it is.
template <typename T>
std::string reseal_entity(T& entity, const entity::ParameterCipher& cipher, bool& all_opened) {
  if (entity.parameters.empty()) return {};
  if (const Status opened = cipher.open(entity.parameters); !opened.ok()) {
    log::error("store", "parameters cannot be decrypted: they stay as they are",
               {{"entity", entity.path()}, {"reason", opened.to_string()}});
    all_opened = false;
    return {};
  }
  cipher.seal(entity.parameters);
  return entity::serialize(entity);
}

// Whether the row is to be written.
bool reseal_row(Row& row, const Table& table, const entity::ParameterCipher& cipher,
                bool& all_opened) {
  std::string body;
  if (table.holds_actions) {
    auto action = entity::deserialize_action(row.body);
    if (action) body = reseal_entity(*action, cipher, all_opened);
  } else {
    const auto collection = static_cast<entity::Collection>(row.collection);
    auto other = entity::deserialize_entity(collection, row.body);
    if (other) body = reseal_entity(**other, cipher, all_opened);
  }
  if (body.empty() || body == row.body) return false;
  row.body = std::move(body);
  return true;
}

// Counts what it writes.
Status reseal_table(Connection& connection, const Table& table,
                    const entity::ParameterCipher& cipher, bool& all_opened, std::size_t& written) {
  std::int64_t after = 0;
  while (true) {
    auto rows = read_batch(connection, table, after);
    if (!rows) return rows.error();
    if (rows->empty()) return {};
    after = rows->back().revision;
    Status status = connection.begin();
    for (Row& row : *rows) {
      if (!status.ok()) break;
      if (!reseal_row(row, table, cipher, all_opened)) continue;
      status = write(connection, table, row);
      ++written;
    }
    if (status.ok()) status = connection.commit();
    if (!status.ok()) {
      connection.roll_back();
      return status;
    }
  }
}

}  // namespace

Status reseal(Connection& connection, const entity::ParameterCipher& cipher) {
  const std::string fingerprint = cipher.fingerprint();
  const auto last = last_key(connection);
  if (!last) return last.error();
  if (*last == fingerprint) return {};
  // What is replaced is not to be found in the file's free pages.
  if (Status status = connection.execute("PRAGMA secure_delete = ON"); !status.ok()) return status;
  std::size_t written = 0;
  bool all_opened = true;
  for (const Table& table : kTables) {
    Status status = reseal_table(connection, table, cipher, all_opened, written);
    if (!status.ok()) return status;
  }
  if (written > 0) {
    log::info("store", "parameters were brought to another key",
              {{"entities", std::to_string(written)}});
  }
  // While some could not be opened each start looks again: the missing key may be there then.
  Status status = all_opened ? remember_key(connection, fingerprint) : Status();
  if (status.ok()) status = connection.execute("PRAGMA secure_delete = OFF");
  if (status.ok()) status = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  return status;
}

}  // namespace berth::store
