// SPDX-License-Identifier: Apache-2.0
#include "container/container.hpp"

#include "base/log.hpp"

namespace berth::container {

std::string_view to_string(StartKind kind) {
  switch (kind) {
    case StartKind::kCold: return "cold";
    case StartKind::kRecreated: return "recreated";
    case StartKind::kPrewarmed: return "prewarmed";
    case StartKind::kWarm: return "warm";
  }
  return "unknown";
}

bool Container::apply(Event event) {
  const std::optional<State> next = next_state(state, event);
  if (!next) {
    log::error("pool", "a container's event came in a state that has none for it",
               {{"container", name},
                {"state", container::to_string(state)},
                {"event", container::to_string(event)}});
    return false;
  }
  state = *next;
  return true;
}

}  // namespace berth::container
