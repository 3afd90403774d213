// SPDX-License-Identifier: Apache-2.0
// What happens when a trigger fires: every active rule invokes its action, and one record tells of
// all of it. Private to core/api; belongs to the Api's thread.
#pragma once

#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>

#include "api/service.hpp"
#include "entity/entity.hpp"

namespace berth::api {

struct Firing {
  std::string transaction_id;
  entity::Identity user;  // whose trigger it is
  entity::TriggerPtr trigger;
  std::string payload;          // a JSON object, or blank; the record's result
  boost::json::object headers;  // the actions' `__ow_headers`; empty: they get none
};

// Called once, when all its invocations are accepted and the record is written: with the id of the
// trigger's activation; empty: no rule is active, and nothing happened. 400 for a payload that is
// no object, 429 by the namespace's limit of fires.
using Fired = std::function<void(Checked<std::string> activation_id)>;

void fire(const std::shared_ptr<Service>& service, Firing firing, Fired done);

// The same for who has but the trigger's path, "ns/name": see Api::fire_trigger.
void fire_by_path(const std::shared_ptr<Service>& service, const std::string& path,
                  std::string payload, std::function<void(const Status&)> done);

}  // namespace berth::api
