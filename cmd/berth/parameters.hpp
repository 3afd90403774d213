// SPDX-License-Identifier: Apache-2.0
// Parameters and annotations from the command line and from files. Throws Exit(kUsage).
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <string>
#include <utility>
#include <vector>

namespace berth::cli {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// The text as JSON if it is JSON, else as a string: 1, true, [1,2], {"a":1}, hello.
boost::json::value parse_value(const std::string& text);

// A file with a JSON object ("-": standard input), then the pairs over it.
boost::json::object parse_parameters(const std::string& file, const Pairs& pairs);

// [{"key","value"}…], with "init": true where `init` is.
boost::json::array to_list(const boost::json::object& parameters, bool init = false);

// The whole of a file, or of standard input for "-".
std::string read_input(const std::string& file);

}  // namespace berth::cli
