// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_activations.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <limits>
#include <utility>

#include "base/ids.hpp"
#include "base/json.hpp"
#include "base/log.hpp"
#include "store/activation_id.hpp"
#include "store/reply.hpp"
#include "store/sqlite_work.hpp"

namespace berth::store {
namespace {

using entity::Activation;

// "[pkg/]name" of "ns/[pkg/]name".
std::string_view entity_of(const Activation& activation) {
  const std::string_view path = activation.path;
  const std::size_t slash = path.find('/');
  return slash == std::string_view::npos ? std::string_view(activation.name)
                                         : path.substr(slash + 1);
}

std::string logs_text(const std::vector<std::string>& logs) {
  boost::json::array array;
  array.reserve(logs.size());
  for (const std::string& line : logs) array.emplace_back(line);
  return boost::json::serialize(array);
}

Status insert(Connection& connection, const Activation& record) {
  const std::string id = pack_id(record.activation_id);
  const std::string logs = record.logs.empty() ? std::string() : logs_text(record.logs);
  Query query(connection,
              "INSERT OR REPLACE INTO activations(id, namespace, entity, start, namespace_uuid, "
              "subject, name, version, path, cause, \"end\", duration, outcome, size, annotations, "
              "result, logs) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  query.bind_blob(id)
      .bind(record.namespace_name)
      .bind(entity_of(record))
      .bind(record.start_ms)
      .bind(record.namespace_uuid)
      .bind(record.subject)
      .bind(record.name)
      .bind(record.version)
      .bind(record.path)
      .bind(record.cause)
      .bind(record.end_ms)
      .bind(record.duration_ms)
      .bind(static_cast<std::int64_t>(record.outcome))
      .bind(static_cast<std::int64_t>(record.size))
      .bind(record.annotations)
      .bind(record.result);
  if (logs.empty()) {
    query.bind_null();
  } else {
    query.bind(logs);
  }
  return query.run();
}

// The columns that read_record() knows, results and logs last.
#define BERTH_ACTIVATION_COLUMNS                                                         \
  "id, namespace, namespace_uuid, subject, name, version, path, cause, start, \"end\", " \
  "duration, outcome, size, annotations"

Activation read_record(const Query& row, bool whole) {
  Activation record;
  record.activation_id = unpack_id(row.text(0));
  record.namespace_name = row.string(1);
  record.namespace_uuid = row.string(2);
  record.subject = row.string(3);
  record.name = row.string(4);
  record.version = row.string(5);
  record.path = row.string(6);
  record.cause = row.string(7);
  record.start_ms = row.integer(8);
  record.end_ms = row.integer(9);
  record.duration_ms = row.integer(10);
  record.outcome = static_cast<entity::Outcome>(row.integer(11));
  record.size = static_cast<std::uint64_t>(row.integer(12));
  record.annotations = row.string(13);
  if (!whole) return record;
  record.result = row.string(14);
  if (row.is_null(15)) return record;
  if (const auto logs = parse_json(row.text(15)); logs && logs->is_array()) {
    for (const auto& line : logs->get_array()) {
      if (line.is_string()) {
        record.logs.emplace_back(line.get_string().c_str(), line.get_string().size());
      }
    }
  }
  return record;
}

Result<Activation> load(Connection& connection, const std::string& namespace_name,
                        const std::string& id) {
  const std::string key = pack_id(id);
  Query query(connection, "SELECT " BERTH_ACTIVATION_COLUMNS
                          ", result, logs FROM activations WHERE id = ? AND namespace = ?");
  query.bind_blob(key).bind(namespace_name);
  if (query.next()) return read_record(query, true);
  if (!query.status().ok()) return query.status();
  return sdk::not_found("there is no activation " + id);
}

void bind_times(Query& query, const ActivationQuery& wanted) {
  query.bind(wanted.since_ms.value_or(std::numeric_limits<std::int64_t>::min()))
      .bind(wanted.upto_ms.value_or(std::numeric_limits<std::int64_t>::max()));
}

#define BERTH_BY_NAMESPACE "FROM activations WHERE namespace = ? AND start BETWEEN ? AND ? "
#define BERTH_BY_ENTITY \
  "FROM activations WHERE namespace = ? AND entity = ? AND start BETWEEN ? AND ? "
#define BERTH_NEWEST_FIRST "ORDER BY start DESC, sequence DESC LIMIT ? OFFSET ?"

// The statement for a query: whole records or summaries, by namespace or by entity.
const char* list_statement(const ActivationQuery& wanted) {
  if (wanted.summaries) {
    return wanted.name.empty()
               ? "SELECT " BERTH_ACTIVATION_COLUMNS " " BERTH_BY_NAMESPACE BERTH_NEWEST_FIRST
               : "SELECT " BERTH_ACTIVATION_COLUMNS " " BERTH_BY_ENTITY BERTH_NEWEST_FIRST;
  }
  return wanted.name.empty() ? "SELECT " BERTH_ACTIVATION_COLUMNS
                               ", result, logs " BERTH_BY_NAMESPACE BERTH_NEWEST_FIRST
                             : "SELECT " BERTH_ACTIVATION_COLUMNS
                               ", result, logs " BERTH_BY_ENTITY BERTH_NEWEST_FIRST;
}

Result<std::vector<Activation>> load_list(Connection& connection, const ActivationQuery& wanted) {
  Query query(connection, list_statement(wanted));
  query.bind(wanted.namespace_name);
  if (!wanted.name.empty()) query.bind(wanted.name);
  bind_times(query, wanted);
  query.bind(std::max<std::int64_t>(wanted.limit, 0)).bind(wanted.skip);
  std::vector<Activation> records;
  while (query.next()) records.push_back(read_record(query, !wanted.summaries));
  if (!query.status().ok()) return query.status();
  return records;
}

Result<std::int64_t> load_count(Connection& connection, const ActivationQuery& wanted) {
  Query query(connection, wanted.name.empty() ? "SELECT count(*) " BERTH_BY_NAMESPACE
                                              : "SELECT count(*) " BERTH_BY_ENTITY);
  query.bind(wanted.namespace_name);
  if (!wanted.name.empty()) query.bind(wanted.name);
  bind_times(query, wanted);
  query.next();
  if (!query.status().ok()) return query.status();
  return std::max<std::int64_t>(query.integer(0) - wanted.skip, 0);
}

#undef BERTH_ACTIVATION_COLUMNS
#undef BERTH_BY_NAMESPACE
#undef BERTH_BY_ENTITY
#undef BERTH_NEWEST_FIRST

// Deletes rows and tells how many.
class RemoveRows final : public WriteJob {
 public:
  using Run = Task<Status(Connection&, std::int64_t& removed)>;
  RemoveRows(Run run, std::function<void(Result<std::int64_t>)> done)
      : run_(std::move(run)), done_(std::move(done)) {}

  Status run(Connection& connection) override {
    removed_ = 0;
    return run_(connection, removed_);
  }
  void finish(const Status& status) override {
    if (status.ok()) {
      done_(removed_);
    } else {
      done_(status);
    }
  }

 private:
  Run run_;
  std::function<void(Result<std::int64_t>)> done_;
  std::int64_t removed_ = 0;
};

Status counted(Connection& connection, Query& query, std::int64_t& removed) {
  Status status = query.run();
  if (status.ok()) removed += connection.changes();
  return status;
}

}  // namespace

// Without a reply it is a put_later.
class PutActivation final : public WriteJob {
 public:
  PutActivation(SqliteActivations& owner, SqliteActivations::Record record,
                std::optional<Reply<void>> reply)
      : owner_(owner),
        record_(std::move(record)),
        reply_(std::move(reply)),
        has_row_(owner.work_.has(record_->activation_id)) {}

