// SPDX-License-Identifier: Apache-2.0
#include "daemon.hpp"

#include <atomic>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/object.hpp>
#include <exception>
#include <fmt/format.h>
#include <future>
#include <memory>
#include <optional>
#include <signal.h>
#include <unistd.h>

#include "activation/alarm_clock.hpp"
#include "activation/builtin_invoker.hpp"
#include "activation/composer.hpp"
#include "activation/durable_invoker.hpp"
#include "activation/pooled_invoker.hpp"
#include "api/admin.hpp"
#include "api/api.hpp"
#include "api/remove_trigger.hpp"
#include "backends.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "container/container_pool.hpp"
#include "container/container_state.hpp"
#include "container/usage_meter.hpp"
#include "data_directory.hpp"
#include "http/server.hpp"
#include "options.hpp"
#include "pool_json.hpp"
#include "service_manager.hpp"
#include "settings.hpp"
#include "store/sqlite_store.hpp"
#include "system_packages.hpp"
#include "worker.hpp"

namespace berth::daemon {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr auto kStartTimeout = 60s;  // of one plugin
constexpr auto kStopTimeout = 30s;   // of each step that a plugin has a part in
constexpr const char* kGuest = "guest";

SteadyTime in(std::chrono::steady_clock::duration time) {
  return system_clock().steady_now() + time;
}

class Daemon {
 public:
  explicit Daemon(const config::Document& config) : config_(config) {}

  Status run();

 private:
  // Everything that lives on the worker's thread; made and destroyed there.
  struct House {
    std::unique_ptr<activation::PooledInvoker> invoker;
    std::shared_ptr<container::UsageMeter> usage;
    std::unique_ptr<activation::BuiltinInvoker> builtins;  // before it: /whisk.system
    std::unique_ptr<activation::Composer> composer;        // before both: sequences, conductors
    std::unique_ptr<activation::DurableInvoker> durable;   // before all
    std::unique_ptr<activation::AlarmClock> alarms;
    std::unique_ptr<api::Api> api;
    std::unique_ptr<api::AdminApi> admin;
    std::unique_ptr<http::Server> server;
    std::unique_ptr<http::Server> admin_server;
  };

  Status open_stores();
  Status ensure_guest();
  asio::awaitable<Status> start_backends();
  Status build_house();
  Status listen();
  asio::awaitable<void> live();
  asio::awaitable<Status> start();
  asio::awaitable<void> stop();
  asio::awaitable<void> shut_invoker_down();
  void watch_signals();
  void on_signal(int signal);
  void reread();
  void status(std::function<void(Result<boost::json::value>)> done) const;
  void tell(std::string_view step, const Result<void>& result) const;

