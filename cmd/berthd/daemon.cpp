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
#include <exception>
#include <fmt/format.h>
#include <future>
#include <memory>
#include <optional>
#include <signal.h>

#include "backends.hpp"
#include "base/files.hpp"
#include "base/log.hpp"
#include "base/metrics.hpp"
#include "data_directory.hpp"
#include "fronts.hpp"
#include "house.hpp"
#include "options.hpp"
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

SteadyTime in(std::chrono::steady_clock::duration time) {
  return system_clock().steady_now() + time;
}

class Daemon {
 public:
  explicit Daemon(const config::Document& config) : config_(config) {}

  Status run();

 private:
  Status open_stores();
  Status ensure_guest();
  asio::awaitable<Status> start_backends();
  asio::awaitable<void> live();
  asio::awaitable<Status> start();
  asio::awaitable<void> stop();
  asio::awaitable<void> shut_house_down();
  void watch_signals();
  void on_signal(int signal);
  void reread();
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
  std::unique_ptr<Fronts> fronts_;  // null: HTTP is the worker's own
  std::unique_ptr<Worker> worker_;
  std::unique_ptr<House> house_;
  std::shared_ptr<http::TlsCertificate> tls_;  // null: the REST API is in the clear
  std::atomic<bool> ready_{false};
  asio::steady_timer stop_asked_{loader_, SteadyTime::max()};
  int stops_ = 0;
  Status outcome_;
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
    Worker thread("berthd-guest");
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
      co_await backends_->factory().start(house_->died_handler(), in(kStartTimeout));
  if (!factory) {
    co_return factory.error().with_context("ContainerFactory " + config_.text("containers.plugin"));
  }
  const auto capacity = co_await backends_->factory().capacity(in(kStartTimeout));
  if (capacity) {
    // The administration may ask for it already, on the worker's thread.
    worker_->run([this, &capacity] { house_->set_capacity(*capacity); });
    if (!capacity->detail.empty()) {
      log::warn("berthd", "not everything is enforced here",
                {{"plugin", config_.text("containers.plugin")}, {"detail", capacity->detail}});
    }
  }
  auto started_work =
      asio::co_spawn(worker_->io(), house_->start_pool(in(kStartTimeout)), asio::deferred);
  co_return co_await std::move(started_work)(asio::use_awaitable);
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
  if (const auto threads = static_cast<std::size_t>(config_.integer("http.threads"))) {
    fronts_ = std::make_unique<Fronts>(threads);
  }
  worker_ = std::make_unique<Worker>("berthd-pool");
  Status open = worker_->run([this] {
    house_ = std::make_unique<House>(Ground{.config = config_,
                                            .io = worker_->io(),
                                            .metrics = metrics_,
                                            .data = *data_,
                                            .store = *store_,
                                            .ledger = *ledger_,
                                            .manifest = *manifest_,
                                            .backends = *backends_,
                                            .fronts = fronts_.get(),
                                            .tls = tls_,
                                            .ready = [this] { return ready_.load(); }});
    return house_->open();
  });
  if (!open.ok()) co_return open;
  Status started = co_await start_backends();
  if (!started.ok()) co_return started;
  worker_->run([this] { house_->recover(); });
  Status told = data_->write_api_host(house_->address());
  if (!told.ok()) co_return told;
  ready_ = true;
  worker_->run([this] { house_->start_clocks(); });
  notify_service_manager("READY=1");
  log::info("berthd", "ready",
            {{"version", BERTH_VERSION},
             {"address", house_->address()},
             {"data_dir", data_->path().string()}});
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
  if (stops_ > 1 && house_) {
    asio::co_spawn(worker_->io(), house_->shut_down(in(0s)), asio::detached);
  }
}

asio::awaitable<void> Daemon::shut_house_down() {
  const auto grace = stops_ > 1 ? 0ms : config_.duration("shutdown.grace");
  auto shut = asio::co_spawn(worker_->io(), house_->shut_down(in(grace)), asio::deferred);
  co_await std::move(shut)(asio::use_awaitable);
}

// The order matters: each part is stopped before what it leans on.
asio::awaitable<void> Daemon::stop() {
  ready_ = false;
  notify_service_manager("STOPPING=1");
  if (data_) data_->remove_api_host();
  if (house_) {
    worker_->run([this] { house_->stop_serving(); });
    co_await shut_house_down();
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
    if (house_) worker_->run([this] { house_->close(); });
    backends_.reset();
    if (store_) {
      const Status closed = store_->close();
      if (!closed.ok() && outcome_.ok()) outcome_ = closed;
    }
    worker_->join();
    house_.reset();
    // What one loop still holds for another finds that one until all threads have ended.
    if (fronts_) fronts_->join();
    worker_.reset();
    fronts_.reset();
  }
  if (outcome_.ok()) log::info("berthd", "stopped");
  return outcome_;
}

}  // namespace

Status run(const config::Document& config) {
  return Daemon(config).run();
}

}  // namespace berth::daemon
