// SPDX-License-Identifier: Apache-2.0
// What a namespace has, and what it does now, for an operator. Private to core/api; belongs to the
// Api's thread.
#pragma once

#include <boost/json/value.hpp>
#include <functional>
#include <memory>

#include "api/service.hpp"

namespace berth::api {

// {"name","blocked","actions","packages","triggers","rules","apis","activations",
//  "invocationsLastMinute","running","firesLastMinute"}; `done` is called once, later.
void usage_of(const std::shared_ptr<Service>& service, const entity::Identity& who,
              std::function<void(Result<boost::json::value>)> done);

}  // namespace berth::api
