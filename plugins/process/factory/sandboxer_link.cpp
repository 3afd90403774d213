// SPDX-License-Identifier: Apache-2.0
// ProcessFactory's bond to berth-sandboxer: finding or starting it, agreeing with it, losing and
// replacing it. All on the loop's thread.
#include <algorithm>
#include <chrono>
#include <unistd.h>

#include "factory/launcher.hpp"
#include "factory/process_factory.hpp"

namespace berth::process {
namespace {

using namespace std::chrono_literals;

constexpr const char* kSocket = "/sandboxer.sock";
constexpr auto kFirstPause = 100ms;
constexpr auto kLongestPause = 5s;
constexpr auto kMetricsInterval = 10s;

}  // namespace

void ProcessFactory::connect(bool may_launch, Connected done) {
  auto fresh = std::make_shared<SandboxerClient>(loop_.context());
  const sdk::Status status = fresh->open(
      runtime_directory_ + kSocket, [this](const Died& died) { on_died(died); },
      [this] { on_lost(); });
  if (status.ok()) return greet(std::move(fresh), may_launch, std::move(done));
  if (status.code() == sdk::StatusCode::kNotFound && may_launch) return launch(std::move(done));
  done(status);
}

void ProcessFactory::launch(Connected done) {
  // Without a sandboxer no sandbox lives, so every socket of an earlier life is a dead one's.
  sockets_.remove_stale();
  log_.debug("starting berth-sandboxer", {{"program", config_.sandboxer}});
  launch_sandboxer(loop_.context(),
                   {config_.sandboxer, data_directory_, runtime_directory_, instance_},
                   [this, done = std::move(done)](const sdk::Status& status) {
                     if (!status.ok()) return done(status);
                     connect(false, done);
                   });
}

void ProcessFactory::greet(std::shared_ptr<SandboxerClient> client, bool may_launch,
                           Connected done) {
  SandboxerClient& c = *client;
  c.call(MessageType::kHello, Hello{},
         [this, client, may_launch, done = std::move(done)](sdk::Status status, Reader& reader) {
           HelloReply reply;
           if (status.ok() && !decode(reader, reply)) {
             status = sdk::internal("berth-sandboxer's greeting is malformed");
           }
           if (!status.ok()) {
             client->close();
             return done(status);
           }
           if (reply.version == kProtocolVersion) return configure(client, done);
           // Another version of ours. Without sandboxes it makes room; with some it must not.
           client->call(
               MessageType::kShutdown, Shutdown{false},
               [this, client, may_launch, reply, done](const sdk::Status& ended, Reader&) {
                 client->close();
                 if (ended.ok() && may_launch) return launch(done);
                 done(sdk::failed_precondition(
                     "berth-sandboxer (process " + std::to_string(reply.pid) + ") speaks version " +
                     std::to_string(reply.version) + " of its protocol and this plugin version " +
                     std::to_string(kProtocolVersion) +
                     ", and it still has sandboxes: start the matching berthd to stop them, or end "
                     "it with kill " +
                     std::to_string(reply.pid)));
               });
         });
}

void ProcessFactory::configure(std::shared_ptr<SandboxerClient> client, Connected done) {
  SandboxerClient& c = *client;
  c.call(MessageType::kConfigure, config_.settings,
         [this, client, done = std::move(done)](sdk::Status status, Reader& reader) {
           Enforcement enforcement;
           if (status.ok() && !decode(reader, enforcement)) {
             status = sdk::internal("berth-sandboxer's answer is malformed");
           }
           if (!status.ok()) {
             client->close();
             return done(status);
           }
           report(enforcement);
           {
             const std::lock_guard lock(mutex_);
             client_ = client;
             freezer_ =
                 std::make_shared<const Freezer>(enforcement.freezer, enforcement.freezer_v2);
           }
           failures_ = 0;
           done({});
         });
}

void ProcessFactory::report(const Enforcement& enforcement) {
  if (enforcement.detail == reported_) return;
  reported_ = enforcement.detail;
  if (!enforcement.detail.empty()) log_.warn(enforcement.detail);
}

void ProcessFactory::on_died(const Died& died) {
  {
    const std::lock_guard lock(mutex_);
    known_.erase(died.id);
  }
  events_.died(died.id, died.exit_code, died.oom, died.reason);
}

void ProcessFactory::on_lost() {
  std::unordered_map<std::string, Known> gone;
  {
    const std::lock_guard lock(mutex_);
    client_ = nullptr;
    freezer_ = nullptr;
    gone.swap(known_);
  }
  if (stopped_) return;
  log_.error("berth-sandboxer has died, and all sandboxes with it",
             {{"sandboxes", std::to_string(gone.size())}});
  for (const auto& [id, known] : gone) {
    ::unlink(known.socket_path.c_str());
    events_.died(id, -1, false, "berth-sandboxer died");
  }
  reconnect();
}

void ProcessFactory::reconnect() {
  const auto pause = std::min<std::chrono::milliseconds>(
      kFirstPause * (1u << std::min(failures_, 6u)), kLongestPause);
  retry_.expires_after(pause);
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (error || stopped_) return;
    connect(true, [this](const sdk::Status& status) {
      if (status.ok()) {
        sockets_.refill();
        return log_.info("berth-sandboxer runs again");
      }
      ++failures_;
      log_.error(status.message());
      reconnect();
    });
  });
}

void ProcessFactory::publish_metrics() {
  if (stopped_) return;
  if (const auto c = client()) {
    c->call(MessageType::kStats, [this](const sdk::Status& status, Reader& reader) {
      StatsReply stats;
      if (!status.ok() || !decode(reader, stats)) return;
      gauges_.sandboxes.record(stats.sandboxes);
      gauges_.prepared.record(stats.prepared);
      gauges_.networks.record(stats.pooled_networks);
      gauges_.leaving.record(stats.leaving_networks);
      gauges_.addresses.record(stats.free_addresses);
      gauges_.removing.record(stats.removing);
      gauges_.dropped.record(static_cast<double>(stats.log_bytes_dropped));
      gauges_.zygotes.record(stats.zygotes);
      gauges_.prepared_forks.record(stats.prepared_forks);
      gauges_.zygote_starts.record(static_cast<double>(stats.zygote_starts));
      gauges_.forked.record(static_cast<double>(stats.forked));
      gauges_.fallbacks.record(static_cast<double>(stats.fork_fallbacks));
      if (stats.zygote_problem == reported_zygote_) return;
      reported_zygote_ = stats.zygote_problem;
      if (!reported_zygote_.empty()) {
        log_.warn(reported_zygote_ + (stats.zygotes == 0
                                          ? "; functions are started from nothing until it is there"
                                          : ""));
      }
    });
  }
  metrics_.expires_after(kMetricsInterval);
  metrics_.async_wait([this](const boost::system::error_code& error) {
    if (!error) publish_metrics();
  });
}

}  // namespace berth::process
