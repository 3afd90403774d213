// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_work.hpp"

#include <algorithm>
#include <utility>

#include "base/ids.hpp"
#include "base/log.hpp"
#include "store/activation_id.hpp"
#include "store/reply.hpp"

namespace berth::store {
namespace {

// Of a page of left_over().
constexpr std::int64_t kPageRows = 200;
constexpr std::size_t kPageBytes = 8 * 1024 * 1024;

Result<std::vector<Work>> load_page(Connection& connection, std::int64_t after,
                                    std::int64_t before) {
  Query query(
      connection,
      "SELECT sequence, id, transaction_id, namespace, namespace_uuid, subject, path, "
      "cause, received, started, arguments, binding FROM work WHERE sequence > ? AND sequence < ? "
      "ORDER BY sequence LIMIT ?");
  query.bind(after).bind(before).bind(kPageRows);
  std::vector<Work> page;
  std::size_t bytes = 0;
  while (bytes < kPageBytes && query.next()) {
    Work& work = page.emplace_back();
    work.sequence = query.integer(0);
    work.activation_id = unpack_id(query.text(1));
    work.transaction_id = query.string(2);
    work.namespace_name = query.string(3);
    work.namespace_uuid = query.string(4);
    work.subject = query.string(5);
    work.path = query.string(6);
    work.cause = query.string(7);
    work.received_ms = query.integer(8);
    work.started_ms = query.integer(9);
    work.arguments = query.string(10);
    work.binding = query.string(11);
    bytes += work.arguments.size();
  }
  if (!query.status().ok()) return query.status();
  return page;
}

// One that no key opens is marked so, and the operator is told.
void open_arguments(std::vector<Work>& page, const entity::ParameterCipher& cipher) {
  for (Work& work : page) {
    auto text = cipher.open_text(work.arguments);
    if (!text) {
      log::error("store", "the arguments of an accepted activation cannot be decrypted",
                 {{"activation", work.activation_id}, {"reason", text.error().to_string()}});
      work.unreadable = true;
      text = std::string("{}");
    }
    work.arguments = std::move(*text);
  }
}

}  // namespace

class EnqueueWork final : public WriteJob {
 public:
  EnqueueWork(SqliteWork& owner, SqliteWork::EntryPtr entry, Work work, Reply<void> reply)
      : owner_(owner), entry_(std::move(entry)), work_(std::move(work)), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    const std::string id = pack_id(work_.activation_id);
    if (work_.started_ms != 0) {
      Query query(connection, "SELECT 1 FROM activations WHERE id = ?");
      query.bind_blob(id);
      ended_ = query.next();
      if (!query.status().ok()) return query.status();
      if (ended_) return {};
    }
    std::int64_t started_ms = 0;
    {
      const std::lock_guard lock(owner_.mutex_);
      if (entry_->gone) return {};
      // A start that was asked for meanwhile costs no second statement.
      started_ms = entry_->row_started_ms = entry_->started_ms;
    }
    Query query(connection,
                "INSERT INTO work(sequence, id, transaction_id, namespace, namespace_uuid, "
                "subject, path, cause, received, started, arguments, binding) "
                "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
    query.bind(work_.sequence)
        .bind_blob(id)
        .bind(work_.transaction_id)
        .bind(work_.namespace_name)
        .bind(work_.namespace_uuid)
        .bind(work_.subject)
        .bind(work_.path)
        .bind(work_.cause)
        .bind(work_.received_ms)
        .bind(started_ms)
        .bind(work_.arguments)
        .bind(work_.binding);
    return query.run();
  }

  void finish(const Status& status) override {
    if (!status.ok() || ended_) owner_.forget(work_.activation_id, entry_);
    if (status.ok()) return reply_(Result<void>());
    reply_(status);
  }

  std::size_t bytes() const override { return 512 + work_.arguments.size(); }

 private:
  SqliteWork& owner_;
  const SqliteWork::EntryPtr entry_;
  const Work work_;
  Reply<void> reply_;
  bool ended_ = false;  // its record was there first
};

class StartWork final : public WriteJob {
 public:
  StartWork(SqliteWork& owner, SqliteWork::EntryPtr entry, Reply<void> reply)
      : owner_(owner), entry_(std::move(entry)), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    std::int64_t started_ms = 0;
    {
      const std::lock_guard lock(owner_.mutex_);
      gone_ = entry_->gone;
      if (gone_ || entry_->row_started_ms != 0) return {};
      started_ms = entry_->started_ms;
    }
    Query query(connection, "UPDATE work SET started = ? WHERE sequence = ?");
    query.bind(started_ms).bind(entry_->sequence);
    Status status = query.run();
    // Its namespace was deleted meanwhile, and the row with it.
    gone_ = status.ok() && connection.changes() == 0;
    return status;
  }

  void finish(const Status& status) override {
    if (!status.ok()) {
      {
        // Another try has another time.
        const std::lock_guard lock(owner_.mutex_);
        if (entry_->row_started_ms == 0) entry_->started_ms = 0;
      }
      return reply_(status);
    }
    if (gone_) return reply_(sdk::not_found("the activation was not accepted"));
    reply_(Result<void>());
  }

