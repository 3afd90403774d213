// SPDX-License-Identifier: Apache-2.0
// Floor: the least that launches a task on a master: a subscription, the offers it brings, one
// ACCEPT for one task, no table, no matching, no store. What the Scheduler costs more is its
// overhead.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "mesos/scheduler/master_link.hpp"

namespace berth::bench {

class Floor final : private mesos::MasterLink::Listener {
 public:
  Floor(boost::asio::io_context& context, mesos::Settings settings);

  void start(std::function<void()> subscribed);
  // Launches a task on the first offer there is, now or when one comes; `running` once it runs.
  void launch(const std::string& id, std::function<void()> running);
  void teardown(std::function<void()> done);

 private:
  void make_subscribe(mesos::v1::Call& call) override;
  void on_event(const mesos::v1::Event& event) override;
  void on_lost(const sdk::Status&) override {}
  void accept();

  const mesos::Settings settings_;
  mesos::MasterLink link_;
  std::function<void()> subscribed_;
  std::vector<mesos::v1::Offer> offers_;
  std::vector<std::string> waiting_;
  std::map<std::string, std::function<void()>> running_;
};

}  // namespace berth::bench
