// SPDX-License-Identifier: Apache-2.0
// The hash of maps that are looked up by texts. Stateless.
#pragma once

#include <cstddef>
#include <functional>
#include <string_view>

namespace berth {

// With std::equal_to<> nothing is copied to look for a std::string_view. Also faster than std::hash
// in small maps, of which the library would compare the texts one after the other.
struct TextHash {
  using is_transparent = void;
  std::size_t operator()(std::string_view text) const {
    return std::hash<std::string_view>()(text);
  }
};

}  // namespace berth