  const config::Document& config_;
  Metrics metrics_;
  asio::io_context loader_{1};
  asio::signal_set signals_{loader_};
  std::optional<DataDirectory> data_;
  std::unique_ptr<store::SqliteStore> store_;
  std::unique_ptr<container::Ledger> ledger_;
  std::optional<entity::RuntimesManifest> manifest_;
  std::unique_ptr<Backends> backends_;
  plugin::Capacity capacity_;  // the worker's, once there is one
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<House> house_;
  std::shared_ptr<http::TlsCertificate> tls_;  // null: the REST API is in the clear
  std::string address_;                        // of the REST API, with its scheme
  std::atomic<bool> ready_{false};
  asio::steady_timer stop_asked_{loader_, SteadyTime::max()};
  int stops_ = 0;
  Status outcome_;
  const SteadyTime began_ = system_clock().steady_now();
};

Status Daemon::open_stores() {
  const auto directory = data_directory(config_);
  auto data = DataDirectory::open(directory);
  if (!data) return data.error();
  data_.emplace(std::move(*data));
  auto ledger = container::Ledger::open(data_->ledger());
  if (!ledger) return ledger.error();
  ledger_ = std::move(*ledger);
  auto cipher = parameter_cipher(config_);
  if (!cipher) return cipher.error();
  auto store = store_options(config_, metrics_);
  store.cipher = std::move(*cipher);
  auto opened = store::SqliteStore::open(data_->database(), std::move(store));
  if (!opened) return opened.error();
  store_ = std::move(*opened);
  return ensure_guest();
}

// The first start makes the namespace guest; one that was removed later stays so.
Status Daemon::ensure_guest() {
  store::AuthStore& auth = store_->auth();
  if (auth.namespaces().empty()) {
    std::promise<Result<entity::Identity>> promise;
    auto made = promise.get_future();
    Worker thread;
    auth.create_namespace(
        thread.io().get_executor(), kGuest, std::nullopt,
        [&](Result<entity::Identity> identity) { promise.set_value(std::move(identity)); });
    const auto identity = made.get();
    if (!identity) return identity.error().with_context("namespace guest");
    log::info("berthd", "made the namespace guest",
              {{"key_file", (data_->path() / "guest.auth").string()}});
  }
  const auto guest = auth.find_namespace(kGuest);
  Status written = guest ? data_->write_guest_key(guest->key) : Status();
  if (!written.ok()) return written;
  return ensure_system_packages(*store_);
}

asio::awaitable<Status> Daemon::start_backends() {
  const auto started = co_await backends_->logs().start(in(kStartTimeout));
  if (!started) co_return started.error().with_context("LogStore");
  const auto factory =
      co_await backends_->factory().start(house_->invoker->died_handler(), in(kStartTimeout));
  if (!factory) {
    co_return factory.error().with_context("ContainerFactory " + config_.text("containers.plugin"));
  }
  const auto capacity = co_await backends_->factory().capacity(in(kStartTimeout));
  if (capacity) {
    // The administration may ask for it already, on the worker's thread.
    worker_->run([this, &capacity] { capacity_ = *capacity; });
    if (!capacity->detail.empty()) {
      log::warn("berthd", "not everything is enforced here",
                {{"plugin", config_.text("containers.plugin")}, {"detail", capacity->detail}});
    }
  }
  auto started_work =
      asio::co_spawn(worker_->io(), house_->invoker->start(in(kStartTimeout)), asio::deferred);
  co_return co_await std::move(started_work)(asio::use_awaitable);
}

// On the worker's thread.
Status Daemon::build_house() {
  house_ = std::make_unique<House>();
  asio::io_context& io = worker_->io();
  auto server_options_now = server_options(config_);
  server_options_now.max_body_bytes = config_.bytes("limits.code_max") + (2u << 20);
  server_options_now.tls = tls_;
  house_->server = std::make_unique<http::Server>(
      io, server_options_now,
      [this](const http::Request& request, http::Responder responder) {
        house_->api->handle(request, std::move(responder));
      },
      api::server_error);
  house_->admin_server = std::make_unique<http::Server>(
      io, http::ServerOptions{},
      [this](const http::Request& request, http::Responder responder) {
        house_->admin->handle(request, std::move(responder));
      },
      api::server_error);
  // Bound now, so that a taken port is told before any container starts; answered from the worker
  // on.
  Status listening = house_->server->listen_tcp(config_.text("http.listen"));
  if (!listening.ok()) return listening.with_context(config_.origin("http.listen"));
  address_ = api_address(config_.text("http.listen"), house_->server->port(), tls_ != nullptr);

  auto pool_options_now = pool_options(config_, address_);
  pool_options_now.owner = data_->owner();
  const bool record_before_reply = config_.boolean("activations.record_before_reply");
  house_->invoker = std::make_unique<activation::PooledInvoker>(
      activation::InvokerDependencies{.io = io,
                                      .clock = system_clock(),
                                      .metrics = metrics_,
                                      .factory = backends_->factory(),
                                      .logs = backends_->logs(),
                                      .activations = store_->activations(),
                                      .manifest = *manifest_,
                                      .work = &store_->work(),
                                      .ledger = ledger_.get()},
      activation::InvokerOptions{.pool = std::move(pool_options_now),
                                 .bounds = limit_bounds(config_),
                                 .record_before_reply = record_before_reply});
  house_->usage =
      container::UsageMeter::make({.io = io,
                                   .clock = system_clock(),
                                   .metrics = metrics_,
                                   .factory = backends_->factory(),
                                   .ids = [this] { return house_->invoker->pool().ids(); }},
                                  {.interval = config_.duration("containers.stats_interval")});
  house_->builtins = std::make_unique<activation::BuiltinInvoker>(
      activation::BuiltinDependencies{.io = io,
                                      .clock = system_clock(),
                                      .next = *house_->invoker,
                                      .activations = store_->activations(),
                                      .work = store_->work(),
                                      .max_response_bytes = limit_bounds(config_).max_result_bytes,
                                      .record_before_reply = record_before_reply});
  house_->alarms = std::make_unique<activation::AlarmClock>(activation::AlarmDependencies{
      .io = io,
      .clock = system_clock(),
      .alarms = store_->alarms(),
      .fire =
          [this](const std::string& trigger, std::string payload,
                 std::function<void(const Status&)> done) {
            house_->api->fire_trigger(trigger, std::move(payload), std::move(done));
          },
      .find_trigger =
          [&io, &entities = store_->entities()](const std::string& trigger,
                                                std::function<void(const Status&)> done) {
            entities.get_entity(io.get_executor(), entity::Collection::kTriggers, trigger,
                                [done = std::move(done)](const Result<entity::EntityPtr>& found) {
                                  done(found ? Status() : found.error());
                                });
          },
      .delete_trigger =
          [&io, &entities = store_->entities()](const std::string& trigger, bool and_rules,
                                                std::function<void(const Status&)> done) {
            api::remove_trigger(io, entities, trigger, and_rules, std::move(done));
          },
      .owner =
          [&auth = store_->auth()](const std::string& name) {
            const auto found = auth.find_namespace(name);
            return found ? found->namespace_uuid : std::string();
          },
      .max_per_namespace =
          static_cast<std::size_t>(config_.integer("limits.alarms_per_namespace"))});
  add_system_actions(*house_->builtins, *house_->alarms);
  house_->composer = std::make_unique<activation::Composer>(
      activation::ComposerDependencies{
          .io = io,
          .clock = system_clock(),
          .metrics = metrics_,
          .next = *house_->builtins,
          .activations = store_->activations(),
          .work = &store_->work(),
          .resolve = activation::resolve_by_name(io, store_->entities()),
          .runtimes = &*manifest_},
      activation::ComposerOptions{
          .max_steps = static_cast<std::size_t>(limit_bounds(config_).max_sequence_length),
          .record_before_reply = record_before_reply});
  house_->durable = std::make_unique<activation::DurableInvoker>(
      activation::DurableDependencies{.io = io,
                                      .clock = system_clock(),
                                      .metrics = metrics_,
                                      .next = *house_->composer,
                                      .work = store_->work(),
                                      .activations = store_->activations(),
                                      .entities = store_->entities(),
                                      .auth = store_->auth()});
  house_->api = std::make_unique<api::Api>(api::Dependencies{
      .io = io,
      .entities = store_->entities(),
      .activations = store_->activations(),
      .auth = store_->auth(),
      .invoker = *house_->durable,
      .logs = backends_->logs(),
      .runtimes = *manifest_,
      .metrics = metrics_,
      .clock = system_clock(),
      .limits = limit_bounds(config_),
      .throttles = throttles(config_),
      .build = {.version = BERTH_VERSION, .build = BERTH_VERSION},
      .not_ready = [this] { return ready_ ? std::string() : std::string("starting or stopping"); },
      .address = address_});
  house_->admin = std::make_unique<api::AdminApi>(api::AdminDependencies{
      .io = io,
      .auth = store_->auth(),
      .keys = &store_->keys(),
      .status = [this](auto done) { status(std::move(done)); },
      .plugins = [this](auto done) { done(boost::json::value(backends_->describe())); },
      .containers =
          [this](auto done) {
            house_->usage->measure([this, done](const container::UsageMeter::Usages& usages) {
              done(boost::json::value(containers_json(house_->invoker->pool(), usages)));
            });
          },
      .pool =
          [this](auto done) {
            house_->usage->measure([this, done](const container::UsageMeter::Usages& usages) {
              done(boost::json::value(
                  pool_json(house_->invoker->pool(), config_.bytes("containers.memory"), usages)));
            });
          },
      .usage = [this](const entity::Identity& who,
                      auto done) { house_->api->usage(who, std::move(done)); },
      .key_changed =
          [this](const entity::Identity& identity) {
            return identity.namespace_name == kGuest ? data_->write_guest_key(identity.key)
                                                     : Status();
          },
      .back_up =
          [this](std::string path, store::Done<std::uint64_t> done) {
            store_->back_up(worker_->io().get_executor(), std::move(path), std::move(done));
          },
      .find_damage =
          [this](std::optional<std::string> path, store::Done<std::vector<std::string>> done) {
            std::optional<std::filesystem::path> file;
            if (path) file = std::move(*path);
            store_->find_damage(worker_->io().get_executor(), std::move(file), std::move(done));
          }});
  return house_->admin_server->listen_unix(data_->admin_socket().string());
}

void Daemon::status(std::function<void(Result<boost::json::value>)> done) const {
  const auto uptime =
      std::chrono::duration_cast<std::chrono::seconds>(system_clock().steady_now() - began_);
  const container::PoolStats pool = house_->invoker->pool().stats();
  done(boost::json::value{{"version", BERTH_VERSION},
                          {"pid", ::getpid()},
                          {"uptime_seconds", uptime.count()},
                          {"ready", ready_.load()},
                          {"address", address_},
                          {"containers",
                           {{"plugin", config_.text("containers.plugin")},
                            {"states", states_json(pool)},
                            {"memory_used_bytes", pool.used_bytes},
                            {"memory_bytes", config_.bytes("containers.memory")},
                            {"queue", pool.queue},
                            {"can_pause", capacity_.can_pause},
                            {"memory_enforced", capacity_.memory_enforced},
                            {"cpu_enforced", capacity_.cpu_enforced},
                            {"pids_enforced", capacity_.pids_enforced},
                            {"detail", capacity_.detail}}}});
}

void Daemon::tell(std::string_view step, const Result<void>& result) const {
  if (!result)
    log::error("berthd", fmt::format("{} failed", step), {{"error", result.error().to_string()}});
}

asio::awaitable<Status> Daemon::start() {
  auto choice = PluginChoice::make(config_, plugin_directory(config_));
  if (!choice) co_return choice.error();
  auto manifest = runtimes_manifest(config_);
  if (!manifest) co_return manifest.error();
  manifest_.emplace(std::move(*manifest));
  if (const std::string certificate = config_.text("http.tls_certificate"); !certificate.empty()) {
    auto tls = http::TlsCertificate::load(certificate, config_.text("http.tls_key"));
    if (!tls) co_return tls.error().with_context(config_.origin("http.tls_certificate"));
    tls_ = std::move(*tls);
  }
  Status stores = open_stores();
  if (!stores.ok()) co_return stores;
  const auto runtime_root = runtime_directory(data_->path());
  Status runtime_made = make_private_directory(runtime_root);
  if (!runtime_made.ok()) co_return runtime_made.with_context("runtime directory");
  auto backends = Backends::open(*choice, {.config = config_,
                                           .clock = system_clock(),
                                           .metrics = metrics_,
                                           .state = &store_->plugin_state(),
                                           .data_root = data_->path() / "plugins",
                                           .runtime_root = runtime_root,
                                           .loader = loader_.get_executor()});
  if (!backends) co_return backends.error();
  backends_ = std::move(*backends);
  worker_ = std::make_unique<Worker>();
  Status built = worker_->run([this] { return build_house(); });
  if (!built.ok()) co_return built;
  Status started = co_await start_backends();
  if (!started.ok()) co_return started;
  worker_->run([this] { house_->durable->recover(); });
  Status told = data_->write_api_host(address_);
  if (!told.ok()) co_return told;
  ready_ = true;
  // What should have rung meanwhile rings now.
  worker_->run([this] {
    house_->alarms->start();
    house_->usage->start();
  });
  notify_service_manager("READY=1");
  log::info(
      "berthd", "ready",
      {{"version", BERTH_VERSION}, {"address", address_}, {"data_dir", data_->path().string()}});
  co_return Status();
}

void Daemon::watch_signals() {
  signals_.async_wait([this](const boost::system::error_code& error, int signal) {
    if (error) return;
    on_signal(signal);
    watch_signals();
  });
}

void Daemon::reread() {
  if (!tls_) return log::info("berthd", "SIGHUP: nothing to reread, the log goes to stderr");
  const Status reread = tls_->reload();
  if (reread.ok()) {
    log::info("berthd", "SIGHUP: the certificate was read again",
              {{"path", config_.text("http.tls_certificate")}});
  } else {
    log::error("berthd", "SIGHUP: the certificate in use stays", {{"reason", reread.to_string()}});
  }
}

void Daemon::on_signal(int signal) {
  if (signal == SIGHUP) return reread();
  ++stops_;
  log::info("berthd", stops_ == 1 ? "stopping" : "stopping at once",
            {{"signal", std::to_string(signal)}});
  stop_asked_.cancel();
  if (stops_ > 1 && house_ && house_->durable) {
    asio::co_spawn(worker_->io(), house_->durable->shut_down(in(0s)), asio::detached);
  }
}

asio::awaitable<void> Daemon::shut_invoker_down() {
  const auto grace = stops_ > 1 ? 0ms : config_.duration("shutdown.grace");
  auto shut = asio::co_spawn(worker_->io(), house_->durable->shut_down(in(grace)), asio::deferred);
  co_await std::move(shut)(asio::use_awaitable);
}

// The order matters: each part is stopped before what it leans on.
asio::awaitable<void> Daemon::stop() {
  ready_ = false;
  notify_service_manager("STOPPING=1");
  if (data_) data_->remove_api_host();
  if (house_) {
    worker_->run([this] {
      house_->server->drain();
      if (house_->alarms) house_->alarms->stop();
      if (house_->usage) house_->usage->stop();
      if (house_->admin_server) house_->admin_server->drain();
    });
    if (house_->durable) co_await shut_invoker_down();
  }
  if (backends_) {
    tell("draining the LogStore", co_await backends_->logs().drain(in(kStopTimeout)));
    tell("stopping the LogStore", co_await backends_->logs().stop(in(kStopTimeout)));
    tell("draining the ContainerFactory", co_await backends_->factory().drain(in(kStopTimeout)));
    const auto mode = config_.text("containers.on_stop") == "kill" ? plugin::StopMode::kKill
                                                                   : plugin::StopMode::kDetach;
    tell("stopping the ContainerFactory",
         co_await backends_->factory().stop(mode, in(kStopTimeout)));
  }
}

asio::awaitable<void> Daemon::live() {
  outcome_ = co_await start();
  if (outcome_.ok()) {
    boost::system::error_code woken;
    if (stops_ == 0)
      co_await stop_asked_.async_wait(asio::redirect_error(asio::use_awaitable, woken));
    co_await stop();
  } else if (backends_) {
    co_await stop();
  }
  signals_.cancel();
}

Status Daemon::run() {
  ::signal(SIGPIPE, SIG_IGN);
  signals_.add(SIGTERM);
  signals_.add(SIGINT);
  signals_.add(SIGHUP);
  watch_signals();
  asio::co_spawn(loader_, live(), [](std::exception_ptr bug) {
    if (bug) std::rethrow_exception(bug);
  });
  loader_.run();
  // Nothing of the house runs any more; what still comes back from plugins and store finds its
  // loops until both are closed.
  if (worker_) {
    if (house_) {
      worker_->run([this] {
        house_->server.reset();
        house_->admin_server.reset();
        // Its timer for waiting callers would keep the loop running.
        house_->api.reset();
      });
    }
    backends_.reset();
    if (store_) {
      const Status closed = store_->close();
      if (!closed.ok() && outcome_.ok()) outcome_ = closed;
    }
    worker_->join();
    house_.reset();
  }
  if (outcome_.ok()) log::info("berthd", "stopped");
  return outcome_;
}

}  // namespace

Status run(const config::Document& config) {
  return Daemon(config).run();
}

}  // namespace berth::daemon
