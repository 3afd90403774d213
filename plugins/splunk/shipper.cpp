// SPDX-License-Identifier: Apache-2.0
#include "shipper.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <random>
#include <utility>

#include "support/gzip.hpp"

namespace berth::splunk {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kFirstPause{100};
constexpr std::size_t kMaxUnacknowledged = 256;

// A channel tells Splunk whose acknowledgements are asked for; any GUID.
std::string new_channel() {
  std::random_device random;
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string text = "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx";
  for (char& c : text) {
    if (c == 'x') c = kHex[random() & 15];
  }
  return text;
}

support::http::Endpoint endpoint_of(const Settings& settings) {
  support::http::Endpoint endpoint;
  endpoint.base_url = settings.collector.url;
  endpoint.tls.ca_file = settings.tls.ca_file;
  endpoint.tls.server_name = settings.tls.server_name;
  endpoint.tls.verify_peer = settings.tls.verify;
  endpoint.max_connections = 2;
  return endpoint;
}

// What Splunk says: {"text":"Invalid token","code":4}.
std::string text_of(const support::http::Response& response) {
  boost::system::error_code error;
  const boost::json::value json = boost::json::parse(response.body, error);
  const auto* object = error ? nullptr : json.if_object();
  const auto* text = object != nullptr ? object->if_contains("text") : nullptr;
  std::string said = "HTTP " + std::to_string(response.code);
  if (text != nullptr && text->is_string()) said += ": " + std::string(text->get_string());
  return said;
}

}  // namespace

Shipper::Shipper(support::EventLoop& loop, const Settings& settings, Spool& spool, sdk::Host host)
    : settings_(settings),
      spool_(spool),
      log_(host.log()),
      channel_(new_channel()),
      client_(loop.context(), endpoint_of(settings)),
      timer_(loop.context()),
      ack_timer_(loop.context()),
      waiter_timer_(loop.context()),
      max_records_(settings.collector.batch_records) {
  const sdk::Metrics metrics = host.metrics();
  metrics_.bytes = metrics.counter("sent_bytes_total", "Bytes of events that Splunk took");
  metrics_.batches = metrics.counter("batches_total", "Batches that Splunk took");
  metrics_.retries = metrics.counter("retries_total", "Batches that were not taken");
  metrics_.rejected =
      metrics.counter("rejected_records_total", "Parts of logs that Splunk refused for ever");
  metrics_.resent =
      metrics.counter("unacknowledged_batches_total", "Batches sent again for want of an ack");
  metrics_.spool_bytes = metrics.gauge("spool_bytes", "Bytes of events that wait for Splunk");
  metrics_.spool_records = metrics.gauge("spool_records", "Parts of logs that wait for Splunk");
  metrics_.up = metrics.gauge("up", "1: the last batch was taken");
}

void Shipper::close() {
  closed_ = true;
  timer_.cancel();
  ack_timer_.cancel();
  waiter_timer_.cancel();
  waiters_.clear();
}

support::http::Request Shipper::request(std::string target, std::string body) const {
  support::http::Request request;
  request.method = "POST";
  request.target = std::move(target);
  request.headers = {"Authorization: Splunk " + settings_.collector.token,
                     "Content-Type: application/json", "Expect:"};
  if (settings_.collector.acknowledge) {
    request.headers.push_back("X-Splunk-Request-Channel: " + channel_);
  }
  request.body = std::move(body);
  request.timeout = settings_.collector.timeout;
  request.max_response_bytes = 1 << 20;
  return request;
}

