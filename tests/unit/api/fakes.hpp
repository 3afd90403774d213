// SPDX-License-Identifier: Apache-2.0
// The core behind the API, in memory: stores, invoker and log store that a test looks into and
// steers. All of it lives on the io_context's thread, or is touched while that thread waits.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "activation/invoker.hpp"
#include "plugin/log_store.hpp"
#include "store/stores.hpp"

namespace berth::api {

class FakeEntities : public store::EntityStore {
 public:
  entity::ActionPtr cached_action(std::string_view path) const override;
  void get_action(store::Executor on, std::string path,
                  store::Done<entity::ActionPtr> done) override;
  void get_sealed_action(store::Executor on, std::string path,
                         store::Done<entity::ActionPtr> done) override;
  void put_action(store::Executor on, entity::Action action, std::uint64_t expected_revision,
                  store::Done<entity::ActionPtr> done) override;
  void remove_action(store::Executor on, std::string path, std::uint64_t expected_revision,
                     store::Done<void> done) override;
  void list_actions(store::Executor on, std::string namespace_name,
                    std::optional<std::string> package, std::int64_t skip, std::int64_t limit,
                    store::Done<std::vector<entity::ActionPtr>> done) override;
  void count_actions(store::Executor on, std::string namespace_name,
                     std::optional<std::string> package, std::int64_t skip,
                     store::Done<std::int64_t> done) override;
  entity::EntityPtr cached_entity(entity::Collection collection,
                                  std::string_view path) const override;
  void get_entity(store::Executor on, entity::Collection collection, std::string path,
                  store::Done<entity::EntityPtr> done) override;
  void get_sealed_entity(store::Executor on, entity::Collection collection, std::string path,
                         store::Done<entity::EntityPtr> done) override;
  void change_entities(store::Executor on, std::vector<store::EntityChange> changes,
                       store::Done<std::vector<entity::EntityPtr>> done) override;
  void list_entities(store::Executor on, store::EntityQuery query,
                     store::Done<std::vector<entity::EntityPtr>> done) override;
  void count_entities(store::Executor on, store::EntityQuery query,
                      store::Done<std::int64_t> done) override;

  bool use_cache = true;
  // What puts, or gets that open what is encrypted, answer instead; OK: as usual.
  Status refuse_put;
  Status refuse_get;

 private:
  mutable std::mutex mutex_;
  Status check(const store::EntityChange& change) const;
  std::vector<entity::EntityPtr> matching(const store::EntityQuery& query) const;

  std::map<std::string, entity::ActionPtr, std::less<>> actions_;
  std::map<std::string, entity::EntityPtr, std::less<>> others_;
  std::uint64_t revision_ = 0;
};

class FakeActivations : public store::ActivationStore {
 public:
  void put(store::Executor on, entity::Activation activation, store::Done<void> done) override;
  void put_later(entity::Activation activation) override;
  void get(store::Executor on, std::string namespace_name, std::string activation_id,
           store::Done<entity::Activation> done) override;
  void list(store::Executor on, store::ActivationQuery query,
            store::Done<std::vector<entity::Activation>> done) override;
  void count(store::Executor on, store::ActivationQuery query,
             store::Done<std::int64_t> done) override;
  void flush(store::Executor on, store::Done<void> done) override;

  std::vector<entity::Activation> records;
  store::ActivationQuery last_query;
};

class FakeAuth : public store::AuthStore {
 public:
  FakeAuth();
  std::optional<entity::Identity> authenticate(std::string_view uuid,
                                               std::string_view secret) const override;
  std::optional<entity::Identity> find_namespace(std::string_view name) const override;
  std::vector<entity::Namespace> namespaces() const override;
  void create_namespace(store::Executor on, std::string name, std::optional<entity::AuthKey> key,
                        store::Done<entity::Identity> done) override;
  void remove_namespace(store::Executor on, std::string name, bool force,
                        store::Done<void> done) override;
  void change_limits(store::Executor on, std::string name, LimitsChange change,
                     store::Done<entity::NamespaceLimits> done) override;
  void rotate_key(store::Executor on, std::string name,
                  store::Done<entity::Identity> done) override;

  std::map<std::string, entity::Identity, std::less<>> known;
  std::string busy;  // a namespace that still has actions
};

class FakeInvoker : public activation::Invoker {
 public:
  explicit FakeInvoker(boost::asio::io_context& context, FakeActivations& store)
      : io(context), activations(store) {}
  Status invoke(activation::Invocation invocation, activation::OutcomeHandler handler) override;
  void submit(activation::Invocation invocation, activation::AcceptHandler accepted,
              activation::OutcomeHandler handler) override;
  void keep(store::Work work, activation::AcceptHandler done) override;
  bool logs_pending(std::string_view) const override { return polls_until_logged-- > 0; }
  boost::asio::awaitable<void> shut_down(SteadyTime deadline) override;

  // How often logs are still said to be on their way.
  mutable int polls_until_logged = 0;
  // The outcome of the next invocations; the result is the arguments unless `result` is given.
  entity::Outcome outcome = entity::Outcome::kSuccess;
  std::string result;
  Status refusal;     // not OK: every invocation is refused with it
  bool hold = false;  // keep invocations unanswered until release() is called
  void release();     // on the io_context's thread
  bool hold_accepts =
      false;  // keep those that do not wait from being accepted, as a slow disk does
  void accept(const Status& status);  // all of them; on the io_context's thread
  std::vector<store::Work> kept;      // whose callers stopped waiting
  Status keep_status;
  std::vector<activation::Invocation> seen;

  boost::asio::io_context& io;
  FakeActivations& activations;

 private:
  void finish(const activation::Invocation& invocation, const activation::OutcomeHandler& handler);
  std::vector<std::pair<activation::Invocation, activation::OutcomeHandler>> held_;
  std::vector<activation::AcceptHandler> accepts_;
};

class FakeLogs : public plugin::LogStore {
 public:
  plugin::Awaitable<void> start(SteadyTime deadline) override;
  bool out_of_band() const override { return false; }
  plugin::Awaitable<plugin::Pairs> container_parameters(SteadyTime deadline) override;
  plugin::Awaitable<void> append(plugin::ActivationRef activation,
                                 std::vector<plugin::LogLine> lines, bool final,
                                 SteadyTime deadline) override;
  plugin::Awaitable<plugin::LogPage> fetch(plugin::ActivationRef activation, std::string cursor,
                                           std::uint64_t max_bytes, SteadyTime deadline) override;
  plugin::Awaitable<void> drain(SteadyTime deadline) override;
  plugin::Awaitable<void> stop(SteadyTime deadline) override;

  std::map<std::string, std::vector<plugin::LogLine>> lines;  // by activation id; one line a page
  bool partial = false;
  Status refusal;
};

}  // namespace berth::api
