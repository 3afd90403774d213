// SPDX-License-Identifier: Apache-2.0
// All that lives on the worker's thread: the way of an invocation through the Invokers to the pool,
// the administration, and the REST API, of which Fronts take over their part.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/json/value.hpp>
#include <functional>
#include <memory>
#include <string>

#include "activation/alarm_clock.hpp"
#include "activation/builtin_invoker.hpp"
#include "activation/composer.hpp"
#include "activation/durable_invoker.hpp"
#include "activation/pooled_invoker.hpp"
#include "api/admin.hpp"
#include "api/api.hpp"
#include "backends.hpp"
#include "base/clock.hpp"
#include "base/config.hpp"
#include "base/metrics.hpp"
#include "base/result.hpp"
#include "container/ledger.hpp"
#include "container/usage_meter.hpp"
#include "data_directory.hpp"
#include "entity/runtimes.hpp"
#include "fronts.hpp"
#include "http/server.hpp"
#include "http/tls.hpp"
#include "store/sqlite_store.hpp"

namespace berth::daemon {

// What the house leans on. All must outlive it.
struct Ground {
  const config::Document& config;
  boost::asio::io_context& io;  // the worker's
  Metrics& metrics;
  DataDirectory& data;
  store::SqliteStore& store;
  container::Ledger& ledger;
  const entity::RuntimesManifest& manifest;
  Backends& backends;
  Fronts* fronts;                             // null: HTTP is the worker's own
  std::shared_ptr<http::TlsCertificate> tls;  // null: the REST API is in the clear
  std::function<bool()> ready;                // for new work; from any thread
};

// Made and used on the worker's thread, unless a method says otherwise; destroyed when that has
// ended.
class House {
 public:
  explicit House(Ground ground);
  ~House();
  House(const House&) = delete;
  House& operator=(const House&) = delete;

  // Binds the addresses, so that a taken one is told before any container starts; they are answered
  // from now on. After an error only the destructor, stop_serving() and close() may be called.
  Status open();
  // Of the REST API, with its scheme. From any thread once open() has returned.
  const std::string& address() const { return address_; }

  // What the ContainerFactory is to be started with. From any thread.
  plugin::ContainerFactory::DiedHandler died_handler() { return invoker_->died_handler(); }
  // The ContainerFactory has started; adopts its containers.
  boost::asio::awaitable<Status> start_pool(SteadyTime deadline);
  void set_capacity(plugin::Capacity capacity) { capacity_ = std::move(capacity); }
  // Goes on with what an earlier run accepted.
  void recover() { durable_->recover(); }
  // What should have rung meanwhile rings now.
  void start_clocks();

  // No new requests; no alarm rings any more.
  void stop_serving();
  // Waits for what runs until `deadline` and interrupts the rest. A second call with an earlier
  // deadline hastens the first.
  boost::asio::awaitable<void> shut_down(SteadyTime deadline);
  // Nothing runs any more: lets go of all that keeps the worker's loop busy.
  void close();

 private:
  Status listen();
  void make_invokers();
  void make_alarms();
  std::unique_ptr<api::Api> make_api(boost::asio::io_context& io, activation::Intake& intake);
  void make_admin();
  boost::json::value status() const;

  const Ground ground_;
  const SteadyTime began_ = system_clock().steady_now();
  const bool record_before_reply_;
  std::string address_;
  plugin::Capacity capacity_;
  const std::shared_ptr<api::Tallies> tallies_ = api::make_tallies();
  std::unique_ptr<activation::PooledInvoker> invoker_;
  std::shared_ptr<container::UsageMeter> usage_;
  std::unique_ptr<activation::BuiltinInvoker> builtins_;  // before it: /whisk.system
  std::unique_ptr<activation::Composer> composer_;        // before both: sequences, conductors
  std::unique_ptr<activation::DurableInvoker> durable_;   // before all
  std::unique_ptr<activation::AlarmClock> alarms_;
  std::unique_ptr<api::Api> api_;
  std::unique_ptr<api::AdminApi> admin_;
  std::unique_ptr<http::Server> server_;  // null: Fronts have theirs
  std::unique_ptr<http::Server> admin_server_;
};

}  // namespace berth::daemon
