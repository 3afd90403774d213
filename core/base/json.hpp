// SPDX-License-Identifier: Apache-2.0
// Our few helpers over Boost.JSON. Thread-safe.
#pragma once

#include <boost/json/value.hpp>
#include <cstddef>
#include <string>
#include <string_view>

#include "base/result.hpp"

namespace berth {

// The text as a JSON string with its quotes.
std::string json_quote(std::string_view text);

// Parses one whole JSON value. The error names line and column.
Result<boost::json::value> parse_json(std::string_view text, std::size_t max_depth = 64);

}  // namespace berth
