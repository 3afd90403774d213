// SPDX-License-Identifier: Apache-2.0
#include "activation/sequence_flow.hpp"

#include <utility>

#include "base/log.hpp"

namespace berth::activation {
namespace {

constexpr std::string_view kTooLong = "Too many actions in the sequence.";
constexpr std::string_view kFailed = "Sequence failed.";

}  // namespace

void SequenceFlow::begin() {
  last_.result = invocation().arguments;
  next();
}

void SequenceFlow::next() {
  const std::vector<std::string>& components = action().exec.components;
  if (index_ >= components.size()) {
    return finish({last_.outcome, std::move(last_.result), last_.size});
  }
  // They are kept with the slash in front with which they are shown.
  resolve(components[index_].substr(1));
}

void SequenceFlow::resolved(Result<entity::ActionPtr> found) {
  if (!found) {
    log::info("invoker", "a sequence's component cannot be run",
              {{"transaction", invocation().transaction_id},
               {"activation", invocation().activation_id},
               {"component", action().exec.components[index_]},
               {"reason", found.error().to_string()}});
    return finish(whisk_error(kFailed));
  }
  const entity::ActionPtr component = std::move(*found);
  const bool is_sequence = component->flow == entity::Flow::kSequence;
  if (!is_sequence && ++account()->actions > context().options.max_steps) {
    return finish(application_error(kTooLong));
  }
  ++index_;
  run_step(component, std::move(last_.result), is_sequence ? account() : nullptr);
}

void SequenceFlow::step_ended(Step step) {
  last_ = std::move(step);
  if (last_.outcome != entity::Outcome::kSuccess) {
    return finish({last_.outcome, std::move(last_.result), last_.size});
  }
  next();
}

}  // namespace berth::activation
