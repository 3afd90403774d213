// SPDX-License-Identifier: Apache-2.0
// `Refusal`: why a plugin's file is not loaded: the rule it breaks, what was found, and the mend. A
// value; thread-compatible. `Checked<T>` is a T or a Refusal.
#pragma once

#include <boost/system/result.hpp>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <utility>

#include "base/result.hpp"

namespace berth::plugin {

struct Refusal {
  std::string rule;    // one word of the list in examine.hpp, e.g. "exports"
  std::string detail;  // what was found, without full stop
  std::string mend;    // what to do, without full stop

  // FAILED_PRECONDITION "FILE: refused by rule 'RULE': DETAIL. Mend: MEND."
  Status status(const std::filesystem::path& file) const {
    return sdk::failed_precondition(file.string() + ": refused by rule '" + rule + "': " + detail +
                                    ". Mend: " + mend + ".");
  }
};

// Found by argument-dependent lookup from boost::system::result::value().
[[noreturn]] inline void throw_exception_from_error(const Refusal& refusal,
                                                    const boost::source_location&) {
  throw std::logic_error("value() of a refusal: " + refusal.detail);
}

template <typename T>
using Checked = boost::system::result<T, Refusal>;

}  // namespace berth::plugin
