// SPDX-License-Identifier: Apache-2.0
#include "id_ranges.hpp"

#include <charconv>

namespace berth::process {

void IdRanges::reset(uint32_t start, uint32_t count, uint32_t size, uint64_t seed) {
  start_ = start;
  size_ = size;
  slots_ = size == 0 ? 0 : count / size;
  first_slot_ = slots_ == 0 ? 0 : static_cast<uint32_t>(seed % slots_);
  used_slots_ = 0;
  returned_.clear();
}

std::optional<uint32_t> IdRanges::take() {
  if (used_slots_ < slots_) {
    const uint64_t slot = (uint64_t{first_slot_} + used_slots_++) % slots_;
    return start_ + static_cast<uint32_t>(slot) * size_;
  }
  if (returned_.empty()) return std::nullopt;
  const uint32_t first = returned_.front();
  returned_.pop_front();
  return first;
}

void IdRanges::give_back(uint32_t first_id) {
  // A range of an earlier configuration is not ours to hand out any more.
  if (first_id < start_ || (first_id - start_) % size_ != 0 ||
      (first_id - start_) / size_ >= slots_) {
    return;
  }
  returned_.push_back(first_id);
}

sdk::Status check_id_range(uint32_t start, uint32_t count, uint32_t size, std::string_view subids,
                           const std::string& file) {
  constexpr uint32_t kOrdinary = 65536;
  const uint64_t end = uint64_t{start} + count;
  const std::string name = std::to_string(start) + "+" + std::to_string(count);
  if (start < kOrdinary || end > 0xfffffffeu) {
    return sdk::invalid_argument("subordinate ids " + name +
                                 " must lie between 65536 and 4294967293");
  }
  if (size <= 1000 || size > count) {
    return sdk::invalid_argument(
        "subordinate_size must be more than 1000 and at most the count, not " +
        std::to_string(size));
  }
  while (!subids.empty()) {
    const size_t newline = subids.find('\n');
    std::string_view line = subids.substr(0, newline);
    subids.remove_prefix(newline == std::string_view::npos ? subids.size() : newline + 1);
    const size_t a = line.find(':');
    const size_t b = a == std::string_view::npos ? a : line.find(':', a + 1);
    if (b == std::string_view::npos) continue;
    const std::string_view owner = line.substr(0, a);
    uint64_t from = 0, n = 0;
    std::from_chars(line.data() + a + 1, line.data() + b, from);
    std::from_chars(line.data() + b + 1, line.data() + line.size(), n);
    if (owner == "berth" || from >= end || from + n <= start) continue;
    return sdk::failed_precondition("subordinate ids " + name + " overlap those of '" +
                                    std::string(owner) + "' in " + file +
                                    ": choose another subordinate_start");
  }
  return {};
}

}  // namespace berth::process
