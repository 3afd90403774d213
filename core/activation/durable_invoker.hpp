// SPDX-License-Identifier: Apache-2.0
// The Invoker that a crash takes nothing from: it stands before the one that runs activations and
// keeps those that nobody waits for in the WorkStore, from before their callers are told "accepted"
// until their records are written.
//
// The activation has its place in the next Invoker's queue before its row is written, so that what
// is refused for a full queue was never in the file and cannot run after a crash. The row and the
// wait for a container go side by side: the next Invoker marks the row before it sends anything,
// and so an idle container costs one commit, not two. A row that cannot be written takes the place
// back.
//
//   DurableInvoker invoker({.io = io, .next = pooled, .work = store.work(), ...});
//   invoker.recover();               // once, after the next one has started
//
// Belongs to one io_context that one thread runs; not thread-safe. The next Invoker's handlers must
// come on that thread.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "activation/invoker.hpp"
#include "base/clock.hpp"
#include "base/metrics.hpp"
#include "store/work_store.hpp"

namespace berth::activation {

class Keeper;
class Recovery;

// All must outlive the DurableInvoker and what it has asked of them.
struct DurableDependencies {
  boost::asio::io_context& io;
  const Clock& clock;
  Metrics& metrics;
  Invoker& next;
  store::WorkStore& work;
  store::ActivationStore& activations;
  store::EntityStore& entities;
  store::AuthStore& auth;
};

struct DurableOptions {
  // Of what an earlier berthd left, how many may be with the next Invoker at a time.
  std::size_t max_recovering = 256;
  std::chrono::milliseconds retry{50};  // when the next Invoker is full
  // What the store cannot do now it is asked again after so long, doubled each time up to the
  // second.
  std::chrono::milliseconds store_retry{500};
  std::chrono::milliseconds store_retry_max{10'000};
};

class DurableInvoker final : public Invoker {
 public:
  explicit DurableInvoker(DurableDependencies dependencies, DurableOptions options = {});
  ~DurableInvoker() override;

  // Not durable: for those who wait for the outcome.
  Status invoke(Invocation invocation, OutcomeHandler handler) override;
  void submit(Invocation invocation, AcceptHandler accepted, OutcomeHandler handler) override;
  void keep(store::Work work, AcceptHandler done) override;
  std::chrono::seconds retry_after() const override { return with_.next.retry_after(); }
  bool logs_pending(std::string_view activation_id) const override;
  boost::asio::awaitable<void> shut_down(SteadyTime deadline) override;

  // Takes up what an earlier berthd left: what was not started runs, what was is recorded as
  // interrupted, what belongs to a namespace that is gone is dropped. Goes on by itself.
  void recover();
  // Whether everything left over was taken up.
  bool recovered() const;

 private:
  const DurableDependencies with_;
  const std::shared_ptr<Recovery> recovery_;
  const std::shared_ptr<Keeper> keeper_;
  Counter& accepted_;
  Histogram& accept_seconds_;
};

}  // namespace berth::activation
