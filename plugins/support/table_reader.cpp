// SPDX-License-Identifier: Apache-2.0
#include "support/table_reader.hpp"

#include <charconv>

namespace berth::support {
namespace {
constexpr long long kLongest = 1'000'000'000;
}

std::optional<std::chrono::milliseconds> duration_of(const boost::json::value& value) {
  if (value.is_int64() && value.get_int64() >= 0) return std::chrono::seconds(value.get_int64());
  if (!value.is_string()) return std::nullopt;
  const std::string_view text(value.get_string());
  long long number = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, number);
  if (parsed.ec != std::errc{} || number < 0 || number > kLongest) return std::nullopt;
  const std::string_view unit(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  if (unit == "ms") return std::chrono::milliseconds(number);
  if (unit == "s") return std::chrono::seconds(number);
  if (unit == "m") return std::chrono::minutes(number);
  if (unit == "h") return std::chrono::hours(number);
  return std::nullopt;
}

void TableReader::text(std::string_view key, std::string& to) {
  const boost::json::value* v = find(key);
  if (v == nullptr) return;
  if (!v->is_string()) return refuse(key, "must be a string");
  to = std::string(v->get_string());
}

void TableReader::flag(std::string_view key, bool& to) {
  const boost::json::value* v = find(key);
  if (v == nullptr) return;
  if (!v->is_bool()) return refuse(key, "must be true or false");
  to = v->get_bool();
}

void TableReader::time(std::string_view key, std::chrono::milliseconds least,
                       std::chrono::milliseconds& to) {
  const boost::json::value* v = find(key);
  if (v == nullptr) return;
  const auto given = duration_of(*v);
  if (!given || *given < least) return refuse(key, "must be a duration such as 60s");
  to = *given;
}

void TableReader::refuse(std::string_view key, std::string_view reason) {
  if (!status_.ok()) return;
  status_ = sdk::invalid_argument(where_ + "." + std::string(key) + ": " + std::string(reason));
}

std::optional<std::int64_t> TableReader::integer(std::string_view key, std::int64_t least,
                                                 std::int64_t most) {
  const boost::json::value* v = find(key);
  if (v == nullptr) return std::nullopt;
  if (v->is_int64() && v->get_int64() >= least && v->get_int64() <= most) return v->get_int64();
  refuse(key, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
  return std::nullopt;
}

}  // namespace berth::support
