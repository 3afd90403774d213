// SPDX-License-Identifier: Apache-2.0
// One `follow`: the spool and Splunk's search are looked at again and again until there is a line
// from the wanted one on, the activation's end, or the deadline. Belongs to the thread of the event
// loop.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>

#include "berth/sdk/log_store.hpp"
#include "hec_event.hpp"
#include "search.hpp"
#include "settings.hpp"
#include "spool.hpp"
#include "support/event_loop.hpp"
#include "support/http/client.hpp"

namespace berth::splunk {

class Follower : public std::enable_shared_from_this<Follower> {
 public:
  // What is there outlives it.
  Follower(support::EventLoop& loop, const Settings& settings, const Spool& spool,
           support::http::Client& client, Wanted wanted, std::uint64_t max_bytes,
           sdk::Promise<sdk::LogPage> done);

  void look();

 private:
  bool answer();
  void answered(const support::http::Reply& reply);
  void later();

  const Settings& settings_;
  const Spool& spool_;
  support::http::Client& client_;
  boost::asio::steady_timer timer_;
  Wanted wanted_;
  const std::uint64_t max_bytes_;
  sdk::Promise<sdk::LogPage> done_;
  const std::chrono::steady_clock::time_point give_up_;
  Assembly seen_;  // so far, by whatever look
  std::uint64_t searches_ = 0;
  std::uint64_t searches_with_gap_ = 0;
};

}  // namespace berth::splunk
