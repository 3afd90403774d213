// SPDX-License-Identifier: Apache-2.0
// What becomes of the activations that an earlier berthd accepted and did not end. Private to the
// DurableInvoker; belongs to its io_context.
//
// Page by page in the order of acceptance, never more with the next Invoker than the options say:
// what comes in now shall not wait behind a long backlog.
#pragma once

#include <array>
#include <boost/asio/steady_timer.hpp>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "activation/durable_invoker.hpp"
#include "activation/resolver.hpp"

namespace berth::activation {

class Recovery final : public std::enable_shared_from_this<Recovery> {
 public:
  Recovery(const DurableDependencies& dependencies, const DurableOptions& options);

  void start();
  // Takes up nothing more; what is left stays where it is.
  void stop();
  bool done() const { return done_; }

 private:
  // What became of one.
  enum As { kRun, kInterrupted, kDropped };

  void read_page();
  void got_page(Result<std::vector<store::Work>> page);
  void pump();
  void resume(std::shared_ptr<store::Work> work);
  void run(const std::shared_ptr<store::Work>& work, const entity::ActionPtr& action,
           const entity::Identity& user);
  void interrupt(const std::shared_ptr<store::Work>& work, const entity::ActionPtr& action);
  void record(entity::Activation record, As as);
  void try_later(std::chrono::milliseconds after);
  std::chrono::milliseconds store_retry();
  void finished(As as);
  void report();

  const DurableDependencies with_;
  const DurableOptions options_;
  Resolver resolver_;
  boost::asio::steady_timer timer_;
  std::chrono::milliseconds store_retry_;  // of the next time that the store does not answer
  std::deque<std::shared_ptr<store::Work>> waiting_;  // of the page at hand
  std::int64_t after_ = 0;                            // the last sequence that was read
  std::size_t under_way_ = 0;
  const std::array<Counter*, 3> counters_;
  std::array<std::size_t, 3> count_{};
  bool reading_ = false;
  bool at_end_ = false;
  bool stopped_ = false;
  bool resting_ = false;
  bool done_ = false;
};

}  // namespace berth::activation
