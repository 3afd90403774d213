// SPDX-License-Identifier: Apache-2.0
#include "address_plan.hpp"

namespace berth::process {

void AddressPlan::reset(const Ipv4Range& subnet) {
  subnet_ = subnet;
  next_ = gateway() + 1;
  // The last of all is the subnet's broadcast address.
  last_ = static_cast<uint32_t>(subnet.address + subnet.size() - 2);
  returned_.clear();
}

std::optional<uint32_t> AddressPlan::take() {
  if (next_ != 0 && next_ <= last_) return next_++;
  if (returned_.empty()) return std::nullopt;
  const uint32_t address = returned_.front();
  returned_.pop_front();
  return address;
}

void AddressPlan::give_back(uint32_t address) {
  // Of an earlier subnet, which is not ours to hand out any more.
  if (!subnet_.contains(address)) return;
  returned_.push_back(address);
}

uint32_t AddressPlan::free() const {
  const uint32_t fresh = next_ != 0 && next_ <= last_ ? last_ - next_ + 1 : 0;
  return fresh + static_cast<uint32_t>(returned_.size());
}

}  // namespace berth::process