  // What waits for it holds a container: where there is no room for it it is told so.
  bool promised() const override { return true; }

 private:
  SqliteWork& owner_;
  const SqliteWork::EntryPtr entry_;
  Reply<void> reply_;
  bool gone_ = false;
};

class WithdrawWork final : public WriteJob {
 public:
  explicit WithdrawWork(std::int64_t sequence) : sequence_(sequence) {}
  Status run(Connection& connection) override {
    Query query(connection, "DELETE FROM work WHERE sequence = ?");
    query.bind(sequence_);
    return query.run();
  }
  void finish(const Status&) override {}
  bool persistent() const override { return true; }
  bool promised() const override { return true; }
  bool is_record() const override { return false; }

 private:
  const std::int64_t sequence_;
};

SqliteWork::SqliteWork(Writer& writer, ReaderPool& readers, Metrics& metrics,
                       const entity::ParameterCipher& cipher)
    : writer_(writer),
      readers_(readers),
      cipher_(cipher),
      rows_(metrics.gauge("berth_store_work_rows",
                          "Durably accepted activations without a record")) {}

Status SqliteWork::load(Connection& connection) {
  Query query(connection, "SELECT sequence, id, started FROM work ORDER BY sequence");
  const std::lock_guard lock(mutex_);
  while (query.next()) {
    auto entry = std::make_shared<Entry>();
    entry->sequence = query.integer(0);
    entry->started_ms = entry->row_started_ms = query.integer(2);
    next_sequence_ = entry->sequence + 1;
    entries_.insert_or_assign(unpack_id(query.text(1)), std::move(entry));
  }
  first_new_ = next_sequence_;
  rows_.set(static_cast<double>(entries_.size()));
  return query.status();
}

void SqliteWork::enqueue(Executor on, Work work, Done<void> done) {
  Reply<void> reply(std::move(on), std::move(done));
  if (!is_activation_id(work.activation_id)) {
    return reply(sdk::invalid_argument("'" + work.activation_id + "' is no activation id"));
  }
  if (cipher_.active()) work.arguments = cipher_.seal_text(work.arguments);
  auto entry = std::make_shared<Entry>();
  entry->started_ms = work.started_ms;
  {
    const std::lock_guard lock(mutex_);
    work.sequence = entry->sequence = next_sequence_++;
    entries_.insert_or_assign(work.activation_id, entry);
    rows_.set(static_cast<double>(entries_.size()));
  }
  writer_.submit_or_refuse(
      std::make_unique<EnqueueWork>(*this, std::move(entry), std::move(work), std::move(reply)));
}

void SqliteWork::withdraw(const std::string& activation_id) {
  const EntryPtr entry = find(activation_id);
  if (!entry) return;
  forget(activation_id, entry);
  writer_.submit_or_refuse(std::make_unique<WithdrawWork>(entry->sequence));
}

void SqliteWork::start(Executor on, const std::string& activation_id, std::int64_t now_ms,
                       Done<void> done) {
  Reply<void> reply(std::move(on), std::move(done));
  EntryPtr entry;
  {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(activation_id);
    if (found != entries_.end()) {
      entry = found->second;
      if (entry->started_ms == 0) entry->started_ms = now_ms;
    }
  }
  if (!entry) return reply(sdk::not_found("the activation was not accepted"));
  writer_.submit_or_refuse(std::make_unique<StartWork>(*this, std::move(entry), std::move(reply)));
}

void SqliteWork::left_over(Executor on, std::int64_t after, Done<std::vector<Work>> done) {
  readers_.submit([&cipher = cipher_, before = first_new_, after,
                   reply = Reply<std::vector<Work>>(std::move(on), std::move(done))](
                      Result<Connection*> connection) mutable {
    if (!connection) return reply(connection.error());
    auto page = load_page(**connection, after, before);
    if (page) open_arguments(*page, cipher);
    reply(std::move(page));
  });
}

std::size_t SqliteWork::size() const {
  const std::lock_guard lock(mutex_);
  return entries_.size();
}

Status SqliteWork::remove(Connection& connection, std::string_view activation_id) {
  const EntryPtr entry = find(activation_id);
  if (!entry) return {};
  Query query(connection, "DELETE FROM work WHERE sequence = ?");
  query.bind(entry->sequence);
  return query.run();
}

void SqliteWork::removed(std::string_view activation_id) {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(activation_id);
  if (found == entries_.end()) return;
  entries_.erase(found);
  rows_.set(static_cast<double>(entries_.size()));
}

SqliteWork::EntryPtr SqliteWork::find(std::string_view activation_id) const {
  const std::lock_guard lock(mutex_);
  const auto found = entries_.find(activation_id);
  return found == entries_.end() ? nullptr : found->second;
}

void SqliteWork::forget(const std::string& activation_id, const EntryPtr& entry) {
  const std::lock_guard lock(mutex_);
  entry->gone = true;
  const auto found = entries_.find(activation_id);
  if (found != entries_.end() && found->second == entry) entries_.erase(found);
  rows_.set(static_cast<double>(entries_.size()));
}

}  // namespace berth::store
