// SPDX-License-Identifier: Apache-2.0
// What the record of every activation begins with: whose it is, and of what. Thread-safe.
#pragma once

#include "activation/invoker.hpp"
#include "entity/activation.hpp"

namespace berth::activation {

// Without times, outcome, annotations and logs.
entity::Activation record_of(const Invocation& invocation);

}  // namespace berth::activation
