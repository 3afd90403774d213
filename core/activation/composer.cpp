// SPDX-License-Identifier: Apache-2.0
#include "activation/composer.hpp"

#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <utility>
#include <vector>

#include "activation/conductor_flow.hpp"
#include "activation/flow.hpp"
#include "activation/resolver.hpp"
#include "activation/sequence_flow.hpp"
#include "base/json_text.hpp"
#include "base/log.hpp"

namespace berth::activation {
namespace {
constexpr std::chrono::milliseconds kPoll{5};
}

ResolveStep resolve_by_name(boost::asio::io_context& io, store::EntityStore& entities) {
  return [&io, resolver = std::make_shared<Resolver>(entities)](
             const entity::Identity& user, const std::string& path,
             store::Done<entity::ActionPtr> done) {
    resolver->resolve(io.get_executor(), split_action_path(path), user.namespace_name,
                      std::move(done));
  };
}

FlowContext::FlowContext(ComposerDependencies the_dependencies, ComposerOptions the_options)
    : with(std::move(the_dependencies)),
      options(the_options),
      steps(with.metrics.counter("berth_flow_steps_total",
                                 "Actions run as steps of sequences and compositions")),
      in_flight(with.metrics.gauge("berth_flows_in_flight",
                                   "Sequences and compositions without an outcome")) {
  for (int i = 0; i < 4; ++i) {
    std::string outcome(entity::to_string(static_cast<entity::Outcome>(i)));
    for (char& c : outcome) {
      if (c == ' ') c = '_';
    }
    outcomes[i] =
        &with.metrics.counter("berth_flows_total", "Finished sequences and compositions by outcome",
                              {{"outcome", outcome}});
  }
}

bool FlowContext::has_room(const std::string& namespace_name) const {
  if (flows.size() < options.max_flows) return true;
  const auto own = by_namespace.find(namespace_name);
  const std::size_t has = own == by_namespace.end() ? 0 : own->second;
  const std::size_t others = by_namespace.size() - (has == 0 ? 0 : 1);
  return others > 0 && has < options.max_flows / (others + 1);
}

std::shared_ptr<Flow> make_flow(std::shared_ptr<FlowContext> context, Invocation invocation,
                                OutcomeHandler handler) {
  if (invocation.action->flow == entity::Flow::kSequence) {
    return std::make_shared<SequenceFlow>(std::move(context), std::move(invocation),
                                          std::move(handler));
  }
  return std::make_shared<ConductorFlow>(std::move(context), std::move(invocation),
                                         std::move(handler));
}

std::shared_ptr<Flow> make_inner_flow(std::shared_ptr<Flow> parent, Invocation invocation,
                                      std::shared_ptr<FlowAccount> account) {
  if (invocation.action->flow == entity::Flow::kSequence) {
    return std::make_shared<SequenceFlow>(std::move(parent), std::move(invocation),
                                          std::move(account));
  }
  return std::make_shared<ConductorFlow>(std::move(parent), std::move(invocation),
                                         std::move(account));
}

std::string flow_annotations(const entity::Action& action, bool topmost, std::int64_t wait_ms,
                             std::int64_t memory_mb) {
  std::string text;
  text.reserve(320);
  text.append(R"([{"key":"topmost","value":)").append(topmost ? "true" : "false");
  text.append(R"(},{"key":"path","value":)");
  append_json_string(text, action.path());
  text.append(R"(},{"key":"kind","value":"sequence")");
  if (action.flow == entity::Flow::kConductor) text.append(R"(},{"key":"conductor","value":true)");
  if (!topmost) text.append(R"(},{"key":"causedBy","value":"sequence")");
  text.append(R"(},{"key":"waitTime","value":)");
  append_number(text, wait_ms);
  if (memory_mb > 0) {
    text.append(R"(},{"key":"limits","value":{"concurrency":)");
    append_number(text, action.limits.concurrency);
    text.append(R"(,"logs":)");
    append_number(text, action.limits.logs_mb);
    text.append(R"(,"memory":)");
    append_number(text, memory_mb);
    text.append(R"(,"timeout":)");
    append_number(text, action.limits.timeout_ms);
    text.push_back('}');
  }
  text.append("}]");
  return text;
}

Composer::Composer(ComposerDependencies dependencies, ComposerOptions options)
    : context_(std::make_shared<FlowContext>(std::move(dependencies), options)) {}

Composer::~Composer() {
  context_->stopping = true;
  while (!context_->flows.empty()) context_->flows.front().drop();
}

Status Composer::invoke(Invocation invocation, OutcomeHandler handler) {
  if (invocation.action->flow == entity::Flow::kNone) {
    if (context_->stopping) return sdk::unavailable("Berth is shutting down");
    return context_->with.next.invoke(std::move(invocation), std::move(handler));
  }
  if (context_->stopping) return sdk::unavailable("Berth is shutting down");
  if (!context_->has_room(invocation.user.namespace_name)) {
    return sdk::resource_exhausted("too many sequences are under way");
  }
  make_flow(context_, std::move(invocation), std::move(handler))->start();
  return {};
}

const Invocation* Composer::set_durable(std::string_view activation_id, bool durable) {
  for (Flow& flow : context_->flows) {
    if (flow.invocation().activation_id != activation_id) continue;
    flow.set_durable(durable);
    return nullptr;  // its steps may be at work
  }
  return context_->with.next.set_durable(activation_id, durable);
}

std::chrono::seconds Composer::retry_after() const {
  return context_->with.next.retry_after();
}

bool Composer::logs_pending(std::string_view activation_id) const {
  return context_->with.next.logs_pending(activation_id);
}

boost::asio::awaitable<void> Composer::shut_down(SteadyTime deadline) {
  const std::shared_ptr<FlowContext> context = context_;
  const Clock& clock = context->with.clock;
  context->stopping = true;
  std::vector<std::shared_ptr<Flow>> left;
  for (Flow& flow : context->flows) {
    if (flow.waits_for_room()) left.push_back(flow.shared_from_this());
  }
  for (const std::shared_ptr<Flow>& flow : left) flow->drop();
  // The next Invoker takes nothing once it stops, and flows still have steps to run: for those it
  // has its containers, and not for what the next start runs.
  context->with.next.leave_waiting();
  boost::asio::steady_timer timer(context->with.io);
  while (!context->flows.empty() && clock.steady_now() < deadline) {
    timer.expires_after(kPoll);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  if (!context->flows.empty()) {
    log::warn("invoker", "sequences are interrupted by the shutdown",
              {{"count", fmt::to_string(context->flows.size())}});
  }
  while (!context->flows.empty()) {
    Flow& flow = context->flows.front();
    // The mark still waits for the disk: nothing ran.
    if (flow.can_be_left()) {
      flow.drop();
    } else {
      flow.interrupt();
    }
  }
  co_await context->with.next.shut_down(deadline);
}

std::size_t Composer::flows() const {
  return context_->flows.size();
}

}  // namespace berth::activation
