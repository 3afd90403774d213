// SPDX-License-Identifier: Apache-2.0
// The query parameters of a request, with OpenWhisk's error texts. Stateless after parsing.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "api/errors.hpp"

namespace berth::api {

class Query {
 public:
  // 400 for a broken %-escape.
  static Checked<Query> parse(std::string_view text);

  // The first value of that name.
  std::optional<std::string_view> get(std::string_view name) const;
  // true/yes/on/1 and false/no/off/0 in any case; absent or empty: `standard`.
  Checked<bool> boolean(std::string_view name, bool standard) const;
  // Epoch milliseconds, not negative.
  Checked<std::optional<std::int64_t>> time(std::string_view name) const;
  // An integer in [min, max], else 400 in the words for lists; absent: `standard`.
  Checked<std::int64_t> list_number(std::string_view name, std::int64_t min, std::int64_t max,
                                    std::int64_t standard, std::string_view collection) const;

 private:
  std::vector<std::pair<std::string, std::string>> pairs_;
};

}  // namespace berth::api