void Shipper::pump() {
  if (closed_ || sending_ || paused_ || unacknowledged_.size() >= kMaxUnacknowledged) return;
  const Spool::Stats stats = spool_.stats();
  metrics_.spool_bytes.record(static_cast<double>(stats.bytes));
  metrics_.spool_records.record(static_cast<double>(stats.records));
  next_ = std::max(next_, spool_.first());
  if (next_ >= spool_.end()) return check_waiters();
  // What waits for more is not looked at again until it is due or surely enough.
  if (timer_armed_ && waiters_.empty() && stats.bytes < settings_.collector.batch_bytes &&
      stats.records < max_records_ &&
      steady_clock::now() < waiting_since_ + settings_.collector.batch_wait) {
    return;
  }
  if (next_ >= split_below_) max_records_ = settings_.collector.batch_records;
  Spool::Batch batch;
  const sdk::Status status =
      spool_.take(next_, settings_.collector.batch_bytes, max_records_, batch);
  if (!status.ok()) {
    dropped(batch, status.message());
    return pump();
  }
  const std::uint64_t count = batch.last - batch.first + 1;
  const bool all = batch.last + 1 >= spool_.end();
  const bool full = !all || count >= max_records_ ||
                    batch.events.size() >= settings_.collector.batch_bytes || !waiters_.empty();
  if (!full && settings_.collector.batch_wait.count() > 0) {
    const auto now = steady_clock::now();
    if (waiting_since_ == steady_clock::time_point()) waiting_since_ = now;
    const auto due = waiting_since_ + settings_.collector.batch_wait;
    if (now < due) {
      timer_armed_ = true;
      timer_.expires_at(due);
      timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
        const auto self = weak.lock();
        if (error || !self) return;
        self->timer_armed_ = false;
        self->pump();
      });
      return;
    }
  }
  waiting_since_ = {};
  timer_armed_ = false;
  timer_.cancel();
  send(std::move(batch));
}

void Shipper::send(Spool::Batch batch) {
  sending_ = true;
  const std::size_t bytes = batch.events.size();
  auto request = this->request("/services/collector/event", {});
  if (settings_.collector.gzip) {
    request.body = support::gzip(batch.events);
    request.headers.push_back("Content-Encoding: gzip");
  } else {
    request.body = std::move(batch.events);
  }
  batch.events.clear();
  client_.send(std::move(request), [weak = weak_from_this(), batch = std::move(batch),
                                    bytes](const support::http::Reply& reply) {
    if (const auto self = weak.lock()) self->sent(batch, bytes, reply);
  });
}

void Shipper::sent(const Spool::Batch& batch, std::size_t bytes,
                   const support::http::Reply& reply) {
  if (closed_) return;
  sending_ = false;
  if (!reply.status.ok()) return retry(reply.status.to_string());
  const int code = reply.response.code;
  if (code == 200) {
    metrics_.bytes.record(static_cast<double>(bytes));
    return taken(batch, reply.response.body);
  }
  if (code == 400 || code == 413) return refused(batch, reply);
  std::string why = text_of(reply.response);
  if (code == 401 || code == 403) why += ": check plugin.splunk.hec_token";
  if (code == 404) why += ": check plugin.splunk.hec_url";
  retry(why);
}

void Shipper::taken(const Spool::Batch& batch, std::string_view body) {
  failures_ = 0;
  if (std::exchange(told_, false)) log_.info("Splunk takes logs again");
  metrics_.up.record(1);
  metrics_.batches.record(1);
  Sent sent;
  sent.first = batch.first;
  sent.last = batch.last;
  sent.at = steady_clock::now();
  if (settings_.collector.acknowledge) {
    boost::system::error_code error;
    const boost::json::value json = boost::json::parse(body, error);
    const auto* object = error ? nullptr : json.if_object();
    const auto* id = object != nullptr ? object->if_contains("ackId") : nullptr;
    if (id != nullptr && id->is_int64()) {
      sent.ack_id = id->get_int64();
    } else {
      log_.warn("Splunk gives no acknowledgements for this token: what it took counts as kept");
    }
  }
  next_ = batch.last + 1;
  unacknowledged_.push_back(sent);
  settle();
  pump();
}

void Shipper::refused(const Spool::Batch& batch, const support::http::Reply& reply) {
  const std::uint64_t count = batch.last - batch.first + 1;
  const std::string why = text_of(reply.response);
  // No channel, acknowledgement switched off, no such index: nothing in the events is at fault.
  for (const std::string_view ours : {"channel", "ACK", "index"}) {
    if (why.find(ours) != std::string::npos) return retry(why);
  }
  if (count == 1) {
    dropped(batch, why);
    return pump();
  }
  split_below_ = std::max(split_below_, batch.last + 1);
  max_records_ = std::max<std::uint64_t>(1, count / 2);
  pump();
}

void Shipper::dropped(const Spool::Batch& batch, const std::string& why) {
  metrics_.rejected.record(1);
  log_.error("a part of an activation's logs cannot get to Splunk and is dropped",
             {{"reason", why}});
  next_ = batch.last + 1;
  Sent sent;
  sent.first = batch.first;
  sent.last = batch.last;
  unacknowledged_.push_back(sent);
  settle();
}

