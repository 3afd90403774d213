// SPDX-License-Identifier: Apache-2.0
#include "activation/pooled_invoker.hpp"

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "activation/run.hpp"
#include "base/log.hpp"

namespace berth::activation {
namespace {
constexpr std::chrono::milliseconds kPoll{5};
}

struct PooledInvoker::Impl {
  explicit Impl(std::shared_ptr<RunContext> the_context) : context(std::move(the_context)) {}
  const std::shared_ptr<RunContext> context;
};

PooledInvoker::PooledInvoker(InvokerDependencies dependencies, InvokerOptions options)
    : impl_(std::make_shared<Impl>(std::make_shared<RunContext>(dependencies, options))) {
  RunContext& context = *impl_->context;
  context.pool->on_gone([raw = &context](const std::string& id) { raw->logs.forget(id); });
  context.pool->on_adopted([raw = &context](std::vector<std::string> ids) {
    return raw->logs.pass_over(std::move(ids));
  });
  context.logs.on_unreadable([raw = &context](const std::string& id) { raw->pool->retire(id); });
}

PooledInvoker::~PooledInvoker() {
  RunContext& context = *impl_->context;
  context.stopping = true;
  context.no_room.stop();
  context.pool->close();
  context.pool->on_gone({});
  context.pool->on_adopted({});
  context.logs.on_unreadable({});
  while (!context.runs.empty()) context.runs.front().drop();
}

plugin::ContainerFactory::DiedHandler PooledInvoker::died_handler() {
  return impl_->context->pool->died_handler();
}

boost::asio::awaitable<Status> PooledInvoker::start(SteadyTime deadline) {
  const std::shared_ptr<RunContext> context = impl_->context;
  Result<plugin::Pairs> parameters = co_await context->with.logs.container_parameters(deadline);
  if (!parameters)
    co_return parameters.error().with_context("container parameters of the log store");
  context->pool->set_log_parameters(std::move(*parameters));
  const Status status = co_await context->pool->start(deadline);
  co_return status;
}

Status PooledInvoker::invoke(Invocation invocation, OutcomeHandler handler) {
  const std::shared_ptr<RunContext>& context = impl_->context;
  if (context->stopping) return sdk::unavailable("Berth is shutting down");
  const auto run = std::make_shared<Run>(context, std::move(invocation), std::move(handler));
  return run->start();
}

std::chrono::seconds PooledInvoker::retry_after() const {
  return impl_->context->pool->retry_after();
}

bool PooledInvoker::logs_pending(std::string_view activation_id) const {
  return impl_->context->logs.pending(activation_id);
}

const Invocation* PooledInvoker::set_durable(std::string_view activation_id, bool durable) {
  // Whoever stops waiting has waited for long, and so stands near the front.
  for (Run& run : impl_->context->runs) {
    if (run.invocation().activation_id != activation_id) continue;
    return run.set_durable(durable) ? &run.invocation() : nullptr;
  }
  return nullptr;
}

void PooledInvoker::leave_waiting() {
  const std::shared_ptr<RunContext> context = impl_->context;
  context->leaving = true;
  context->no_room.stop();
  // It is the next start's to run: no grace is spent on it.
  std::vector<std::shared_ptr<Run>> left;
  for (Run& run : context->runs) {
    if (run.waits_durably()) left.push_back(run.shared_from_this());
  }
  // One that has its container goes on: its row is being marked, and a container given back here
  // would only go to the next one in the queue, which would be marked in its turn.
  for (const std::shared_ptr<Run>& run : left) {
    if (run->waits_durably()) run->drop();
  }
}

boost::asio::awaitable<void> PooledInvoker::shut_down(SteadyTime deadline) {
  const std::shared_ptr<RunContext> context = impl_->context;
  const Clock& clock = context->with.clock;
  context->stopping = true;
  leave_waiting();
  boost::asio::steady_timer timer(context->with.io);
  while (context->running > 0 && clock.steady_now() < deadline) {
    timer.expires_after(kPoll);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  if (context->running > 0) {
    log::warn("invoker", "activations are interrupted by the shutdown",
              {{"count", fmt::to_string(context->running)}});
  }
  while (!context->runs.empty()) {
    Run& run = context->runs.front();
    // The mark still waits for the disk: nothing was sent.
    if (run.can_be_left()) {
      run.drop();
    } else {
      run.interrupt();
    }
  }
  context->pool->stop();

  const SteadyTime flush_deadline = clock.steady_now() + context->options.flush_wait;
  co_await context->logs.flush(flush_deadline);
  if (const std::size_t lost = context->logs.pending(); lost > 0) {
    log::warn("invoker", "logs of activations are lost in the shutdown",
              {{"activations", fmt::to_string(lost)}});
  }
  const auto flushed = std::make_shared<bool>(false);
  context->with.activations.flush(context->with.io.get_executor(),
                                  [flushed](const Result<void>&) { *flushed = true; });
  while ((!*flushed || context->writing > 0) && clock.steady_now() < flush_deadline) {
    timer.expires_after(kPoll);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
}

container::ContainerPool& PooledInvoker::pool() {
  return *impl_->context->pool;
}

std::size_t PooledInvoker::running() const {
  return impl_->context->running;
}

}  // namespace berth::activation
