// SPDX-License-Identifier: Apache-2.0
// A LogStore and an ActivationStore in memory that do what a test says.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "plugin/log_store.hpp"
#include "store/stores.hpp"

namespace berth::test {

class FakeLogStore final : public plugin::LogStore {
 public:
  struct Kept {
    plugin::ActivationRef ref;
    std::vector<plugin::LogLine> lines;
    std::size_t parts = 0;
    int finals = 0;
  };
  explicit FakeLogStore(boost::asio::io_context& io) : io_(io) {}

  std::map<std::string, Kept> kept;  // by activation
  std::deque<Status> failures;       // of the next appends
  std::size_t appends = 0;
  std::size_t at_once = 0;  // appends under way now
  std::size_t most_at_once = 0;
  bool external = false;
  bool hold = false;
  plugin::Pairs parameters;

  bool has(const std::string& activation) const {
    const auto found = kept.find(activation);
    return found != kept.end() && found->second.finals > 0;
  }
  // "out text" and "err text".
  std::vector<std::string> lines(const std::string& activation) const {
    std::vector<std::string> texts;
    const auto found = kept.find(activation);
    if (found == kept.end()) return {"(nothing)"};
    for (const plugin::LogLine& line : found->second.lines) {
      texts.push_back((line.stream == plugin::Stream::kStderr ? "err " : "out ") + line.text);
    }
    return texts;
  }

  plugin::Awaitable<void> start(SteadyTime) override { co_return Result<void>(); }
  bool out_of_band() const override { return external; }
  plugin::Awaitable<plugin::Pairs> container_parameters(SteadyTime) override {
    co_return parameters;
  }
  plugin::Awaitable<void> append(plugin::ActivationRef activation,
                                 std::vector<plugin::LogLine> lines, bool final,
                                 SteadyTime) override {
    ++appends;
    most_at_once = std::max(most_at_once, ++at_once);
    boost::asio::steady_timer timer(io_);
    while (hold) {
      timer.expires_after(std::chrono::milliseconds(1));
      co_await timer.async_wait(boost::asio::use_awaitable);
    }
    --at_once;
    if (!failures.empty()) {
      const Status failure = failures.front();
      failures.pop_front();
      if (!failure.ok()) co_return failure;
    }
    const std::string id = activation.activation_id;
    Kept& to = kept[id];
    to.ref = std::move(activation);
    ++to.parts;
    to.finals += final ? 1 : 0;
    for (plugin::LogLine& line : lines) to.lines.push_back(std::move(line));
    co_return Result<void>();
  }
  plugin::Awaitable<plugin::LogPage> fetch(plugin::ActivationRef, std::string, std::uint64_t,
                                           SteadyTime) override {
    co_return sdk::unimplemented("fake");
  }
  plugin::Awaitable<void> drain(SteadyTime) override { co_return Result<void>(); }
  plugin::Awaitable<void> stop(SteadyTime) override { co_return Result<void>(); }

 private:
  boost::asio::io_context& io_;
};

class FakeActivationStore final : public store::ActivationStore {
 public:
  std::vector<entity::Activation> records;
  std::vector<std::string> how;  // "put" or "later", one a record
  bool hold_puts = false;        // until let_puts()
  Status put_failure;
  std::size_t flushes = 0;
  std::deque<std::function<void()>> held;

  const entity::Activation* find(const std::string& id) const {
    for (const entity::Activation& record : records) {
      if (record.activation_id == id) return &record;
    }
    return nullptr;
  }
  void let_puts() {
    hold_puts = false;
    while (!held.empty()) {
      held.front()();
      held.pop_front();
    }
  }

  void put(store::Executor on, entity::Activation activation, store::Done<void> done) override {
    auto finish = [this, on, activation = std::move(activation), done = std::move(done)] {
      if (put_failure.ok()) {
        records.push_back(activation);
        how.push_back("put");
      }
      boost::asio::post(on, [done, status = put_failure] {
        done(status.ok() ? Result<void>() : Result<void>(status));
      });
    };
    if (hold_puts)
      held.push_back(std::move(finish));
    else
      finish();
  }
  void put_later(entity::Activation activation) override {
    records.push_back(std::move(activation));
    how.push_back("later");
  }
  void get(store::Executor, std::string, std::string, store::Done<entity::Activation>) override {}
  void list(store::Executor, store::ActivationQuery,
            store::Done<std::vector<entity::Activation>>) override {}
  void count(store::Executor, store::ActivationQuery, store::Done<std::int64_t>) override {}
  void flush(store::Executor on, store::Done<void> done) override {
    ++flushes;
    boost::asio::post(on, [done] { done(Result<void>()); });
  }
};

}  // namespace berth::test
