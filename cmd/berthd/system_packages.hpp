// SPDX-License-Identifier: Apache-2.0
// The namespace whisk.system with the packages that Berth brings along: utils and alarms. Their
// actions are functions of berthd's own; what is in the store makes them seen and found.
#pragma once

#include "activation/alarm_clock.hpp"
#include "activation/builtin_invoker.hpp"
#include "base/result.hpp"
#include "store/sqlite_store.hpp"

namespace berth::daemon {

// Makes what is missing of them. Blocks; before anything is served.
Status ensure_system_packages(store::SqliteStore& store);

// What the actions do.
void add_system_actions(activation::BuiltinInvoker& builtins, activation::AlarmClock& alarms);

}  // namespace berth::daemon
