// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_alarms.hpp"

#include <utility>

#include "base/log.hpp"
#include "store/reply.hpp"

namespace berth::store {
namespace {

Status erase(Connection& connection, const std::string& trigger) {
  Query query(connection, "DELETE FROM alarms WHERE trigger = ?");
  query.bind(trigger);
  return query.run();
}

// Removes the alarm of a trigger, and puts another one there if `put` is.
class ChangeAlarm final : public WriteJob {
 public:
  ChangeAlarm(Alarm alarm, bool put, Reply<void> reply)
      : alarm_(std::move(alarm)), put_(put), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    Status status = erase(connection, alarm_.trigger);
    if (!status.ok() || !put_) return status;
    Query query(connection,
                "INSERT INTO alarms(trigger, namespace, next, body) VALUES(?, ?, ?, ?)");
    query.bind(alarm_.trigger).bind(alarm_.namespace_name).bind(alarm_.next_ms).bind(alarm_.body);
    return query.run();
  }
  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    reply_(Result<void>());
  }
  std::size_t bytes() const override { return 512 + alarm_.body.size(); }

 private:
  const Alarm alarm_;
  const bool put_;
  Reply<void> reply_;
};

class SetNext final : public WriteJob {
 public:
  SetNext(std::string trigger, std::int64_t next_ms, Reply<void> reply)
      : trigger_(std::move(trigger)), next_ms_(next_ms), reply_(std::move(reply)) {}

  Status run(Connection& connection) override {
    Query query(connection, "UPDATE alarms SET next = ? WHERE trigger = ?");
    query.bind(next_ms_).bind(trigger_);
    Status status = query.run();
    gone_ = status.ok() && connection.changes() == 0;
    return status;
  }
  void finish(const Status& status) override {
    if (!status.ok()) return reply_(status);
    if (gone_) return reply_(sdk::not_found("there is no alarm of " + trigger_));
    reply_(Result<void>());
  }

 private:
  const std::string trigger_;
  const std::int64_t next_ms_;
  Reply<void> reply_;
  bool gone_ = false;
};

}  // namespace

void SqliteAlarms::put_alarm(Executor on, Alarm alarm, Done<void> done) {
  if (cipher_.active()) alarm.body = cipher_.seal_text(alarm.body);
  writer_.submit_or_refuse(std::make_unique<ChangeAlarm>(
      std::move(alarm), true, Reply<void>(std::move(on), std::move(done))));
}

void SqliteAlarms::set_next(Executor on, std::string trigger, std::int64_t next_ms,
                            Done<void> done) {
  writer_.submit_or_refuse(std::make_unique<SetNext>(std::move(trigger), next_ms,
                                                     Reply<void>(std::move(on), std::move(done))));
}

void SqliteAlarms::remove_alarm(Executor on, std::string trigger, Done<void> done) {
  Alarm alarm;
  alarm.trigger = std::move(trigger);
  writer_.submit_or_refuse(std::make_unique<ChangeAlarm>(
      std::move(alarm), false, Reply<void>(std::move(on), std::move(done))));
}

void SqliteAlarms::alarms(Executor on, Done<std::vector<Alarm>> done) {
  Reply<std::vector<Alarm>> reply(std::move(on), std::move(done));
  readers_.submit(
      [&cipher = cipher_, reply = std::move(reply)](Result<Connection*> connection) mutable {
        if (!connection) return reply(connection.error());
        Query query(**connection, "SELECT trigger, namespace, next, body FROM alarms");
        std::vector<Alarm> all;
        while (query.next()) {
          all.push_back({query.string(0), query.string(1), query.integer(2), query.string(3)});
        }
        if (!query.status().ok()) return reply(query.status());
        for (Alarm& alarm : all) {
          auto body = cipher.open_text(alarm.body);
          if (!body) {
            log::error("store", "an alarm cannot be decrypted",
                       {{"trigger", alarm.trigger}, {"reason", body.error().to_string()}});
            body = std::string();
          }
          alarm.body = std::move(*body);
        }
        reply(std::move(all));
      });
}

}  // namespace berth::store
