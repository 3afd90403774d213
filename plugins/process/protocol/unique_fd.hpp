// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "support/unique_fd.hpp"

namespace berth::process {

using support::UniqueFd;

}  // namespace berth::process
