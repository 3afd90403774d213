// SPDX-License-Identifier: Apache-2.0
// `Result<T>`: a value or the Status that says why there is none. Errors are values in Berth;
// exceptions live only at the edges of libraries and for bugs.
//
//   Result<Config> load(std::string_view path);
//   auto config = load(path);
//   if (!config) return config.error();
//   use(*config);
//
// Reading the value of a failed Result is a bug: it throws std::logic_error with the status' text.
// Put no OK status into a Result<T>.
#pragma once

#include <boost/system/result.hpp>
#include <stdexcept>

#include "berth/sdk/status.hpp"

namespace berth::sdk {
// Found by argument-dependent lookup from boost::system::result::value().
[[noreturn]] inline void throw_exception_from_error(const Status& status,
                                                    const boost::source_location&) {
  throw std::logic_error("value() of a failed Result: " + status.to_string());
}
}  // namespace berth::sdk

namespace berth {

using sdk::Status;
using sdk::StatusCode;

template <typename T>
using Result = boost::system::result<T, Status>;

}  // namespace berth