void Shipper::retry(const std::string& why) {
  metrics_.up.record(0);
  metrics_.retries.record(1);
  if (!std::exchange(told_, true)) {
    log_.warn("Splunk does not take logs; they wait in the spool", {{"reason", why}});
  }
  auto pause = settings_.collector.retry_max;
  if (failures_ < 20) pause = std::min(pause, kFirstPause * (1u << failures_));
  ++failures_;
  // So that many berthds do not come back at once.
  std::minstd_rand random(static_cast<unsigned>(steady_clock::now().time_since_epoch().count()));
  later(pause - pause * static_cast<int>(random() % 20) / 100);
}

void Shipper::later(milliseconds wait) {
  paused_ = true;
  timer_.expires_after(wait);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->closed_) return;
    self->paused_ = false;
    self->pump();
  });
}

// What is acknowledged up to the first that is not leaves the spool.
void Shipper::settle() {
  while (!unacknowledged_.empty() && unacknowledged_.front().ack_id < 0) {
    spool_.acknowledge(unacknowledged_.front().last);
    unacknowledged_.pop_front();
  }
  check_waiters();
  if (unacknowledged_.empty() || asking_ || std::exchange(ack_armed_, true)) return;
  ack_timer_.expires_after(settings_.collector.ack_poll);
  ack_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!self) return;
    self->ack_armed_ = false;
    if (!error && !self->closed_) self->ask_for_acks();
  });
}

void Shipper::ask_for_acks() {
  if (unacknowledged_.empty()) return;
  const auto old = steady_clock::now() - settings_.collector.ack_timeout;
  if (unacknowledged_.front().at <= old && !sending_) {
    // It and all after it once more, in their order.
    metrics_.resent.record(static_cast<double>(unacknowledged_.size()));
    log_.warn("Splunk did not acknowledge batches in time; they are sent again",
              {{"batches", std::to_string(unacknowledged_.size())}});
    next_ = unacknowledged_.front().first;
    unacknowledged_.clear();
    return pump();
  }
  std::string body = "{\"acks\":[";
  for (const Sent& sent : unacknowledged_) {
    if (sent.ack_id < 0) continue;
    if (body.back() != '[') body += ',';
    body += std::to_string(sent.ack_id);
  }
  body += "]}";
  asking_ = true;
  client_.send(request("/services/collector/ack?channel=" + channel_, std::move(body)),
               [weak = weak_from_this()](const support::http::Reply& reply) {
                 if (const auto self = weak.lock()) self->acknowledged(reply);
               });
}

void Shipper::acknowledged(const support::http::Reply& reply) {
  if (closed_) return;
  asking_ = false;
  if (reply.status.ok() && reply.response.code == 200) {
    boost::system::error_code error;
    const boost::json::value json = boost::json::parse(reply.response.body, error);
    const auto* object = error ? nullptr : json.if_object();
    const auto* inner = object != nullptr ? object->if_contains("acks") : nullptr;
    const auto* acks = inner != nullptr ? inner->if_object() : nullptr;
    for (Sent& sent : unacknowledged_) {
      if (acks == nullptr || sent.ack_id < 0) continue;
      const auto* ack = acks->if_contains(std::to_string(sent.ack_id));
      if (ack != nullptr && ack->is_bool() && ack->get_bool()) sent.ack_id = -1;
    }
  }
  settle();
  pump();
}

void Shipper::when_empty(steady_clock::time_point until, std::function<void()> done) {
  waiters_.push_back({until, std::move(done)});
  pump();
  check_waiters();
}

void Shipper::check_waiters() {
  if (closed_ || waiters_.empty()) return;
  const bool empty = spool_.stats().records == 0;
  const auto now = steady_clock::now();
  auto next = steady_clock::time_point::max();
  std::vector<Waiter> ready;
  for (auto waiter = waiters_.begin(); waiter != waiters_.end();) {
    if (empty || waiter->until <= now) {
      ready.push_back(std::move(*waiter));
      waiter = waiters_.erase(waiter);
    } else {
      next = std::min(next, waiter->until);
      ++waiter;
    }
  }
  for (Waiter& waiter : ready) waiter.done();
  if (waiters_.empty()) return;
  waiter_timer_.expires_at(next);
  waiter_timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (!error && self) self->check_waiters();
  });
}

}  // namespace berth::splunk