  Status run(Connection& connection) override {
    if (Status status = insert(connection, *record_); !status.ok()) return status;
    return owner_.work_.remove(connection, record_->activation_id);
  }

  void finish(const Status& status) override {
    owner_.forget(record_);
    if (status.ok()) owner_.work_.removed(record_->activation_id);
    if (reply_) {
      if (status.ok()) return (*reply_)(Result<void>());
      return (*reply_)(status);
    }
    if (!status.ok()) owner_.report_loss(*record_, status);
  }

  std::size_t bytes() const override {
    return 768 + record_->result.size() + record_->annotations.size();
  }
  bool persistent() const override { return !reply_.has_value(); }
  // The end of what was accepted durably: rows are bounded, and so are their records.
  bool promised() const override { return has_row_; }

 private:
  SqliteActivations& owner_;
  const SqliteActivations::Record record_;
  std::optional<Reply<void>> reply_;
  const bool has_row_;
};

SqliteActivations::SqliteActivations(Writer& writer, ReaderPool& readers, SqliteWork& work,
                                     Metrics& metrics)
    : writer_(writer),
      readers_(readers),
      work_(work),
      lost_(metrics.counter("berth_store_lost_activations_total",
                            "Records of activations that could not be kept")) {}

SqliteActivations::~SqliteActivations() {
  if (lost_unreported_ == 0) return;
  log::error("store", "more records of activations were lost",
             {{"count", std::to_string(lost_unreported_)}});
}

void SqliteActivations::report_loss(const Activation& record, const Status& status) {
  lost_.add();
  ++lost_unreported_;
  // Whoever loses thousands of them must not fill the disk with lines about it, too.
  const std::int64_t now =
      std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  std::int64_t due = next_report_ns_;
  if (now < due || !next_report_ns_.compare_exchange_strong(due, now + 1'000'000'000)) return;
  log::error("store", "records of activations are lost",
             {{"count", std::to_string(lost_unreported_.exchange(0))},
              {"last", record.activation_id},
              {"reason", status.to_string()}});
}

void SqliteActivations::remember(const Record& record) {
  const std::lock_guard lock(mutex_);
  pending_[record->activation_id] = record;
}

void SqliteActivations::forget(const Record& record) {
  const std::lock_guard lock(mutex_);
  const auto found = pending_.find(record->activation_id);
  // A later write of the same id has its own duty.
  if (found != pending_.end() && found->second == record) pending_.erase(found);
  if (const auto count = written_.find(record->namespace_name); count != written_.end()) {
    ++count->second;
  }
}

std::int64_t SqliteActivations::written(const std::string& namespace_name) const {
  const std::lock_guard lock(mutex_);
  const auto found = written_.find(namespace_name);
  return found == written_.end() ? std::numeric_limits<std::int64_t>::max() : found->second;
}

void SqliteActivations::forget_written(const std::string& namespace_name) {
  const std::lock_guard lock(mutex_);
  written_[namespace_name] = 0;
}

SqliteActivations::Record SqliteActivations::pending(const std::string& id) const {
  const std::lock_guard lock(mutex_);
  const auto found = pending_.find(id);
  return found == pending_.end() ? nullptr : found->second;
}

void SqliteActivations::put(Executor on, Activation activation, Done<void> done) {
  Reply<void> reply(std::move(on), std::move(done));
  if (!is_activation_id(activation.activation_id)) {
    return reply(sdk::invalid_argument("'" + activation.activation_id + "' is no activation id"));
  }
  const Record record = std::make_shared<const Activation>(std::move(activation));
  remember(record);
  writer_.submit_or_refuse(std::make_unique<PutActivation>(*this, record, std::move(reply)));
}

void SqliteActivations::put_later(Activation activation) {
  const Record record = std::make_shared<const Activation>(std::move(activation));
  auto job = std::make_unique<PutActivation>(*this, record, std::nullopt);
  if (!is_activation_id(record->activation_id)) {
    return job->finish(sdk::invalid_argument("no activation id"));
  }
  remember(record);
  writer_.submit_or_refuse(std::move(job), false);
}

void SqliteActivations::get(Executor on, std::string namespace_name, std::string activation_id,
                            Done<Activation> done) {
  Reply<Activation> reply(std::move(on), std::move(done));
  if (!is_activation_id(activation_id)) {
    return reply(sdk::not_found("there is no activation " + activation_id));
  }
  if (const Record record = pending(activation_id);
      record != nullptr && record->namespace_name == namespace_name) {
    return reply(*record);
  }
  readers_.submit([namespace_name = std::move(namespace_name), id = std::move(activation_id),
                   reply = std::move(reply)](Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    reply(load(**connection, namespace_name, id));
  });
}

void SqliteActivations::list(Executor on, ActivationQuery query,
                             Done<std::vector<Activation>> done) {
  // What was put before is seen: its write is waited for, which makes it happen at once.
  writer_.after_pending(
      [this, query = std::move(query),
       reply = Reply<std::vector<Activation>>(std::move(on), std::move(done))]() mutable {
        readers_.submit([query = std::move(query),
                         reply = std::move(reply)](Result<Connection*> connection) mutable {
          if (!connection) return reply(connection.error());
          reply(load_list(**connection, query));
        });
      });
}

void SqliteActivations::count(Executor on, ActivationQuery query, Done<std::int64_t> done) {
  writer_.after_pending([this, query = std::move(query),
                         reply = Reply<std::int64_t>(std::move(on), std::move(done))]() mutable {
    readers_.submit([query = std::move(query),
                     reply = std::move(reply)](Result<Connection*> connection) mutable {
      if (!connection) return reply(connection.error());
      reply(load_count(**connection, query));
    });
  });
}

void SqliteActivations::flush(Executor on, Done<void> done) {
  writer_.after_pending([this, reply = Reply<void>(std::move(on), std::move(done))]() mutable {
    const Status status = writer_.stalled();
    if (status.ok()) return reply(Result<void>());
    reply(status);
  });
}

void SqliteActivations::remove_expired(const Retention& retention, std::int64_t now_ms,
                                       std::function<void(Result<std::int64_t>)> done) {
  const auto run = [retention, now_ms](Connection& connection, std::int64_t& removed) -> Status {
    if (retention.max_count > 0) {
      // The sequence has gaps (a record written twice): this keeps at most max_count, never more.
      Query query(
          connection,
          "DELETE FROM activations WHERE sequence IN (SELECT sequence FROM activations WHERE "
          "sequence <= (SELECT max(sequence) FROM activations) - ? ORDER BY sequence LIMIT ?)");
      query.bind(retention.max_count).bind(retention.batch);
      if (Status status = counted(connection, query, removed); !status.ok()) return status;
    }
    if (retention.max_age_ms > 0 && removed < retention.batch) {
      // Records are written about in the order of their time: only the oldest written are looked
      // at.
      Query query(connection,
                  "DELETE FROM activations WHERE sequence IN (SELECT sequence FROM activations "
                  "ORDER BY sequence LIMIT ?) AND start < ?");
      query.bind(retention.batch - removed).bind(now_ms - retention.max_age_ms);
      if (Status status = counted(connection, query, removed); !status.ok()) return status;
    }
    return {};
  };
  writer_.submit_or_refuse(std::make_unique<RemoveRows>(run, std::move(done)), false);
}

void SqliteActivations::remove_surplus(const std::string& namespace_name, std::int64_t keep,
                                       std::int64_t batch) {
  readers_.submit([this, namespace_name, keep, batch](Result<Connection*> connection) {
    if (!connection) return;  // closing, or too busy: the next time
    Query query(**connection,
                "SELECT start, sequence FROM activations WHERE namespace = ? ORDER BY start DESC, "
                "sequence DESC LIMIT 1 OFFSET ?");
    query.bind(namespace_name).bind(keep);
    if (!query.next()) return;
    remove_up_to(namespace_name, {query.integer(0), query.integer(1)}, batch);
  });
}

void SqliteActivations::remove_up_to(const std::string& namespace_name, Place last,
                                     std::int64_t batch) {
  const auto run = [namespace_name, last, batch](Connection& connection,
                                                 std::int64_t& removed) -> Status {
    Query query(connection,
                "DELETE FROM activations WHERE sequence IN (SELECT sequence FROM activations WHERE "
                "namespace = ? AND start <= ? AND (start < ? OR sequence <= ?) "
                "ORDER BY start, sequence LIMIT ?)");
    query.bind(namespace_name).bind(last.start_ms).bind(last.start_ms).bind(last.sequence);
    query.bind(batch);
    return counted(connection, query, removed);
  };
  writer_.submit_or_refuse(
      std::make_unique<RemoveRows>(
          run,
          [this, namespace_name, last, batch](const Result<std::int64_t>& removed) {
            if (removed && *removed >= batch) remove_up_to(namespace_name, last, batch);
          }),
      false);
}

void SqliteActivations::remove_of_namespace(std::string namespace_name, std::int64_t batch,
                                            std::function<void(Result<std::int64_t>)> done) {
  const auto run = [name = std::move(namespace_name), batch](Connection& connection,
                                                             std::int64_t& removed) -> Status {
    Query query(connection,
                "DELETE FROM activations WHERE sequence IN (SELECT sequence FROM activations WHERE "
                "namespace = ? LIMIT ?)");
    query.bind(name).bind(batch);
    return counted(connection, query, removed);
  };
  writer_.submit_or_refuse(std::make_unique<RemoveRows>(run, std::move(done)));
}

}  // namespace berth::store
