// SPDX-License-Identifier: Apache-2.0
// Whether the code of an action can be what it claims to be, asked before it is stored, so that the
// developer hears it at once and no runtime ever unpacks a hostile archive. Thread-safe.
#pragma once

#include <cstdint>
#include <string_view>

#include "base/result.hpp"
#include "entity/action.hpp"

namespace berth::entity {

struct ArchiveBounds {
  std::uint64_t max_entries = 50'000;
  std::uint64_t max_unpacked_bytes = 512ull * 1024 * 1024;
  // Unpacked bytes a packed byte; counts only from `ratio_from_bytes` unpacked on, since small
  // texts pack arbitrarily well.
  std::uint64_t max_ratio = 200;
  std::uint64_t ratio_from_bytes = 16ull * 1024 * 1024;
};

// Checks exec.code. `claimed_binary`: the client said so; what is not base64 is then refused.
// Binary code must be a zip archive, but for the kinds of `native` and for blackboxes, where it may
// also be a program itself. A zip has no absolute name, no "..", no link out of it, no encryption,
// no damage, and unpacks within `bounds`, both by what it declares and by what is really there.
//
// INVALID_ARGUMENT with the JSON pointer, e.g. "/exec/code: zip entry '../x' leads out of the
// archive". Unpacks the archive once in small pieces, keeping nothing: time grows with
// max_unpacked_bytes.
Status check_code(const Exec& exec, bool claimed_binary, const ArchiveBounds& bounds = {});

}  // namespace berth::entity
