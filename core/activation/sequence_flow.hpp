// SPDX-License-Identifier: Apache-2.0
// A sequence: its components one after the other, each with the result of the one before. The first
// that does not succeed is the last, and the sequence ends as it did. Private to the Composer; not
// thread-safe.
#pragma once

#include "activation/flow.hpp"

namespace berth::activation {

class SequenceFlow final : public Flow {
 public:
  using Flow::Flow;

 private:
  void begin() override;
  void resolved(Result<entity::ActionPtr> action) override;
  void step_ended(Step step) override;
  void next();

  std::size_t index_ = 0;  // of the component at hand
  Step last_;
};

}  // namespace berth::activation
