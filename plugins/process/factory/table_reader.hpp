// SPDX-License-Identifier: Apache-2.0
// TableReader: reads the members of a JSON object into variables, with their units and bounds; the
// first that does not fit is the status, which names its key. Not thread-safe.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"

namespace berth::process {

namespace json = boost::json;

struct Unit {
  std::string_view name;
  uint64_t factor;
};
inline constexpr Unit kDurations[] = {{"ms", 1}, {"s", 1000}, {"m", 60'000}, {"h", 3'600'000}};
inline constexpr Unit kSizes[] = {{"KB", 1ull << 10}, {"MB", 1ull << 20},
                                  {"GB", 1ull << 30}, {"kb", 1ull << 10},
                                  {"mb", 1ull << 20}, {"gb", 1ull << 30},
                                  {"K", 1ull << 10},  {"M", 1ull << 20},
                                  {"G", 1ull << 30},  {"B", 1}};
// Bits a second.
inline constexpr Unit kRates[] = {
    {"bit", 1}, {"kbit", 1000}, {"mbit", 1'000'000}, {"gbit", 1'000'000'000}};

template <size_t N>
std::optional<uint64_t> with_unit(std::string_view text, const Unit (&units)[N]) {
  uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  std::string_view unit = text.substr(static_cast<size_t>(end - text.data()));
  while (!unit.empty() && unit.front() == ' ') unit.remove_prefix(1);
  for (const auto& u : units) {
    if (unit == u.name) {
      if (number > UINT64_MAX / u.factor) return std::nullopt;
      return number * u.factor;
    }
  }
  return std::nullopt;
}

class TableReader {
 public:
  // `path` stands before the keys in messages.
  explicit TableReader(const json::object& table, std::string path = "plugin.process.")
      : table_(table), path_(std::move(path)) {}

  const json::value* find(std::string_view key) const { return table_.if_contains(key); }

  void text(std::string_view key, std::string& to) {
    if (const auto* v = find(key)) {
      if (v->is_string()) {
        to = std::string(v->get_string());
      } else {
        refuse(key, "must be a string");
      }
    }
  }
  template <typename Integer>
  void number(std::string_view key, uint64_t least, uint64_t most, Integer& to) {
    const auto* v = find(key);
    if (v == nullptr) return;
    const std::optional<uint64_t> given = integer(*v);
    if (!given || *given < least || *given > most) {
      return refuse(
          key, "must be an integer from " + std::to_string(least) + " to " + std::to_string(most));
    }
    to = static_cast<Integer>(*given);
  }
  void bytes(std::string_view key, uint64_t least, uint64_t& to) {
    const auto* v = find(key);
    if (v == nullptr) return;
    const auto given = v->is_string() ? with_unit(view(*v), kSizes) : integer(*v);
    if (!given || *given < least) {
      return refuse(key,
                    "must be a size such as 512MB, at least " + std::to_string(least) + " bytes");
    }
    to = *given;
  }
  void duration_ms(std::string_view key, uint32_t& to) {
    const auto* v = find(key);
    if (v == nullptr) return;
    auto given = v->is_string() ? with_unit(view(*v), kDurations) : integer(*v);
    if (given && !v->is_string()) *given *= 1000;
    if (!given || *given > 0xffffffffu) {
      return refuse(key, "must be a duration such as 60s, at most 49 days");
    }
    to = static_cast<uint32_t>(*given);
  }
  // Bits a second with a unit, as bytes a second.
  void rate(std::string_view key, uint64_t least, uint64_t& to) {
    const auto* v = find(key);
    if (v == nullptr) return;
    const auto given = v->is_string() ? with_unit(view(*v), kRates) : std::nullopt;
    if (!given || *given / 8 < least) {
      return refuse(key, "must be bits a second such as \"100mbit\", at least " +
                             std::to_string(least * 8 / 1000) + "kbit");
    }
    to = *given / 8;
  }
  void boolean(std::string_view key, bool& to) {
    if (const auto* v = find(key)) {
      if (v->is_bool()) {
        to = v->get_bool();
      } else {
        refuse(key, "must be true or false");
      }
    }
  }
  void refuse(std::string_view key, std::string_view reason) {
    if (!status_.ok()) return;
    status_ = sdk::invalid_argument(path_ + std::string(key) + " " + std::string(reason));
  }
  const sdk::Status& status() const { return status_; }
  // Takes the refusal of a table inside this one, if there is one.
  void adopt(const TableReader& inner) {
    if (status_.ok()) status_ = inner.status_;
  }

 private:
  static std::optional<uint64_t> integer(const json::value& v) {
    if (v.is_uint64()) return v.get_uint64();
    if (v.is_int64() && v.get_int64() >= 0) return static_cast<uint64_t>(v.get_int64());
    return std::nullopt;
  }
  static std::string_view view(const json::value& v) { return {v.get_string()}; }

  const json::object& table_;
  const std::string path_;
  sdk::Status status_;
};

}  // namespace berth::process
