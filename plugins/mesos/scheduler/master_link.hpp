// SPDX-License-Identifier: Apache-2.0
// MasterLink: the subscription to the leading master, kept up whatever happens, and calls to it.
//
// A master is found from a list or through ZooKeeper, redirects to the leader are followed, and
// when the stream ends, breaks, makes no sense or lacks heartbeats it is subscribed again, after a
// jittered back-off. The subscription has a connection of its own: a master writes the answer to
// any other call on it into the stream. Calls other than acknowledgements share one connection, so
// that they arrive in order. The loop's thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "berth/sdk/status.hpp"
#include "berth_mesos_v1.pb.h"
#include "mesos/protocol/record_io.hpp"
#include "mesos/scheduler/leader_source.hpp"
#include "mesos/scheduler/settings.hpp"
#include "support/http/client.hpp"

namespace berth::mesos {

class MasterLink {
 public:
  class Listener {
   public:
    virtual ~Listener() = default;
    // Fills in who subscribes: framework_id if there is one, and framework_info.
    virtual void make_subscribe(v1::Call& call) = 0;
    // An event; SUBSCRIBED is the first of a subscription. May call anything of the link.
    virtual void on_event(const v1::Event& event) = 0;
    // A subscription, or an attempt at one, ended.
    virtual void on_lost(const sdk::Status& why) = 0;
  };
  using Done = std::function<void(sdk::Status)>;

  // `settings` and `listener` must outlive it.
  MasterLink(boost::asio::io_context& context, const Settings& settings, Listener& listener);
  ~MasterLink();
  MasterLink(const MasterLink&) = delete;
  MasterLink& operator=(const MasterLink&) = delete;

  // Begins to subscribe, and goes on until stop().
  void start();
  // Ends the subscription without a word to the listener. Calls in flight still end.
  void stop();
  // Subscribes anew, at once or after the back-off.
  void resubscribe(const sdk::Status& why, bool at_once);

  bool subscribed() const { return subscribed_; }
  const std::string& master() const { return master_; }  // URL of the one asked last

  // Sends a call of this subscription; `done` comes once, never from inside.
  //   UNAVAILABLE  not subscribed, or the subscription was lost meanwhile: it may have arrived
  //   INTERNAL     the master refused it; its words are in the message
  void call(v1::Call call, Done done);

 private:
  struct Session;

  void attempt();
  void try_master(std::string url);
  void on_stream_head(Session& session, const support::http::Response& head);
  bool on_record(Session& session, std::string_view record);
  void on_stream_end(std::uint64_t number, support::http::Reply reply);
  void lose(const sdk::Status& why);
  void retry_later();
  void retire();
  void sweep();
  void watch_silence();
  std::vector<std::string> headers(const Session* session) const;

  boost::asio::io_context& context_;
  const Settings& settings_;
  Listener& listener_;
  std::unique_ptr<LeaderSource> leaders_;
  std::unique_ptr<Session> session_;
  // Sessions that ended with calls in flight: a client must not go before its calls.
  std::vector<std::unique_ptr<Session>> retired_;
  boost::asio::steady_timer retry_;
  boost::asio::steady_timer silence_;
  std::mt19937 random_{std::random_device{}()};
  std::string master_;
  std::string redirect_;    // where a master that does not lead sent us
  unsigned redirects_ = 0;  // followed without a pause
  milliseconds backoff_{0};
  milliseconds heartbeat_{0};  // allowed silence; 0: not subscribed yet
  std::uint64_t last_session_ = 0;
  bool running_ = false;
  bool subscribed_ = false;
};

}  // namespace berth::mesos
