// SPDX-License-Identifier: Apache-2.0
// AlarmStore over SQLite. Private to core/store; made by SqliteStore.
#pragma once

#include "entity/parameter_cipher.hpp"
#include "store/alarm_store.hpp"
#include "store/reader_pool.hpp"
#include "store/writer.hpp"

namespace berth::store {

class SqliteAlarms final : public AlarmStore {
 public:
  // Bodies are encrypted with `cipher`: the payloads of triggers are in them.
  SqliteAlarms(Writer& writer, ReaderPool& readers, const entity::ParameterCipher& cipher)
      : writer_(writer), readers_(readers), cipher_(cipher) {}

  void put_alarm(Executor on, Alarm alarm, Done<void> done) override;
  void set_next(Executor on, std::string trigger, std::int64_t next_ms, Done<void> done) override;
  void remove_alarm(Executor on, std::string trigger, Done<void> done) override;
  void alarms(Executor on, Done<std::vector<Alarm>> done) override;

 private:
  Writer& writer_;
  ReaderPool& readers_;
  const entity::ParameterCipher& cipher_;
};

}  // namespace berth::store
