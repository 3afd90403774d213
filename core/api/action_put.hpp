// SPDX-License-Identifier: Apache-2.0
// The body of PUT .../actions/NAME, and what it makes of an action. Stateless.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "api/errors.hpp"
#include "api/put_parts.hpp"
#include "entity/action.hpp"
#include "entity/limits.hpp"
#include "entity/runtimes.hpp"

namespace berth::api {

// What the body gives; members that it does not have are empty. Unknown members are ignored:
// clients send back whole entities.
struct ActionPut : CommonPut {
  std::optional<entity::Exec> exec;
  std::optional<boost::json::value> limits;  // checked over those it is applied to
  std::vector<std::string> removed_annotations;
};

// Reads and checks everything that needs no other entity, the code included; takes as long as the
// code is big. 400 (with the JSON pointer) or 413.
Checked<ActionPut> parse_action_put(std::string_view body, const entity::RuntimesManifest& runtimes,
                                    const entity::LimitBounds& bounds);

// A new action under that name. 400 if the body has no exec.
Checked<entity::Action> create_action(ActionPut put, std::string namespace_name,
                                      std::string package, std::string name,
                                      const entity::LimitBounds& bounds, std::int64_t now_ms);
// `existing` with the body's members over its own: parameters replaced, annotations by key.
Checked<entity::Action> update_action(ActionPut put, const entity::Action& existing,
                                      const entity::LimitBounds& bounds, std::int64_t now_ms);

}  // namespace berth::api
