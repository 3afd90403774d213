// SPDX-License-Identifier: Apache-2.0
#include "activation/flow.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

#include "activation/keeper.hpp"
#include "activation/record.hpp"
#include "base/ids.hpp"
#include "base/log.hpp"
#include "entity/namespace_limits.hpp"

namespace berth::activation {
namespace {

constexpr std::string_view kTooDeep = "Too many actions in the composition.";

}  // namespace

Flow::Flow(std::shared_ptr<FlowContext> context, Invocation invocation, OutcomeHandler handler)
    : context_(std::move(context)),
      invocation_(std::move(invocation)),
      handler_(std::move(handler)),
      account_(std::make_shared<FlowAccount>()),
      depth_(0),
      retry_(context_->with.io),
      retry_after_(context_->options.mark_retry),
      durable_(invocation_.durable) {}

Flow::Flow(std::shared_ptr<Flow> parent, Invocation invocation,
           std::shared_ptr<FlowAccount> account)
    : context_(parent->context_),
      invocation_(std::move(invocation)),
      parent_(std::move(parent)),
      account_(account ? std::move(account) : std::make_shared<FlowAccount>()),
      depth_(parent_->depth_ + 1),
      retry_(context_->with.io),
      retry_after_(context_->options.mark_retry),
      durable_(parent_->durable_) {}

Flow::~Flow() = default;

void Flow::start() {
  self_ = shared_from_this();
  context_->flows.push_back(*this);
  ++context_->by_namespace[invocation_.user.namespace_name];
  context_->in_flight.add(1);
  if (const auto tell = std::exchange(invocation_.on_taken, nullptr)) {
    tell(invocation_, [weak = weak_from_this()] {
      const auto flow = weak.lock();
      if (flow && !flow->finished_ && !flow->marked_) flow->drop();
    });
  }
  if (invocation_.durable && context_->with.work != nullptr) return mark();
  marked_ = true;
  start_ms_ = context_->with.clock.wall_ms();
  // Not from inside invoke(): its caller is told of the outcome later.
  boost::asio::post(context_->with.io, [flow = self_] {
    if (!flow->finished_) flow->begin();
  });
}

void Flow::mark() {
  marking_ = true;
  start_ms_ = context_->with.clock.wall_ms();
  context_->with.work->start(context_->with.io.get_executor(), invocation_.activation_id, start_ms_,
                             [flow = shared_from_this()](const Result<void>& result) {
                               if (!flow->finished_) flow->marked(result);
                             });
}

void Flow::marked(const Result<void>& result) {
  marking_ = false;
  if (result) {
    marked_ = true;
    return begin();
  }
  // It was not accepted, or the store is closing and the next start runs it.
  if (result.error().code() == StatusCode::kNotFound || context_->stopping) return drop();
  log::debug("invoker", "a sequence waits: the store cannot mark it as started",
             {{"activation", invocation_.activation_id}, {"reason", result.error().to_string()}});
  retry_.expires_after(retry_after_);
  retry_after_ = std::min(retry_after_ * 2, context_->options.mark_retry_max);
  retry_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto flow = weak.lock();
    if (!error && flow && !flow->finished_) flow->mark();
  });
}

void Flow::leave() {
  finished_ = true;
  retry_.cancel();
  if (is_linked()) {
    context_->flows.erase(context_->flows.iterator_to(*this));
    context_->in_flight.add(-1);
    const auto own = context_->by_namespace.find(invocation_.user.namespace_name);
    if (--own->second == 0) context_->by_namespace.erase(own);
  }
  const std::shared_ptr<Flow> last = std::move(self_);
}

void Flow::drop() {
  handler_ = nullptr;
  leave();
}

void Flow::interrupt() {
  if (!finished_) finish(whisk_error(kInterrupted));
}

void Flow::resolve(std::string path) {
  context_->with.resolve(invocation_.user, std::move(path),
                         [flow = shared_from_this()](Result<entity::ActionPtr> action) {
                           if (!flow->finished_) flow->resolved(std::move(action));
                         });
}

Invocation Flow::make_step(const entity::ActionPtr& action, std::string arguments) {
  Invocation step;
  step.transaction_id = invocation_.transaction_id;
  step.activation_id = new_activation_id();
  step.user = invocation_.user;
  step.action = action;
  step.arguments = std::move(arguments);
  step.cause = invocation_.activation_id;
  step.received_ms = context_->with.clock.wall_ms();
  step.step = true;
  return step;
}

// The row says "started" from the beginning: after a crash the step is recorded as interrupted, and
// the next start runs nothing of a flow that had begun.
void Flow::keep_step(Invocation step, std::function<void(Invocation)> run) {
  if (!durable_ || context_->with.work == nullptr) return run(std::move(step));
  store::Work work = work_of(step);
  work.started_ms = step.received_ms;
  work.arguments.clear();
  context_->with.work->enqueue(context_->with.io.get_executor(), std::move(work),
                               [flow = shared_from_this(), step = std::move(step),
                                run = std::move(run)](const Result<void>& kept) {
                                 // Where there is no room for the row the flow goes on: its own row
                                 // tells that it began.
                                 if (!flow->finished_) return run(step);
                                 if (kept) flow->context_->with.work->withdraw(step.activation_id);
                               });
}

