// SPDX-License-Identifier: Apache-2.0
// AlarmStore over SQLite. Private to core/store; made by SqliteStore.
#pragma once

#include "store/alarm_store.hpp"
#include "store/reader_pool.hpp"
#include "store/writer.hpp"

namespace berth::store {

class SqliteAlarms final : public AlarmStore {
 public:
  SqliteAlarms(Writer& writer, ReaderPool& readers) : writer_(writer), readers_(readers) {}

  void put_alarm(Executor on, Alarm alarm, Done<void> done) override;
  void remove_alarm(Executor on, std::string trigger, Done<void> done) override;
  void alarms(Executor on, Done<std::vector<Alarm>> done) override;

 private:
  Writer& writer_;
  ReaderPool& readers_;
};

}  // namespace berth::store
