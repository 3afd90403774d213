// SPDX-License-Identifier: Apache-2.0
#include "bare_sqlite.hpp"

#include <array>
#include <chrono>
#include <memory>
#include <sqlite3.h>
#include <stdexcept>

namespace berth::bench {
namespace {

void check(sqlite3* db, int code) {
  if (code != SQLITE_OK && code != SQLITE_ROW && code != SQLITE_DONE) {
    throw std::runtime_error(std::string("sqlite: ") + sqlite3_errmsg(db));
  }
}

void execute(sqlite3* db, const char* sql) {
  check(db, sqlite3_exec(db, sql, nullptr, nullptr, nullptr));
}

}  // namespace

double insert_bare(const std::filesystem::path& file, std::size_t rows, std::size_t commits,
                   const std::string& arguments) {
  sqlite3* db = nullptr;
  check(db,
        sqlite3_open_v2(file.c_str(), &db,
                        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, nullptr));
  const std::unique_ptr<sqlite3, int (*)(sqlite3*)> owner(db, sqlite3_close);
  execute(
      db,
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 4096;"
      "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -16384;"
      "CREATE TABLE work(sequence INTEGER PRIMARY KEY, id BLOB NOT NULL, transaction_id TEXT NOT "
      "NULL, namespace TEXT NOT NULL, namespace_uuid TEXT NOT NULL, subject TEXT NOT NULL, "
      "path TEXT NOT NULL, cause TEXT NOT NULL, received INTEGER NOT NULL, started INTEGER NOT "
      "NULL, arguments TEXT NOT NULL)");
  sqlite3_stmt* insert = nullptr;
  check(db, sqlite3_prepare_v2(db, "INSERT INTO work VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", -1,
                               &insert, nullptr));
  const std::unique_ptr<sqlite3_stmt, int (*)(sqlite3_stmt*)> statement(insert, sqlite3_finalize);
  const auto text = [insert](int column, const std::string& value) {
    sqlite3_bind_text64(insert, column, value.data(), value.size(), SQLITE_STATIC, SQLITE_UTF8);
  };
  const std::string transaction(32, 't');
  const std::string space = "guest";
  const std::string uuid(36, 'u');
  const std::string path = "guest/hello";
  const std::string none;
  std::array<std::uint64_t, 2> id{0x123456789abcdefull, 0};

  const auto begun = std::chrono::steady_clock::now();
  std::size_t done = 0;
  for (std::size_t commit = 1; commit <= commits; ++commit) {
    execute(db, "BEGIN IMMEDIATE");
    for (const std::size_t end = rows * commit / commits; done < end; ++done) {
      id[1] = done;
      sqlite3_bind_int64(insert, 1, static_cast<sqlite3_int64>(done + 1));
      sqlite3_bind_blob64(insert, 2, id.data(), sizeof id, SQLITE_STATIC);
      text(3, transaction);
      text(4, space);
      text(5, uuid);
      text(6, space);
      text(7, path);
      text(8, none);
      sqlite3_bind_int64(insert, 9, 1'700'000'000'000);
      sqlite3_bind_int64(insert, 10, 0);
      text(11, arguments);
      check(db, sqlite3_step(insert));
      check(db, sqlite3_reset(insert));
    }
    execute(db, "COMMIT");
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
}

}  // namespace berth::bench
