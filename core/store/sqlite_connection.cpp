// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_connection.hpp"

#include <cerrno>
#include <sqlite3.h>
#include <utility>

#include "base/files.hpp"

namespace berth::store {
namespace {

bool is_no_room(int system_error) {
  return system_error == ENOSPC || system_error == EDQUOT || system_error == EFBIG;
}

// What SQLite said, as our status: with the file's name and the mend.
Status status_of(int code, int system_error, std::string_view text, const std::string& path) {
  std::string reason(text);
  if (system_error != 0) reason += ", " + errno_text(system_error);
  const std::string detail = path + " (" + reason + ")";
  switch (code & 0xff) {
    case SQLITE_FULL:
      return sdk::resource_exhausted("no room on the disk for " + detail +
                                     ": make room; this write is not kept");
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
      return sdk::data_loss(
          detail + " is damaged: restore a backup, or move it and its -wal aside to start anew");
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
    case SQLITE_CANTOPEN:
      return sdk::permission_denied(
          "cannot open or write " + detail +
          ": make the file and its directory readable and writable by berthd's "
          "user");
    case SQLITE_BUSY:
    case SQLITE_LOCKED: return sdk::unavailable("another program holds " + detail);
    case SQLITE_INTERRUPT: return sdk::unavailable("Berth is shutting down");
    case SQLITE_NOMEM: return sdk::resource_exhausted("no memory for " + detail);
    case SQLITE_TOOBIG: return sdk::invalid_argument("too big for " + detail);
    case SQLITE_IOERR:
      if (is_no_room(system_error)) {
        return sdk::resource_exhausted("no room on the disk for " + detail +
                                       ": make room; this write is not kept");
      }
      return sdk::unavailable("cannot read or write " + detail);
    default: return sdk::internal("cannot use " + detail);
  }
}

}  // namespace

Result<std::unique_ptr<Connection>> Connection::open(const std::filesystem::path& path, Mode mode) {
  sqlite3* db = nullptr;
  const int flags = (mode == Mode::kReadOnly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                    SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_EXRESCODE;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, nullptr);
  if (db == nullptr) return sdk::resource_exhausted("no memory to open " + path.string());
  std::unique_ptr<Connection> connection(new Connection(db, path));
  if (code != SQLITE_OK) return connection->failure(code);
  sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
  sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
  // Another connection of ours may hold a lock for moments (recovery of the WAL, its end).
  sqlite3_busy_timeout(db, 10'000);
  return connection;
}

Connection::~Connection() {
  for (const auto& [sql, statement] : statements_) sqlite3_finalize(statement);
  sqlite3_close_v2(db_);
}

Status Connection::execute(const char* sql) {
  const int code = sqlite3_exec(db_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? Status() : failure(code);
}

void Connection::roll_back() {
  if (sqlite3_get_autocommit(db_) == 0) sqlite3_exec(db_, "ROLLBACK", nullptr, nullptr, nullptr);
}

void Connection::interrupt() {
  sqlite3_interrupt(db_);
}

void Connection::end_when(const std::atomic<bool>& stop) {
  constexpr int kSteps = 1000;
  sqlite3_progress_handler(
      db_, kSteps,
      [](void* flag) { return static_cast<const std::atomic<bool>*>(flag)->load() ? 1 : 0; },
      const_cast<std::atomic<bool>*>(&stop));
}

std::int64_t Connection::last_insert_id() const {
  return sqlite3_last_insert_rowid(db_);
}

std::int64_t Connection::changes() const {
  return sqlite3_changes64(db_);
}

Status Connection::failure(int code) {
  failed_ = true;
  const int primary = code & 0xff;
  const bool by_system =
      primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN || primary == SQLITE_FULL;
  const int system_error = by_system ? sqlite3_system_errno(db_) : 0;
  return status_of(code, system_error, sqlite3_errmsg(db_), shown_);
}

Result<sqlite3_stmt*> Connection::prepare(const char* sql) {
  if (const auto found = statements_.find(sql); found != statements_.end()) return found->second;
  sqlite3_stmt* statement = nullptr;
  const int code = sqlite3_prepare_v3(db_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
  if (code != SQLITE_OK) return failure(code);
  statements_.emplace(sql, statement);
  return statement;
}

Query::Query(Connection& connection, const char* sql) : connection_(connection) {
  auto statement = connection.prepare(sql);
  if (statement) {
    statement_ = *statement;
  } else {
    status_ = statement.error();
  }
}

Query::~Query() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

void Query::check(int code) {
  if (code != SQLITE_OK && status_.ok()) status_ = connection_.failure(code);
}

Query& Query::bind(std::string_view text) {
  if (statement_ == nullptr) return *this;
  // A null pointer would bind NULL, where an empty text is meant.
  const char* data = text.data() != nullptr ? text.data() : "";
  check(sqlite3_bind_text64(statement_, ++bound_, data, text.size(), SQLITE_STATIC, SQLITE_UTF8));
  return *this;
}

Query& Query::bind(std::int64_t number) {
  if (statement_ != nullptr) check(sqlite3_bind_int64(statement_, ++bound_, number));
  return *this;
}

Query& Query::bind_blob(std::string_view bytes) {
  if (statement_ == nullptr) return *this;
  const char* data = bytes.data() != nullptr ? bytes.data() : "";
  check(sqlite3_bind_blob64(statement_, ++bound_, data, bytes.size(), SQLITE_STATIC));
  return *this;
}

Query& Query::bind_null() {
  if (statement_ != nullptr) check(sqlite3_bind_null(statement_, ++bound_));
  return *this;
}

bool Query::next() {
  if (!status_.ok()) return false;
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code != SQLITE_DONE) check(code);
  return false;
}

Status Query::run() {
  next();
  return status_;
}

std::string_view Query::text(int column) const {
  // The order matters: the bytes are counted for the form that the first call made.
  const auto* data = static_cast<const char*>(sqlite3_column_blob(statement_, column));
  const int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string_view()
                         : std::string_view(data, static_cast<std::size_t>(size));
}

std::int64_t Query::integer(int column) const {
  return sqlite3_column_int64(statement_, column);
}

bool Query::is_null(int column) const {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

}  // namespace berth::store
