// SPDX-License-Identifier: Apache-2.0
// Typed reads of a plugin's configuration, a JSON table that the host has checked against the
// plugin's schema already. What is wrong nevertheless is remembered, the first of it, as
// "where.key: reason". Not thread-safe; the table must outlive the reader.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "berth/sdk/status.hpp"

namespace berth::support {

// "250ms", "60s", "5m", "2h", or an integer of seconds; not negative.
std::optional<std::chrono::milliseconds> duration_of(const boost::json::value& value);

class TableReader {
 public:
  TableReader(const boost::json::object& table, std::string where)
      : table_(table), where_(std::move(where)) {}

  const boost::json::value* find(std::string_view key) const { return table_.if_contains(key); }
  // Each leaves `to` as it is where the key is absent.
  void text(std::string_view key, std::string& to);
  void flag(std::string_view key, bool& to);
  template <typename Integer>
  void number(std::string_view key, std::int64_t least, std::int64_t most, Integer& to) {
    if (const auto given = integer(key, least, most)) to = static_cast<Integer>(*given);
  }
  void time(std::string_view key, std::chrono::milliseconds least, std::chrono::milliseconds& to);
  // Calls `each` with every string of an array; its error is the key's.
  template <typename F>
  void strings(std::string_view key, F each) {
    const boost::json::value* v = find(key);
    if (v == nullptr) return;
    if (!v->is_array()) return refuse(key, "must be an array of strings");
    for (const boost::json::value& one : v->get_array()) {
      if (!one.is_string()) return refuse(key, "must be an array of strings");
      if (const sdk::Status s = each(std::string_view(one.get_string())); !s.ok()) {
        return refuse(key, s.message());
      }
    }
  }
  // Calls `each` with every key and string of a table.
  template <typename F>
  void pairs(std::string_view key, F each) {
    const boost::json::value* v = find(key);
    if (v == nullptr) return;
    if (!v->is_object()) return refuse(key, "must be a table of strings");
    for (const auto& [name, one] : v->get_object()) {
      if (!one.is_string()) return refuse(key, "must be a table of strings");
      if (const sdk::Status s = each(std::string(name), std::string(one.get_string())); !s.ok()) {
        return refuse(key, s.message());
      }
    }
  }
  void refuse(std::string_view key, std::string_view reason);
  const sdk::Status& status() const { return status_; }

 private:
  std::optional<std::int64_t> integer(std::string_view key, std::int64_t least, std::int64_t most);

  const boost::json::object& table_;
  const std::string where_;
  sdk::Status status_;
};

}  // namespace berth::support
