// SPDX-License-Identifier: Apache-2.0
// Boost.JSON is compiled in its shared library; this file only keeps our few helpers over it.
#include "base/json.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/stream_parser.hpp>
#include <boost/json/string.hpp>

namespace berth {

std::string json_quote(std::string_view text) {
  return boost::json::serialize(boost::json::string(text));
}

Result<boost::json::value> parse_json(std::string_view text, std::size_t max_depth) {
  boost::json::parse_options options;
  options.max_depth = max_depth;
  boost::json::stream_parser parser({}, options);
  boost::system::error_code error;
  const std::size_t used = parser.write_some(text.data(), text.size(), error);
  if (!error) parser.finish(error);
  if (!error && used != text.size()) error = boost::json::error::extra_data;
  if (error) {
    std::size_t line = 1;
    std::size_t column = 1;
    for (std::size_t i = 0; i < used && i < text.size(); ++i) {
      if (text[i] == '\n') {
        ++line;
        column = 1;
      } else {
        ++column;
      }
    }
    return sdk::invalid_argument(error.message() + " at line " + std::to_string(line) +
                                 ", column " + std::to_string(column));
  }
  return parser.release();
}

}  // namespace berth
