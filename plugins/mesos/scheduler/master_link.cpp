// SPDX-License-Identifier: Apache-2.0
#include "mesos/scheduler/master_link.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>

#include "support/http/basic_auth.hpp"

namespace berth::mesos {
namespace {

namespace asio = boost::asio;
namespace http = support::http;

constexpr const char* kPath = "/api/v1/scheduler";
// A TASK_RUNNING of a Docker task is 12 KB, an offer a few hundred bytes; thousands come at once.
constexpr std::size_t kMaxRecord = 256u << 20;
constexpr unsigned kMaxRedirects = 4;

// The master that a redirect's Location names: "//host:port/path", or a whole URL.
std::string redirected_to(std::string_view location, const std::string& from) {
  const std::string scheme = from.substr(0, from.find("://") + 1);
  std::string url(location.starts_with("//") ? scheme + std::string(location)
                                             : std::string(location));
  const std::size_t authority = url.find("://");
  if (authority == std::string::npos) return "";
  return url.substr(0, url.find('/', authority + 3));
}

std::string first_line(std::string_view text) {
  return std::string(text.substr(0, std::min<std::size_t>(text.find('\n'), 500)));
}

sdk::Status refused(int code, std::string_view body) {
  const std::string text = "the Mesos master answered " + std::to_string(code) + ": " +
                           first_line(body.empty() ? "no reason" : body);
  if (code == 401) return {sdk::StatusCode::kUnauthenticated, text};
  if (code == 307 || code == 403 || code == 503 || code >= 500) return sdk::unavailable(text);
  return sdk::internal(text);
}

}  // namespace

// One subscription and the calls that belong to it.
struct MasterLink::Session {
  Session(asio::io_context& context, http::Endpoint endpoint, std::uint64_t n,
          std::function<bool(std::string_view)> on_record)
      : number(n),
        stream(context, endpoint),
        calls(context, one(endpoint)),
        acknowledgements(context, endpoint),
        reader(kMaxRecord, std::move(on_record)) {}
  static http::Endpoint one(http::Endpoint endpoint) {
    endpoint.max_connections = 1;
    return endpoint;
  }
  bool idle() const {
    return stream.in_flight() + calls.in_flight() + acknowledgements.in_flight() == 0;
  }

