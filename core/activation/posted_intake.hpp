// SPDX-License-Identifier: Apache-2.0
// The Intake for requests that come on another thread than the Invoker's: it posts them there, and
// what comes back to its own. No lock, and no state but what is on its way.
//
//   PostedIntake intake(front_io, pool_io, invoker);  // used on the thread of front_io
//
// Handlers are called and destroyed on its own thread, also those that are dropped unused.
#pragma once

#include <boost/asio/io_context.hpp>
#include <memory>

#include "activation/intake.hpp"

namespace berth::activation {

class PostedIntake final : public Intake {
 public:
  // `next` belongs to the thread of `there`. Both io_contexts must outlive what is on its way, and
  // `next` all that runs on `there`; the PostedIntake itself may end at any time.
  PostedIntake(boost::asio::io_context& here, boost::asio::io_context& there, Intake& next);

  void submit(Invocation invocation, AcceptHandler accepted, OutcomeHandler handler) override;
  void keep(store::Work work, AcceptHandler done) override;
  // As of the last refusal.
  std::chrono::seconds retry_after() const override;
  boost::asio::awaitable<bool> still_logging(std::string activation_id) const override;

 private:
  boost::asio::io_context& here_;
  boost::asio::io_context& there_;
  Intake& next_;
  struct Refusals;
  const std::shared_ptr<Refusals> refusals_;
};

}  // namespace berth::activation
