// SPDX-License-Identifier: Apache-2.0
#include "house.hpp"

#include <boost/json/object.hpp>
#include <chrono>
#include <unistd.h>
#include <utility>

#include "api/remove_trigger.hpp"
#include "container/container_pool.hpp"
#include "options.hpp"
#include "pool_json.hpp"
#include "settings.hpp"
#include "system_packages.hpp"

namespace berth::daemon {
namespace {

http::ServerOptions api_server_options(const Ground& ground) {
  auto options = server_options(ground.config);
  options.max_body_bytes = ground.config.bytes("limits.code_max") + (2u << 20);
  options.tls = ground.tls;
  return options;
}

}  // namespace

House::House(Ground ground)
    : ground_(std::move(ground)),
      record_before_reply_(ground_.config.boolean("activations.record_before_reply")) {}

House::~House() = default;

Status House::open() {
  Status listening = listen();
  if (!listening.ok()) return listening;
  make_invokers();
  make_alarms();
  api_ = make_api(ground_.io, *durable_);
  make_admin();
  if (ground_.fronts != nullptr) {
    ground_.fronts->open(api_server_options(ground_), ground_.io, *durable_,
                         [this](auto& io, auto& intake) { return make_api(io, intake); });
  }
  return admin_server_->listen_unix(ground_.data.admin_socket().string());
}

Status House::listen() {
  const config::Document& config = ground_.config;
  admin_server_ = std::make_unique<http::Server>(
      ground_.io, http::ServerOptions{},
      [this](const http::Request& request, http::Responder responder) {
        admin_->handle(request, std::move(responder));
      },
      api::server_error);
  const std::string listen = config.text("http.listen");
  Status listening;
  if (ground_.fronts != nullptr) {
    listening = ground_.fronts->bind(listen);
  } else {
    server_ = std::make_unique<http::Server>(
        ground_.io, api_server_options(ground_),
        [this](const http::Request& request, http::Responder responder) {
          api_->handle(request, std::move(responder));
        },
        api::server_error);
    listening = server_->listen_tcp(listen);
  }
  if (!listening.ok()) return listening.with_context(config.origin("http.listen"));
  const std::uint16_t port = ground_.fronts != nullptr ? ground_.fronts->port() : server_->port();
  address_ = api_address(listen, port, ground_.tls != nullptr);
  return {};
}

// From the last to the first that an invocation comes by.
void House::make_invokers() {
  const config::Document& config = ground_.config;
  const auto bounds = limit_bounds(config);
  auto pool = pool_options(config, address_);
  pool.owner = ground_.data.owner();
  invoker_ = std::make_unique<activation::PooledInvoker>(
      activation::InvokerDependencies{.io = ground_.io,
                                      .clock = system_clock(),
                                      .metrics = ground_.metrics,
                                      .factory = ground_.backends.factory(),
                                      .logs = ground_.backends.logs(),
                                      .activations = ground_.store.activations(),
                                      .manifest = ground_.manifest,
                                      .work = &ground_.store.work(),
                                      .ledger = &ground_.ledger,
                                      .wires = ground_.fronts != nullptr
                                                   ? ground_.fronts->ios()
                                                   : std::vector<boost::asio::io_context*>()},
      activation::InvokerOptions{
          .pool = std::move(pool), .bounds = bounds, .record_before_reply = record_before_reply_});
  usage_ = container::UsageMeter::make({.io = ground_.io,
                                        .clock = system_clock(),
                                        .metrics = ground_.metrics,
                                        .factory = ground_.backends.factory(),
                                        .ids = [this] { return invoker_->pool().ids(); }},
                                       {.interval = config.duration("containers.stats_interval")});
  builtins_ = std::make_unique<activation::BuiltinInvoker>(
      activation::BuiltinDependencies{.io = ground_.io,
                                      .clock = system_clock(),
                                      .next = *invoker_,
                                      .activations = ground_.store.activations(),
                                      .work = ground_.store.work(),
                                      .max_response_bytes = bounds.max_result_bytes,
                                      .record_before_reply = record_before_reply_});
  composer_ = std::make_unique<activation::Composer>(
      activation::ComposerDependencies{
          .io = ground_.io,
          .clock = system_clock(),
          .metrics = ground_.metrics,
          .next = *builtins_,
          .activations = ground_.store.activations(),
          .work = &ground_.store.work(),
          .resolve = activation::resolve_by_name(ground_.io, ground_.store.entities()),
          .runtimes = &ground_.manifest},
      activation::ComposerOptions{.max_steps = static_cast<std::size_t>(bounds.max_sequence_length),
                                  .record_before_reply = record_before_reply_});
  durable_ = std::make_unique<activation::DurableInvoker>(
      activation::DurableDependencies{.io = ground_.io,
                                      .clock = system_clock(),
                                      .metrics = ground_.metrics,
                                      .next = *composer_,
                                      .work = ground_.store.work(),
                                      .activations = ground_.store.activations(),
                                      .entities = ground_.store.entities(),
                                      .auth = ground_.store.auth()});
}

void House::make_alarms() {
  boost::asio::io_context& io = ground_.io;
  store::EntityStore& entities = ground_.store.entities();
  alarms_ = std::make_unique<activation::AlarmClock>(activation::AlarmDependencies{
      .io = io,
      .clock = system_clock(),
      .alarms = ground_.store.alarms(),
      .fire =
          [this](const std::string& trigger, std::string payload,
                 std::function<void(const Status&)> done) {
            api_->fire_trigger(trigger, std::move(payload), std::move(done));
          },
      .find_trigger =
          [&io, &entities](const std::string& trigger, std::function<void(const Status&)> done) {
            entities.get_entity(io.get_executor(), entity::Collection::kTriggers, trigger,
                                [done = std::move(done)](const Result<entity::EntityPtr>& found) {
                                  done(found ? Status() : found.error());
                                });
          },
      .delete_trigger =
          [&io, &entities](const std::string& trigger, bool and_rules,
                           std::function<void(const Status&)> done) {
            api::remove_trigger(io, entities, trigger, and_rules, std::move(done));
          },
      .owner =
          [&auth = ground_.store.auth()](const std::string& name) {
            const auto found = auth.find_namespace(name);
            return found ? found->namespace_uuid : std::string();
          },
      .max_per_namespace =
          static_cast<std::size_t>(ground_.config.integer("limits.alarms_per_namespace"))});
  add_system_actions(*builtins_, *alarms_);
}

std::unique_ptr<api::Api> House::make_api(boost::asio::io_context& io, activation::Intake& intake) {
  return std::make_unique<api::Api>(api::Dependencies{
      .io = io,
      .entities = ground_.store.entities(),
      .activations = ground_.store.activations(),
      .auth = ground_.store.auth(),
      .intake = intake,
      .logs = ground_.backends.logs(),
      .runtimes = ground_.manifest,
      .metrics = ground_.metrics,
      .clock = system_clock(),
      .limits = limit_bounds(ground_.config),
      .throttles = throttles(ground_.config),
      .build = {.version = BERTH_VERSION, .build = BERTH_VERSION},
      .not_ready =
          [this] { return ground_.ready() ? std::string() : std::string("starting or stopping"); },
      .address = address_,
      .tallies = tallies_,
      // This thread has one, too.
      .apis = 1 + (ground_.fronts != nullptr ? ground_.fronts->size() : 0)});
}

void House::make_admin() {
  using Usages = container::UsageMeter::Usages;
  admin_ = std::make_unique<api::AdminApi>(api::AdminDependencies{
      .io = ground_.io,
      .auth = ground_.store.auth(),
      .keys = &ground_.store.keys(),
      .status = [this](auto done) { done(status()); },
      .plugins = [this](auto done) { done(boost::json::value(ground_.backends.describe())); },
      .containers =
          [this](auto done) {
            usage_->measure([this, done](const Usages& usages) {
              done(boost::json::value(containers_json(invoker_->pool(), usages)));
            });
          },
      .pool =
          [this](auto done) {
            usage_->measure([this, done](const Usages& usages) {
              done(boost::json::value(
                  pool_json(invoker_->pool(), ground_.config.bytes("containers.memory"), usages)));
            });
          },
      .usage = [this](const entity::Identity& who,
                      auto done) { api_->usage(who, std::move(done)); },
      .key_changed =
          [this](const entity::Identity& identity) {
            return identity.namespace_name == kGuest ? ground_.data.write_guest_key(identity.key)
                                                     : Status();
          },
      .back_up =
          [this](std::string path, store::Done<std::uint64_t> done) {
            ground_.store.back_up(ground_.io.get_executor(), std::move(path), std::move(done));
          },
      .find_damage =
          [this](std::optional<std::string> path, store::Done<std::vector<std::string>> done) {
            std::optional<std::filesystem::path> file;
            if (path) file = std::move(*path);
            ground_.store.find_damage(ground_.io.get_executor(), std::move(file), std::move(done));
          }});
}

boost::json::value House::status() const {
  const auto uptime =
      std::chrono::duration_cast<std::chrono::seconds>(system_clock().steady_now() - began_);
  const container::PoolStats pool = invoker_->pool().stats();
  return {{"version", BERTH_VERSION},
          {"pid", ::getpid()},
          {"uptime_seconds", uptime.count()},
          {"ready", ground_.ready()},
          {"address", address_},
          {"containers",
           {{"plugin", ground_.config.text("containers.plugin")},
            {"states", states_json(pool)},
            {"memory_used_bytes", pool.used_bytes},
            {"memory_bytes", ground_.config.bytes("containers.memory")},
            {"queue", pool.queue},
            {"can_pause", capacity_.can_pause},
            {"memory_enforced", capacity_.memory_enforced},
            {"cpu_enforced", capacity_.cpu_enforced},
            {"pids_enforced", capacity_.pids_enforced},
            {"detail", capacity_.detail}}}};
}

boost::asio::awaitable<Status> House::start_pool(SteadyTime deadline) {
  return invoker_->start(deadline);
}

void House::start_clocks() {
  alarms_->start();
  usage_->start();
}

void House::stop_serving() {
  if (server_) server_->drain();
  if (ground_.fronts != nullptr) ground_.fronts->drain();
  if (alarms_) alarms_->stop();
  if (usage_) usage_->stop();
  if (admin_server_) admin_server_->drain();
}

boost::asio::awaitable<void> House::shut_down(SteadyTime deadline) {
  if (durable_) co_await durable_->shut_down(deadline);
}

void House::close() {
  server_.reset();
  if (ground_.fronts != nullptr) ground_.fronts->close();
  admin_server_.reset();
  // Its timer for waiting callers would keep the loop running.
  api_.reset();
}

}  // namespace berth::daemon
