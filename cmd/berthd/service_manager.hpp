// SPDX-License-Identifier: Apache-2.0
// Tells a service manager how far we are (the protocol of sd_notify, without its library).
#pragma once

#include <string_view>

namespace berth::daemon {

// Sends one state, e.g. "READY=1" or "STOPPING=1", to $NOTIFY_SOCKET. Without one: nothing.
void notify_service_manager(std::string_view state);

}  // namespace berth::daemon
