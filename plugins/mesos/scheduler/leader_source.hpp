// SPDX-License-Identifier: Apache-2.0
// LeaderSource: where the next attempt to subscribe should go. The loop's thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "berth/sdk/status.hpp"

namespace berth::mesos {

class LeaderSource {
 public:
  virtual ~LeaderSource() = default;
  // The URL of a master to try now; empty: none is known (why() says what is missing).
  virtual std::string next() = 0;
  virtual std::string why() const = 0;
  // Called whenever another leader is known than before; not from inside next().
  std::function<void()> on_change;
};

// The masters of a list, one after the other.
class MasterList final : public LeaderSource {
 public:
  explicit MasterList(std::vector<std::string> urls) : urls_(std::move(urls)) {}
  std::string next() override { return urls_[at_++ % urls_.size()]; }
  std::string why() const override { return ""; }

 private:
  const std::vector<std::string> urls_;
  std::size_t at_ = 0;
};

// The leader as Mesos writes it into ZooKeeper: "zk://[user:password@]host:port,.../path". The
// scheme of its URL is `scheme`. See zookeeper_leader.cpp.
std::unique_ptr<LeaderSource> zookeeper_leader(boost::asio::io_context& context,
                                               const std::string& url, std::string scheme);

// OK, or what is wrong with a "zk://" URL.
sdk::Status check_zookeeper_url(const std::string& url);

}  // namespace berth::mesos