void Flow::run_step(const entity::ActionPtr& action, std::string payload,
                    std::shared_ptr<FlowAccount> account) {
  if (action->flow != entity::Flow::kNone) {
    return run_flow(action, std::move(payload), std::move(account));
  }
  run_action(action, payload);
}

void Flow::run_action(const entity::ActionPtr& action, std::string_view payload) {
  const entity::RuntimesManifest* runtimes = context_->with.runtimes;
  const entity::Runtime* runtime =
      runtimes == nullptr ? nullptr : runtimes->find(action->exec.kind);
  if (runtime != nullptr && runtime->deprecated) {
    return finish(application_error(entity::deprecated_text(action->exec.kind)));
  }
  const entity::NamespaceLimits* own = invocation_.user.limits.get();
  if (own != nullptr && !own->allows_kind(action->exec.kind)) {
    return finish(application_error(
        "The supplied authentication is not authorized to access actions of kind '" +
        action->exec.kind + "'."));
  }
  Result<std::string> arguments = entity::step_arguments(*context_->defaults.of(*action), payload);
  if (!arguments) return finish(application_error(arguments.error().message()));
  keep_step(make_step(action, std::move(*arguments)),
            [this](Invocation step) { invoke_step(std::move(step)); });
}

void Flow::invoke_step(Invocation step) {
  const std::string id = step.activation_id;
  const std::int64_t memory_mb = step.action->limits.memory_mb;
  steps_.push_back(id);
  context_->steps.add();
  const Status taken = context_->with.next.invoke(
      std::move(step), [flow = shared_from_this(), memory_mb](const entity::Activation& ended) {
        Step came{ended.outcome, ended.result, ended.size};
        flow->took_step(std::move(came), ended.duration_ms, memory_mb);
      });
  if (taken.ok()) return;
  if (context_->with.work != nullptr && durable_) context_->with.work->withdraw(id);
  steps_.pop_back();
  finish(whisk_error(taken.message()));
}

void Flow::run_flow(const entity::ActionPtr& action, std::string payload,
                    std::shared_ptr<FlowAccount> account) {
  // What is bounded by its length may still call itself through a conductor.
  if (depth_ >= context_->options.max_steps) return finish(application_error(kTooDeep));
  keep_step(make_step(action, std::move(payload)),
            [this, account = std::move(account)](Invocation step) {
              steps_.push_back(step.activation_id);
              make_inner_flow(shared_from_this(), std::move(step), account)->start();
            });
}

void Flow::took_step(Step step, std::int64_t duration_ms, std::int64_t memory_mb) {
  if (finished_) return;
  // The step's container is given back only after this.
  boost::asio::post(context_->with.io, [flow = shared_from_this(), step = std::move(step),
                                        duration_ms, memory_mb]() mutable {
    if (flow->finished_) return;
    flow->duration_ms_ += duration_ms;
    flow->memory_mb_ = std::max(flow->memory_mb_, memory_mb);
    flow->step_ended(std::move(step));
  });
}

entity::Activation Flow::make_record(Response response) const {
  const entity::Action& what = *invocation_.action;
  entity::Activation record = record_of(invocation_);
  record.end_ms = context_->with.clock.wall_ms();
  record.start_ms = start_ms_ != 0 ? start_ms_ : record.end_ms;
  record.duration_ms = duration_ms_;
  record.annotations = flow_annotations(
      what, parent_ == nullptr,
      std::max<std::int64_t>(0, record.start_ms - invocation_.received_ms), memory_mb_);
  record.outcome = response.outcome;
  record.result = std::move(response.result);
  record.size = response.size;
  record.logs = steps_;
  return record;
}

void Flow::finish(Response response) {
  if (finished_) return;
  const std::shared_ptr<Flow> keep = shared_from_this();
  entity::Activation record = make_record(std::move(response));
  const std::shared_ptr<FlowContext> context = context_;
  context->outcomes[static_cast<int>(record.outcome)]->add();
  leave();

  store::ActivationStore& store = context->with.activations;
  if (parent_) {
    parent_->took_step({record.outcome, record.result, record.size}, duration_ms_, memory_mb_);
    return store.put_later(std::move(record));
  }
  OutcomeHandler handler = std::move(handler_);
  if (!context->options.record_before_reply || !invocation_.blocking) {
    if (handler) handler(record);
    return store.put_later(std::move(record));
  }
  ++context->writing;
  auto shared = std::make_shared<const entity::Activation>(record);
  store.put(context->with.io.get_executor(), std::move(record),
            [context, handler = std::move(handler), shared](const Result<void>& stored) {
              --context->writing;
              // There may be room later, and the caller need not wait for it.
              if (!stored) context->with.activations.put_later(*shared);
              if (handler) handler(*shared);
            });
}

}  // namespace berth::activation
