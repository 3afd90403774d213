// SPDX-License-Identifier: Apache-2.0
// Makes activations durable whose callers stop waiting for them. Private to the DurableInvoker;
// belongs to its io_context.
//
// One that still waits for a container gets a row as if nobody had waited: after a crash it runs.
// One that may be at work gets a row that says so: after a crash it is recorded as interrupted.
// While there is no room on the disk neither can be promised, and nothing is answered: the caller
// waits on, for room or for the outcome, whichever comes first.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <memory>
#include <set>

#include "activation/durable_invoker.hpp"

namespace berth::activation {

// The row of an invocation that nothing was sent for.
store::Work work_of(const Invocation& invocation);
// Why something could not be made durable, in words for a caller: a full disk is not his doing, so
// he is told to come back; where the store keeps its files is not his business.
Status not_kept(const Status& why);

class Keeper final : public std::enable_shared_from_this<Keeper> {
 public:
  Keeper(const DurableDependencies& dependencies, const DurableOptions& options)
      : with_(dependencies), options_(options) {}

  // `work` without arguments.
  void keep(store::Work work, AcceptHandler done);
  // Tries nothing more. Who still waits then gets the outcome, if only that of an interruption.
  void stop();

 private:
  struct Kept {
    store::Work work;
    AcceptHandler done;
    boost::asio::steady_timer timer;
    std::chrono::milliseconds retry;
  };
  void try_to_keep(const std::shared_ptr<Kept>& kept);
  void not_stored(const std::shared_ptr<Kept>& kept, const Status& why);

  const DurableDependencies with_;
  const DurableOptions options_;
  std::set<std::shared_ptr<Kept>> waiting_;  // for the next try
  bool stopped_ = false;
};

}  // namespace berth::activation
