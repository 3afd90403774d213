// SPDX-License-Identifier: Apache-2.0
#include "container/action_client.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <functional>
#include <utility>

#include "base/json_text.hpp"

namespace berth::container {
namespace {

constexpr std::chrono::milliseconds kConnectRetry{50};

// Init parameters become environment: every value as the text a shell would want.
std::string environment_text(const boost::json::value& value) {
  switch (value.kind()) {
    case boost::json::kind::null: return {};
    case boost::json::kind::string: return std::string(value.get_string());
    case boost::json::kind::double_: return fmt::format("{}", value.get_double());
    default: return boost::json::serialize(value);
  }
}

bool wants_api_key(const entity::Action& action) {
  const boost::json::value* annotation = action.annotation("provide-api-key");
  return annotation == nullptr || entity::is_truthy(*annotation);
}

void append_action_path(std::string& out, const entity::Action& action) {
  // Names are free of characters that JSON escapes only by the entity rules; be safe.
  std::string path = "/" + action.namespace_name + "/";
  if (!action.package.empty()) path.append(action.package).append("/");
  path.append(action.name);
  append_json_string(out, path);
}

void append_key(std::string& out, const entity::AuthKey& key) {
  append_json_string(out, key.uuid + ":" + key.secret);
}

void append_deadline(std::string& out, std::int64_t deadline_ms) {
  out.push_back('"');
  append_number(out, deadline_ms);
  out.push_back('"');
}

}  // namespace

std::string init_body(const Caller& caller, std::int64_t deadline_ms) {
  const entity::Action& action = caller.action;
  std::string body;
  body.reserve(action.exec.code.size() + action.exec.code.size() / 8 + 1024);
  body.append(R"({"value":{"name":)");
  append_json_string(body, action.name);
  body.append(R"(,"main":)");
  append_json_string(body, action.exec.main.empty() ? "main" : std::string_view(action.exec.main));
  body.append(action.exec.binary ? R"(,"binary":true)" : R"(,"binary":false)");
  if (!action.exec.code.empty()) {
    body.append(R"(,"code":)");
    append_json_string(body, action.exec.code);
  }
  body.append(R"(,"env":{)");
  for (const entity::Parameter& parameter : action.parameters) {
    if (!parameter.init) continue;
    append_json_string(body, parameter.key);
    body.push_back(':');
    append_json_string(body, environment_text(parameter.value));
    body.push_back(',');
  }
  body.append(R"("__OW_NAMESPACE":)");
  append_json_string(body, caller.user.namespace_name);
  body.append(R"(,"__OW_ACTION_NAME":)");
  append_action_path(body, action);
  body.append(R"(,"__OW_ACTION_VERSION":)");
  append_json_string(body, action.version);
  body.append(R"(,"__OW_ACTIVATION_ID":)");
  append_json_string(body, caller.activation_id);
  body.append(R"(,"__OW_TRANSACTION_ID":)");
  append_json_string(body, caller.transaction_id);
  body.append(R"(,"__OW_DEADLINE":)");
  append_deadline(body, deadline_ms);
  if (wants_api_key(action)) {
    body.append(R"(,"__OW_API_KEY":)");
    append_key(body, caller.user.key);
  }
  body.append("}}}");
  return body;
}

std::string run_body(const Caller& caller, std::string_view arguments, std::int64_t deadline_ms) {
  const entity::Action& action = caller.action;
  std::string body;
  body.reserve(arguments.size() + 512);
  body.append(R"({"value":)").append(arguments);
  body.append(R"(,"namespace":)");
  append_json_string(body, caller.user.namespace_name);
  body.append(R"(,"action_name":)");
  append_action_path(body, action);
  body.append(R"(,"action_version":)");
  append_json_string(body, action.version);
  body.append(R"(,"activation_id":)");
  append_json_string(body, caller.activation_id);
  body.append(R"(,"transaction_id":)");
  append_json_string(body, caller.transaction_id);
  body.append(R"(,"deadline":)");
  append_deadline(body, deadline_ms);
  if (wants_api_key(action)) {
    body.append(R"(,"api_key":)");
    append_key(body, caller.user.key);
  }
  body.push_back('}');
  return body;
}

struct ActionClient::Impl : std::enable_shared_from_this<ActionClient::Impl> {
  Impl(boost::asio::io_context& io_context, const Clock& the_clock, std::size_t max_bytes)
      : io(io_context), clock(the_clock), max_response_bytes(max_bytes) {}

  boost::asio::io_context& io;
  const Clock& clock;
  const std::size_t max_response_bytes;
  std::unique_ptr<http::Client> client;
  bool ending = false;

  struct Timing {
    SteadyTime start;
    std::int64_t start_ms;
    std::chrono::milliseconds timeout;
  };

  Timing start_timing(std::chrono::milliseconds timeout) const {
    return {clock.steady_now(), clock.wall_ms(), timeout};
  }

