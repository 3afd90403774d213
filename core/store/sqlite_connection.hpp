// SPDX-License-Identifier: Apache-2.0
// A thin, owning face of SQLite's C interface: one Connection, and Queries on it whose first
// failure sticks, so that callers check once at the end. Private to core/store.
//
// Not thread-safe: one connection and its queries belong to one thread at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.hpp"

struct sqlite3;
struct sqlite3_stmt;

namespace berth::store {

class Query;

class Connection {
 public:
  enum class Mode { kReadWrite, kReadOnly };

  // The file must exist.
  static Result<std::unique_ptr<Connection>> open(const std::filesystem::path& path, Mode mode);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Statements without parameters and rows.
  Status execute(const char* sql);
  Status begin() { return execute("BEGIN IMMEDIATE"); }
  Status commit() { return execute("COMMIT"); }
  // Without effect if SQLite itself has rolled back already, as it does when the disk is full.
  void roll_back();

  // Ends the statement that runs now, as UNAVAILABLE. The only function for another thread.
  void interrupt();
  // What runs ends in the same way soon after that is true.
  void end_when(const std::atomic<bool>& stop);
  // Errors name the file no more: it was opened, and what comes now is told to strangers, too.
  void opened() { shown_ = "the store"; }

  std::int64_t last_insert_id() const;
  std::int64_t changes() const;  // rows that the last statement wrote

  // True if a call since the last take_failure() failed in SQLite (and not by a rule of ours): the
  // transaction cannot be trusted.
  bool take_failure() { return std::exchange(failed_, false); }

  // The status for what SQLite just answered; notes the failure.
  Status failure(int code);
  const std::filesystem::path& path() const { return path_; }

 private:
  friend class Query;
  Connection(sqlite3* db, std::filesystem::path path)
      : db_(db), path_(std::move(path)), shown_(path_.string()) {}
  // The prepared statement of a string literal, which is its own key.
  Result<sqlite3_stmt*> prepare(const char* sql);

  sqlite3* db_;
  const std::filesystem::path path_;
  std::string shown_;  // what errors call it
  std::unordered_map<const char*, sqlite3_stmt*> statements_;
  bool failed_ = false;
};

// One run of a prepared statement. `sql` must be a string literal, and no second Query of the same
// literal may live at the same time.
//
//   Query query(connection, "SELECT secret FROM keys WHERE uuid = ?");
//   query.bind(uuid);
//   while (query.next()) use(query.text(0));
//   if (!query.status().ok()) return query.status();
class Query {
 public:
  Query(Connection& connection, const char* sql);
  ~Query();
  Query(const Query&) = delete;
  Query& operator=(const Query&) = delete;

  // The next parameter. Texts and blobs are borrowed until the Query is gone.
  Query& bind(std::string_view text);
  Query& bind(std::int64_t number);
  Query& bind_blob(std::string_view bytes);
  Query& bind_null();

  // Steps to the next row; false at the end or after a failure.
  bool next();
  // Runs a statement that gives no rows.
  Status run();
  const Status& status() const { return status_; }

  // Columns of the current row, from 0. Texts are valid until the next step.
  std::string_view text(int column) const;
  std::string string(int column) const { return std::string(text(column)); }
  std::int64_t integer(int column) const;
  bool is_null(int column) const;

 private:
  void check(int code);

  Connection& connection_;
  sqlite3_stmt* statement_ = nullptr;
  int bound_ = 0;
  Status status_;
};

}  // namespace berth::store
