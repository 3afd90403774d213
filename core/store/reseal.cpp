// SPDX-License-Identifier: Apache-2.0
#include "store/reseal.hpp"

#include <string>
#include <vector>

#include "base/log.hpp"
#include "entity/action.hpp"

namespace berth::store {
namespace {

constexpr std::int64_t kBatch = 500;
// A row of `counters` named so tells the key that everything was encrypted with.
constexpr std::string_view kMark = "parameters ";

struct Row {
  std::int64_t revision = 0;
  std::string body;
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

Result<std::vector<Row>> read_batch(Connection& connection, std::int64_t after) {
  Query query(connection,
              "SELECT revision, body FROM actions WHERE revision > ? ORDER BY revision LIMIT ?");
  query.bind(after).bind(kBatch);
  std::vector<Row> rows;
  while (query.next()) rows.push_back({query.integer(0), query.string(1)});
  if (!query.status().ok()) return query.status();
  return rows;
}

Status write(Connection& connection, const Row& row) {
  Query query(connection, "UPDATE actions SET body = ? WHERE revision = ?");
  query.bind(row.body).bind(row.revision);
  return query.run();
}

// Whether the row is to be written.
bool reseal_row(Row& row, const entity::ParameterCipher& cipher, bool& all_opened) {
  auto action = entity::deserialize_action(row.body);
  if (!action || action->parameters.empty()) return false;
  if (const Status opened = cipher.open(action->parameters); !opened.ok()) {
    log::error("store", "an action's parameters cannot be decrypted: they stay as they are",
               {{"action", action->path()}, {"reason", opened.to_string()}});
    all_opened = false;
    return false;
  }
  cipher.seal(action->parameters);
  std::string body = entity::serialize(*action);
  if (body == row.body) return false;
  row.body = std::move(body);
  return true;
}

}  // namespace

Status reseal(Connection& connection, const entity::ParameterCipher& cipher) {
  const std::string fingerprint = cipher.fingerprint();
  const auto last = last_key(connection);
  if (!last) return last.error();
  if (*last == fingerprint) return {};
  // What is replaced is not to be found in the file's free pages.
  if (Status status = connection.execute("PRAGMA secure_delete = ON"); !status.ok()) return status;
  std::int64_t after = 0;
  std::size_t written = 0;
  bool all_opened = true;
  while (true) {
    auto rows = read_batch(connection, after);
    if (!rows) return rows.error();
    if (rows->empty()) break;
    after = rows->back().revision;
    Status status = connection.begin();
    for (Row& row : *rows) {
      if (!status.ok()) break;
      if (!reseal_row(row, cipher, all_opened)) continue;
      status = write(connection, row);
      ++written;
    }
    if (status.ok()) status = connection.commit();
    if (!status.ok()) {
      connection.roll_back();
      return status;
    }
  }
  if (written > 0) {
    log::info("store", "the parameters of actions were brought to another key",
              {{"actions", std::to_string(written)}});
  }
  // While some could not be opened each start looks again: the missing key may be there then.
  Status status = all_opened ? remember_key(connection, fingerprint) : Status();
  if (status.ok()) status = connection.execute("PRAGMA secure_delete = OFF");
  if (status.ok()) status = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)");
  return status;
}

}  // namespace berth::store
