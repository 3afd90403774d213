// SPDX-License-Identifier: Apache-2.0
// The actions of the package /whisk.system/utils: echo, date, sort, split, cat. Stateless.
#pragma once

#include <string_view>
#include <vector>

#include "activation/builtin_invoker.hpp"

namespace berth::activation {

struct Utility {
  std::string_view name;
  std::string_view description;
  Builtin run;
};

// All of them; `clock` is that of `date` and must outlive them.
std::vector<Utility> utilities(const Clock& clock);

}  // namespace berth::activation