  const std::uint64_t number;
  http::Client stream;
  http::Client calls;
  http::Client acknowledgements;
  RecordReader reader;
  std::uint64_t exchange = 0;
  std::string stream_id;
  std::string framework_id;
};

MasterLink::MasterLink(asio::io_context& context, const Settings& settings, Listener& listener)
    : context_(context),
      settings_(settings),
      listener_(listener),
      retry_(context),
      silence_(context) {}

MasterLink::~MasterLink() = default;

void MasterLink::start() {
  if (running_) return;
  running_ = true;
  backoff_ = milliseconds(0);
  if (leaders_ == nullptr) {
    const std::string& first = settings_.masters.front();
    if (first.starts_with("zk://")) {
      leaders_ =
          zookeeper_leader(context_, first, settings_.tls.ca_file.empty() ? "http" : "https");
    } else {
      leaders_ = std::make_unique<MasterList>(settings_.masters);
    }
    leaders_->on_change = [this] {
      if (running_ && !subscribed_) attempt();
    };
  }
  attempt();
}

void MasterLink::stop() {
  running_ = false;
  subscribed_ = false;
  retry_.cancel();
  silence_.cancel();
  retire();
}

// Ends the session; what is in flight on it still ends.
void MasterLink::retire() {
  if (session_ == nullptr) return;
  session_->stream.cancel(session_->exchange);
  session_->calls.cancel_waiting();
  session_->acknowledgements.cancel_waiting();
  retired_.push_back(std::move(session_));
  asio::post(context_, [this] { sweep(); });
}

void MasterLink::sweep() {
  std::erase_if(retired_, [](const std::unique_ptr<Session>& s) { return s->idle(); });
}

void MasterLink::attempt() {
  if (!running_) return;
  retry_.cancel();
  retire();
  std::string url = std::exchange(redirect_, "");
  if (url.empty()) url = leaders_->next();
  if (url.empty()) {
    listener_.on_lost(sdk::unavailable("no Mesos master is known: " + leaders_->why()));
    return retry_later();
  }
  try_master(std::move(url));
}

std::vector<std::string> MasterLink::headers(const Session* session) const {
  std::vector<std::string> lines = {"Content-Type: application/x-protobuf",
                                    "Accept: application/x-protobuf"};
  if (session != nullptr) lines.push_back("Mesos-Stream-Id: " + session->stream_id);
  if (!settings_.principal.empty()) {
    lines.push_back(http::basic_auth(settings_.principal, settings_.secret));
  }
  return lines;
}

void MasterLink::try_master(std::string url) {
  master_ = url;
  http::Endpoint endpoint;
  endpoint.base_url = std::move(url);
  endpoint.tls = settings_.tls;
  endpoint.max_connections = 16;
  const std::uint64_t number = ++last_session_;
  session_ = std::make_unique<Session>(
      context_, std::move(endpoint), number,
      [this](std::string_view record) { return session_ && on_record(*session_, record); });
  v1::Call call;
  call.set_type(v1::Call::SUBSCRIBE);
  listener_.make_subscribe(call);
  session_->framework_id = call.framework_id().value();
  http::Request request;
  request.method = "POST";
  request.target = kPath;
  request.headers = headers(nullptr);
  request.body = call.SerializeAsString();
  request.timeout = milliseconds(0);
  request.connect_timeout = settings_.connect_timeout;
  request.max_response_bytes = 1u << 20;
  const auto current = [this, number] { return session_ != nullptr && session_->number == number; };
  request.on_head = [this, current](const http::Response& head) {
    if (current()) on_stream_head(*session_, head);
  };
  request.on_data = [this, current](std::string_view bytes) {
    if (!current()) return false;
    watch_silence();
    // What it reads may end the session, and the reader with it.
    return session_->reader.feed(bytes) && current();
  };
  session_->exchange = session_->stream.send(std::move(request), [this, number](http::Reply reply) {
    on_stream_end(number, std::move(reply));
  });
  heartbeat_ = settings_.subscribe_timeout;
  watch_silence();
}

void MasterLink::on_stream_head(Session& session, const http::Response& head) {
  if (head.code != 200) return;  // its end says what it was
  session.stream_id = head.header("mesos-stream-id");
}

bool MasterLink::on_record(Session& session, std::string_view record) {
  const std::uint64_t number = session.number;
  v1::Event event;
  if (!event.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
    lose(sdk::data_loss("the master's event of " + std::to_string(record.size()) +
                        " bytes makes no sense"));
    return false;
  }
  if (event.type() == v1::Event::SUBSCRIBED) {
    subscribed_ = true;
    redirects_ = 0;
    backoff_ = milliseconds(0);
    session.framework_id = event.subscribed().framework_id().value();
    const double interval = std::min(event.subscribed().heartbeat_interval_seconds(), 3600.0);
    heartbeat_ = milliseconds(static_cast<long>(
        (interval > 0 ? interval * 1000 : 15'000) * settings_.missed_heartbeats + 2'000));
    watch_silence();
  }
  listener_.on_event(event);
  return session_ != nullptr && session_->number == number;
}

void MasterLink::watch_silence() {
  silence_.expires_after(heartbeat_);
  silence_.async_wait([this](const boost::system::error_code& error) {
    if (error || !running_ || session_ == nullptr) return;
    lose(sdk::unavailable("the Mesos master " + master_ + " is silent for " +
                          std::to_string(heartbeat_.count()) + " ms"));
  });
}

void MasterLink::on_stream_end(std::uint64_t number, http::Reply reply) {
  if (session_ == nullptr || session_->number != number) {
    asio::post(context_, [this] { sweep(); });  // the client that calls this must not go yet
    return;
  }
  const int code = reply.response.code;
  const std::string from = master_;
  if (code == 307) {
    const std::string to = redirected_to(reply.response.header("location"), from);
    // A freshly elected leader can redirect to itself, and for a while all redirect to a dead one.
    if (!to.empty() && to != from && ++redirects_ <= kMaxRedirects) {
      redirect_ = to;
      retire();
      asio::post(context_, [this] { attempt(); });
      return;
    }
    redirects_ = 0;
    return lose(sdk::unavailable("the masters redirect in a circle, at " + from));
  }
  if (code != 0 && code != 200) return lose(refused(code, reply.response.body));
  if (!session_->reader.error().empty()) {
    return lose(sdk::data_loss("the stream of " + from + ": " + session_->reader.error()));
  }
  if (!reply.status.ok()) return lose(reply.status.with_context("the Mesos master " + from));
  lose(sdk::unavailable("the Mesos master " + from + " ended the subscription"));
}

void MasterLink::lose(const sdk::Status& why) {
  subscribed_ = false;
  silence_.cancel();
  retire();
  listener_.on_lost(why);
  if (running_) retry_later();
}

void MasterLink::resubscribe(const sdk::Status& why, bool at_once) {
  if (!running_) return;
  subscribed_ = false;
  silence_.cancel();
  retire();
  listener_.on_lost(why);
  if (!running_) return;
  if (!at_once) return retry_later();
  asio::post(context_, [this] {
    if (session_ == nullptr) attempt();
  });
}

void MasterLink::retry_later() {
  // Half of it is random, so that all the frameworks of a cluster do not come back at once.
  backoff_ =
      backoff_.count() == 0 ? settings_.backoff_min : std::min(backoff_ * 2, settings_.backoff_max);
  const auto half = backoff_.count() / 2;
  retry_.expires_after(
      milliseconds(half + std::uniform_int_distribution<long>(0, std::max(half, 1l))(random_)));
  retry_.async_wait([this](const boost::system::error_code& error) {
    if (!error) attempt();
  });
}

void MasterLink::call(v1::Call call, Done done) {
  if (!subscribed_) {
    asio::post(context_, [done = std::move(done)] {
      done(sdk::unavailable("no Mesos master is subscribed to"));
    });
    return;
  }
  Session& session = *session_;
  call.mutable_framework_id()->set_value(session.framework_id);
  http::Request request;
  request.method = "POST";
  request.target = kPath;
  request.headers = headers(&session);
  request.body = call.SerializeAsString();
  request.timeout = settings_.call_timeout;
  request.queues_untimed = true;
  request.connect_timeout = settings_.connect_timeout;
  request.max_response_bytes = 1u << 20;
  const bool acknowledges = call.type() == v1::Call::ACKNOWLEDGE;
  http::Client& client = acknowledges ? session.acknowledgements : session.calls;
  client.send(std::move(request),
              [this, number = session.number, done = std::move(done)](http::Reply reply) {
                const bool current = session_ != nullptr && session_->number == number;
                if (!current) asio::post(context_, [this] { sweep(); });
                if (!reply.status.ok()) {
                  // It may have arrived or not: only a new subscription, which reconciles, tells.
                  const sdk::Status why = sdk::unavailable(reply.status.message());
                  done(why);
                  if (current && subscribed_ && session_ && session_->number == number) lose(why);
                  return;
                }
                const int code = reply.response.code;
                if (code == 202 || code == 200) return done({});
                const sdk::Status why = refused(code, reply.response.body);
                done(why);
                // Another leads, we are disconnected, or our stream is not the framework's any
                // more.
                const bool stale =
                    code == 307 || code == 403 || code == 503 ||
                    (code == 400 && (reply.response.body.find("stream ID") != std::string::npos ||
                                     reply.response.body == "Framework cannot be found"));
                if (stale && current && subscribed_ && session_ && session_->number == number)
                  lose(why);
              });
}

}  // namespace berth::mesos
