// SPDX-License-Identifier: Apache-2.0
// HostStore: a Scheduler's Store in berthd's own state. The loop's thread only.
//
// Writes of one key follow each other: the host may do two that are under way in any order.
#pragma once

#include <boost/asio/io_context.hpp>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "berth/sdk/host.hpp"
#include "mesos/scheduler/store.hpp"
#include "support/outstanding.hpp"

namespace berth::mesos {

class HostStore final : public Store {
 public:
  HostStore(boost::asio::io_context& context, sdk::State state);
  ~HostStore() override;

  void load(Loaded done) override;
  void put(const std::string& key, std::string value,
           std::function<void(const sdk::Status&)> done) override;
  void remove(const std::string& key) override;
  // Calls `done` once nothing is under way.
  void flush(std::function<void()> done);

 private:
  struct Write {
    std::optional<std::string> value;  // none: remove
    std::function<void(const sdk::Status&)> done;
  };
  struct Key {
    bool busy = false;
    std::optional<Write> next;  // the latest: what it replaces need not be written
  };
  struct Loading;

  void write(const std::string& key, Write write);
  void begin(const std::string& key, Write write);
  void ended(const std::string& key, const sdk::Status& status,
             const std::function<void(const sdk::Status&)>& done);
  void load_page(std::shared_ptr<Loading> loading);

  boost::asio::io_context& context_;
  const sdk::State state_;
  std::map<std::string, Key> keys_;  // with a write under way
  std::vector<std::function<void()>> flushing_;
  support::Outstanding calls_;  // last: what they touch outlives them
};

}  // namespace berth::mesos