  static Reply make_reply(const Clock& clock, const Timing& timing, http::ClientResponse response) {
    Reply reply;
    reply.exchange = response.exchange;
    reply.status = response.status;
    reply.body = std::move(response.body);
    reply.truncated = response.truncated;
    reply.length = response.length;
    reply.error = std::move(response.error);
    const bool has_end = response.ended != SteadyTime();
    reply.interval = (has_end ? response.ended : clock.steady_now()) - timing.start;
    reply.timed_out =
        response.exchange == http::Exchange::kTimedOut || reply.interval >= timing.timeout;
    reply.start_ms = timing.start_ms;
    reply.end_ms = timing.start_ms +
                   std::chrono::duration_cast<std::chrono::milliseconds>(reply.interval).count();
    return reply;
  }

  http::ClientRequest make_request(std::string_view path, std::string body,
                                   const Timing& timing) const {
    http::ClientRequest request;
    request.path = path;
    request.body = std::move(body);
    request.deadline = timing.start + timing.timeout;
    request.max_body_bytes = max_response_bytes;
    return request;
  }

  // /init with its repeated connects. The body is kept for the next try.
  struct Init {
    std::string body;
    Timing timing;
    Handler handler;
    boost::asio::steady_timer timer;
  };

  void try_init(std::shared_ptr<Init> init) {
    if (!client || ending) return closed(std::move(init));
    client->post(make_request("/init", init->body, init->timing),
                 [self = weak_from_this(), init, &steady = clock](http::ClientResponse response) {
                   const auto impl = self.lock();
                   const bool refused = response.exchange == http::Exchange::kConnectFailed;
                   const bool in_time = steady.steady_now() + kConnectRetry <
                                        init->timing.start + init->timing.timeout;
                   if (!impl || !impl->client || impl->ending || !refused || !in_time) {
                     init->handler(make_reply(steady, init->timing, std::move(response)));
                     return;
                   }
                   init->timer.expires_after(kConnectRetry);
                   init->timer.async_wait([self, init, &steady](const boost::system::error_code&) {
                     if (const auto again = self.lock()) return again->try_init(init);
                     http::ClientResponse gone;
                     gone.error = "the container is gone";
                     init->handler(make_reply(steady, init->timing, std::move(gone)));
                   });
                 });
  }

  void closed(std::shared_ptr<Init> init) {
    http::ClientResponse gone;
    gone.error = "the container is gone";
    init->handler(make_reply(clock, init->timing, std::move(gone)));
  }
};

ActionClient::ActionClient(std::shared_ptr<Impl> impl) : impl_(std::move(impl)) {}

ActionClient::~ActionClient() {
  impl_->client.reset();
}

Result<std::unique_ptr<ActionClient>> ActionClient::open(boost::asio::io_context& io,
                                                         const Clock& clock,
                                                         std::string_view address,
                                                         std::size_t max_response_bytes,
                                                         const Wires& wires) {
  boost::asio::io_context* const wire =
      wires.empty() ? nullptr : wires[std::hash<std::string_view>()(address) % wires.size()];
  auto client = http::Client::open(io, address, wire);
  if (!client) return client.error();
  auto impl = std::make_shared<Impl>(io, clock, max_response_bytes);
  impl->client = std::move(*client);
  return std::unique_ptr<ActionClient>(new ActionClient(std::move(impl)));
}

void ActionClient::init(const Caller& caller, std::chrono::milliseconds timeout, bool retry_connect,
                        Handler handler) {
  const Impl::Timing timing = impl_->start_timing(timeout);
  std::string body = init_body(caller, timing.start_ms + timeout.count());
  if (retry_connect) {
    impl_->try_init(std::make_shared<Impl::Init>(Impl::Init{
        std::move(body), timing, std::move(handler), boost::asio::steady_timer(impl_->io)}));
    return;
  }
  impl_->client->post(
      impl_->make_request("/init", std::move(body), timing),
      [timing, &clock = impl_->clock, handler = std::move(handler)](http::ClientResponse response) {
        handler(Impl::make_reply(clock, timing, std::move(response)));
      });
}

void ActionClient::run(const Caller& caller, std::string_view arguments,
                       std::chrono::milliseconds timeout, Handler handler) {
  const Impl::Timing timing = impl_->start_timing(timeout);
  std::string body = run_body(caller, arguments, timing.start_ms + timeout.count());
  impl_->client->post(
      impl_->make_request("/run", std::move(body), timing),
      [timing, &clock = impl_->clock, handler = std::move(handler)](http::ClientResponse response) {
        handler(Impl::make_reply(clock, timing, std::move(response)));
      });
}

void ActionClient::close_idle() {
  impl_->client->close_idle();
}

void ActionClient::end_soon(std::unique_ptr<ActionClient> client, std::chrono::milliseconds grace) {
  if (!client) return;
  client->impl_->ending = true;
  client->close_idle();
  const auto timer = std::make_shared<boost::asio::steady_timer>(client->impl_->io, grace);
  timer->async_wait(
      [timer, client = std::shared_ptr<ActionClient>(std::move(client))](const auto&) {});
}

}  // namespace berth::container
