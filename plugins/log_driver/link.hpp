// SPDX-License-Identifier: Apache-2.0
// The template of a link to the logs of an activation. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "berth/sdk/log_store.hpp"

namespace berth::log_driver {

// The first {name} in the template that fill_link() does not know; empty if there is none.
std::string unknown_in_link(std::string_view link);
// "{activation}, {namespace}, ..."
std::string link_names();
// The template with its names replaced, escaped for a URL. An unknown time is empty.
std::string fill_link(std::string_view link, const sdk::ActivationRefView& activation);

}  // namespace berth::log_driver
