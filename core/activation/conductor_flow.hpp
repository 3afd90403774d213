// SPDX-License-Identifier: Apache-2.0
// A composition: an action, the conductor, is asked for the next step again and again. It answers
// {"action", "params"?, "state"?} for a step, whose result it is then asked with, `state` merged
// in; an answer without `action` ends the composition. What goes wrong with a step is told to the
// conductor as {"error"}. Private to the Composer; not thread-safe.
#pragma once

#include <boost/json/object.hpp>

#include "activation/flow.hpp"

namespace berth::activation {

class ConductorFlow final : public Flow {
 public:
  using Flow::Flow;

 private:
  void begin() override;
  void resolved(Result<entity::ActionPtr> action) override;
  void step_ended(Step step) override;
  void ask(std::string payload);
  void ask_with_error(std::string_view text);
  void decide(Step step);

  boost::json::object state_;
  std::string next_;     // the path of the component at hand
  std::string payload_;  // for it
  bool asking_ = false;  // the step at hand is the conductor itself
};

}  // namespace berth::activation
