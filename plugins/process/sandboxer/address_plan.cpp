// SPDX-License-Identifier: Apache-2.0
#include "address_plan.hpp"

#include <algorithm>

namespace berth::process {

void AddressPlan::reset(const Ipv4Range& subnet) {
  subnet_ = subnet;
  next_ = gateway() + 1;
  // The last of all is the subnet's broadcast address.
  last_ = static_cast<uint32_t>(subnet.address + subnet.size() - 2);
  returned_.clear();
  reserved_.insert({subnet.address, gateway(), last_ + 1});
}

bool AddressPlan::fresh(uint32_t address) const {
  return next_ != 0 && next_ <= address && address <= last_;
}

std::optional<uint32_t> AddressPlan::take() {
  while (fresh(next_) && (used_.contains(next_) || reserved_.contains(next_))) ++next_;
  uint32_t address = 0;
  if (fresh(next_)) {
    address = next_++;
  } else if (!returned_.empty()) {
    address = returned_.front();
    returned_.pop_front();
  } else {
    return std::nullopt;
  }
  used_.insert(address);
  return address;
}

void AddressPlan::give_back(uint32_t address) {
  // What is ahead is come to; of another subnet, it is not ours to hand out any more.
  if (used_.erase(address) == 0 || fresh(address)) return;
  if (address > gateway() && address <= last_) returned_.push_back(address);
}

uint32_t AddressPlan::free() const {
  if (next_ == 0) return 0;
  const auto ahead = [&](const std::set<uint32_t>& set) {
    return std::count_if(set.lower_bound(next_), set.end(), [&](uint32_t a) { return fresh(a); });
  };
  const uint32_t fresh_ones = next_ <= last_ ? last_ - next_ + 1 : 0;
  return fresh_ones - static_cast<uint32_t>(ahead(used_) + ahead(reserved_)) +
         static_cast<uint32_t>(returned_.size());
}

}  // namespace berth::process
