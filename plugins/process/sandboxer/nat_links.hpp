// SPDX-License-Identifier: Apache-2.0
// The interfaces of network = "nat", by netlink: the bridge, and pairs of which one end is a port
// of it, isolated from the others, and the other a sandbox's "eth0". Everything happens in the
// calling thread's network namespace. Free functions without state.
#pragma once

#include <cstdint>
#include <string>

#include "berth/sdk/status.hpp"

namespace berth::process::links {

sdk::Status make_bridge(const std::string& name);
// Gives the bridge an address of the subnet (if it has not got it yet) and sets it up.
sdk::Status add_gateway(const std::string& bridge, uint32_t address, uint8_t prefix);
sdk::Status remove(const std::string& name);
// No error if it has gone meanwhile.
sdk::Status remove(unsigned index);

// Makes the pair, with "eth0" in the namespace `ns`, and connects it. `bandwidth` in bytes a second
// limits what goes to the sandbox; 0: nothing does. `index` is that of the end in the bridge.
sdk::Status make_pair(const std::string& name, const std::string& bridge, int ns,
                      uint64_t bandwidth, unsigned& index);

// In the sandbox's namespace: address, route and limit of what leaves it.
sdk::Status configure_inside(uint32_t address, uint32_t gateway, uint64_t bandwidth);
sdk::Status change_address(uint32_t from, uint32_t to);
sdk::Status bring_loopback_up();

}  // namespace berth::process::links
