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
constexpr std::size_t kBatchBytes = 8 * 1024 * 1024;
// A row of `counters` named so tells the key that everything was encrypted with.
constexpr std::string_view kMark = "parameters ";
// In its place while only a part is: no key's fingerprint, nor that of none.
constexpr const char* kPartly = "partly";

struct Row {
  std::string key;
  std::int64_t collection = 0;  // of `entities`
  std::string body;
};

enum class Holds { kActions, kEntities, kTexts };

// One of the tables whose rows have parameters. The statements are literals, as Query wants them.
// The keys are bound as text: SQLite compares it as a number with a column that is one.
struct Table {
  const char* read;
  const char* write;
  const char* before_first;
  Holds holds;
};
constexpr Table kTables[] = {
    {"SELECT revision, 0, body FROM actions WHERE revision > ? ORDER BY revision LIMIT ?",
     "UPDATE actions SET body = ? WHERE revision = ?", "-1", Holds::kActions},
    {"SELECT revision, collection, body FROM entities WHERE revision > ? ORDER BY revision LIMIT ?",
     "UPDATE entities SET body = ? WHERE revision = ?", "-1", Holds::kEntities},
    {"SELECT trigger, 0, body FROM alarms WHERE trigger > ? ORDER BY trigger LIMIT ?",
     "UPDATE alarms SET body = ? WHERE trigger = ?", "", Holds::kTexts},
    {"SELECT sequence, 0, arguments FROM work WHERE sequence > ? ORDER BY sequence LIMIT ?",
     "UPDATE work SET arguments = ? WHERE sequence = ?", "-1", Holds::kTexts},
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
                                    const std::string& after) {
  Query query(connection, table.read);
  query.bind(after).bind(kBatch);
  std::vector<Row> rows;
  std::size_t bytes = 0;
  while (bytes < kBatchBytes && query.next()) {
    rows.push_back({query.string(0), query.integer(1), query.string(2)});
    bytes += rows.back().body.size();
  }
  if (!query.status().ok()) return query.status();
  return rows;
}

Status write(Connection& connection, const Table& table, const Row& row) {
  Query query(connection, table.write);
  query.bind(row.body).bind(row.key);
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

std::string reseal_text(const Row& row, const entity::ParameterCipher& cipher, bool& all_opened) {
  const auto opened = cipher.open_text(row.body);
  if (!opened) {
    log::error("store", "a text cannot be decrypted: it stays as it is",
               {{"row", row.key}, {"reason", opened.error().to_string()}});
    all_opened = false;
    return {};
  }
  return cipher.seal_text(*opened);
}

// Whether the row is to be written.
bool reseal_row(Row& row, const Table& table, const entity::ParameterCipher& cipher,
                bool& all_opened) {
  std::string body;
  switch (table.holds) {
    case Holds::kActions: {
      auto action = entity::deserialize_action(row.body);
      if (action) body = reseal_entity(*action, cipher, all_opened);
      break;
    }
    case Holds::kEntities: {
      const auto collection = static_cast<entity::Collection>(row.collection);
      auto other = entity::deserialize_entity(collection, row.body);
      if (other) body = reseal_entity(**other, cipher, all_opened);
      break;
    }
    case Holds::kTexts: body = reseal_text(row, cipher, all_opened); break;
  }
  if (body.empty() || body == row.body) return false;
  row.body = std::move(body);
  return true;
}

// Counts what it writes.
Status reseal_table(Connection& connection, const Table& table,
                    const entity::ParameterCipher& cipher, bool& all_opened, std::size_t& written) {
  std::string after = table.before_first;
  while (true) {
    auto rows = read_batch(connection, table, after);
    if (!rows) return rows.error();
    if (rows->empty()) return {};
    after = rows->back().key;
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
  // If it ends in the middle no key is everything's, be it the old one that comes back.
  if (Status status = remember_key(connection, kPartly); !status.ok()) return status;
  std::size_t written = 0;
  bool all_opened = true;
  for (const Table& table : kTables) {
    Status status = reseal_table(connection, table, cipher, all_opened, written);
    if (!status.ok()) return status;
  }
  if (written > 0) {
    log::info("store", "parameters were brought to another key",
              {{"rows", std::to_string(written)}});
  }
  // While some could not be opened each start looks again: the missing key may be there then.
  Status status = all_opened ? remember_key(connection, fingerprint) : Status();
  if (status.ok()) status = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  return status;
}

}  // namespace berth::store
