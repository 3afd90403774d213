// SPDX-License-Identifier: Apache-2.0
// One `fetch`: what the spool still has and what Splunk has found, asked again while lines are not
// indexed yet. Belongs to the thread of the event loop.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <string>

#include "berth/sdk/log_store.hpp"
#include "search.hpp"
#include "settings.hpp"
#include "spool.hpp"
#include "support/event_loop.hpp"
#include "support/http/client.hpp"

namespace berth::splunk {

class Fetcher : public std::enable_shared_from_this<Fetcher> {
 public:
  // `spool` and `client` may be null; what is there outlives it.
  Fetcher(support::EventLoop& loop, const Settings& settings, const Spool* spool,
          support::http::Client* client, Wanted wanted, std::uint64_t max_bytes,
          sdk::Promise<sdk::LogPage> done);

  void start();

 private:
  void ask();
  void answered(const support::http::Reply& reply);
  void settle(Rows rows);
  void finish(const sdk::Status& error);
  void look_into_spool();
  Assembly assemble() const;
  bool full() const { return best_.rows > 0 && best_.rows >= wanted_.rows; }

  const Settings& settings_;
  const Spool* const spool_;
  support::http::Client* const client_;
  boost::asio::steady_timer timer_;
  Wanted wanted_;
  const std::uint64_t max_bytes_;
  sdk::Promise<sdk::LogPage> done_;
  std::chrono::steady_clock::time_point give_up_;
  std::uint64_t attempt_ = 0;
  Rows best_;                   // of the attempts
  std::vector<Piece> pending_;  // that the spool had
};

}  // namespace berth::splunk
