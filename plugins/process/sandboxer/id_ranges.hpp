// SPDX-License-Identifier: Apache-2.0
// IdRanges: hands out ranges of subordinate host ids, one a sandbox, so that no two sandboxes and
// no user of the host share an id. Freed ranges are reused last. Not thread-safe.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"

namespace berth::process {

class IdRanges {
 public:
  // Ranges of `size` ids in [start, start + count). `seed` decides where to begin, so that several
  // sandboxers on one host seldom meet.
  void reset(uint32_t start, uint32_t count, uint32_t size, uint64_t seed);

  // The first id of a free range, or nothing if all are taken.
  std::optional<uint32_t> take();
  void give_back(uint32_t first_id);

 private:
  uint32_t start_ = 0;
  uint32_t size_ = 1;
  uint32_t slots_ = 0;
  uint32_t first_slot_ = 0;
  uint32_t used_slots_ = 0;  // slots ever handed out, counted from first_slot_
  std::deque<uint32_t> returned_;
};

// Checks that a range is big enough, holds neither 0 nor an ordinary user's id, and overlaps no
// range that the text of /etc/subuid or /etc/subgid gives to anybody but "berth".
sdk::Status check_id_range(uint32_t start, uint32_t count, uint32_t size, std::string_view subids,
                           const std::string& file);

}  // namespace berth::process
