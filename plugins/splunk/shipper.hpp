// SPDX-License-Identifier: Apache-2.0
// Brings what is in the spool to the HTTP Event Collector: one batch at a time, in order, as long
// as it takes. With indexer acknowledgement several batches may wait for theirs; one that gets none
// in time is sent again, with all after it.
//
// What a reply means:
//   200                      taken; with acknowledgement, the spool keeps it until it is indexed
//   400, 413                 the batch is split until the record that is at fault stands alone;
//   that
//                            one is dropped and counted
//   everything else, no reply  the same again after a pause that grows up to retry_max
//
// Belongs to the thread of its event loop, but for stats().
#pragma once

#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "berth/sdk/host.hpp"
#include "settings.hpp"
#include "spool.hpp"
#include "support/event_loop.hpp"
#include "support/http/client.hpp"

namespace berth::splunk {

class Shipper : public std::enable_shared_from_this<Shipper> {
 public:
  Shipper(support::EventLoop& loop, const Settings& settings, Spool& spool, sdk::Host host);

  // Sends what there is. Call it when something was appended.
  void pump();
  // Calls `done` when nothing is left in the spool, or `until` has passed.
  void when_empty(std::chrono::steady_clock::time_point until, std::function<void()> done);
  // Ends all of it; nothing is called any more.
  void close();

 private:
  struct Sent {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
    std::int64_t ack_id = -1;  // -1: acknowledged
    std::chrono::steady_clock::time_point at;
  };
  struct Metrics {
    sdk::Series events, bytes, batches, retries, rejected, resent, spool_bytes, spool_records, up;
  };
  struct Waiter {
    std::chrono::steady_clock::time_point until;
    std::function<void()> done;
  };

  void send(Spool::Batch batch);
  // `bytes` of events were sent.
  void sent(const Spool::Batch& batch, std::size_t bytes, const support::http::Reply& reply);
  void taken(const Spool::Batch& batch, std::string_view body);
  void refused(const Spool::Batch& batch, const support::http::Reply& reply);
  void retry(const std::string& why);
  void dropped(const Spool::Batch& batch, const std::string& why);
  void later(std::chrono::milliseconds wait);
  void settle();
  void ask_for_acks();
  void acknowledged(const support::http::Reply& reply);
  void check_waiters();
  support::http::Request request(std::string target, std::string body) const;

  const Settings& settings_;
  Spool& spool_;
  const sdk::Log log_;
  Metrics metrics_;
  const std::string channel_;
  support::http::Client client_;
  boost::asio::steady_timer timer_;
  boost::asio::steady_timer ack_timer_;
  boost::asio::steady_timer waiter_timer_;
  std::uint64_t next_ = 0;         // the record to send next
  std::uint64_t split_below_ = 0;  // while records below it are sent, batches are small
  std::uint64_t max_records_;
  bool sending_ = false;
  bool paused_ = false;
  bool asking_ = false;
  bool ack_armed_ = false;
  bool closed_ = false;
  bool timer_armed_ = false;  // for a batch to fill
  bool told_ = false;         // one line of log an outage
  std::uint32_t failures_ = 0;
  std::chrono::steady_clock::time_point waiting_since_{};  // for a batch to fill
  std::deque<Sent> unacknowledged_;
  std::vector<Waiter> waiters_;
};

}  // namespace berth::splunk
