// SPDX-License-Identifier: Apache-2.0
// The boundary's text and pairs as C++ sees them.
//
// Views (`std::string_view`, `PairsView`) borrow: they are valid until the call they came with
// returns. `Pairs` owns. Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/plugin/abi.h"

namespace berth::sdk {

// A multi-map that owns: a key may stand more than once and the order is kept.
using Pairs = std::vector<std::pair<std::string, std::string>>;

inline std::string_view view(berth_str text) {
  return text.len == 0 ? std::string_view() : std::string_view(text.data, text.len);
}

// Borrows from `text`.
inline berth_str str(std::string_view text) {
  return berth_str{text.data(), text.size()};
}

// A borrowed multi-map.
//
//   for (auto [key, value] : request.environment) use(key, value);
class PairsView {
 public:
  using value_type = std::pair<std::string_view, std::string_view>;

  class iterator {
   public:
    explicit iterator(const berth_pair* at) : at_(at) {}
    value_type operator*() const { return {view(at_->key), view(at_->value)}; }
    iterator& operator++() {
      ++at_;
      return *this;
    }
    bool operator==(const iterator& other) const { return at_ == other.at_; }
    bool operator!=(const iterator& other) const { return at_ != other.at_; }

   private:
    const berth_pair* at_;
  };

  PairsView() = default;
  explicit PairsView(berth_pairs pairs) : pairs_(pairs) {}

  std::size_t size() const { return static_cast<std::size_t>(pairs_.count); }
  bool empty() const { return pairs_.count == 0; }
  value_type operator[](std::size_t i) const {
    return {view(pairs_.data[i].key), view(pairs_.data[i].value)};
  }
  iterator begin() const { return iterator(pairs_.data); }
  iterator end() const { return iterator(pairs_.data + pairs_.count); }

  // The first value of `key`, or `otherwise`.
  std::string_view get(std::string_view key, std::string_view otherwise = {}) const {
    for (auto [k, v] : *this) {
      if (k == key) return v;
    }
    return otherwise;
  }

  Pairs clone() const {
    Pairs copy;
    copy.reserve(size());
    for (auto [key, value] : *this) copy.emplace_back(key, value);
    return copy;
  }

 private:
  berth_pairs pairs_{nullptr, 0};
};

// Pairs in the boundary's form, borrowing from whatever it was made of.
class PairArray {
 public:
  PairArray() = default;
  template <typename Range>
  explicit PairArray(const Range& range) {
    for (const auto& [key, value] : range) array_.push_back(berth_pair{str(key), str(value)});
  }
  // Valid as long as this object and the text it was made of.
  berth_pairs get() const { return berth_pairs{array_.data(), array_.size()}; }

 private:
  std::vector<berth_pair> array_;
};

namespace detail {

// Hands `text` over as a berth_buf without copying it. The receiver releases it.
inline berth_buf hand_over(std::string text) {
  if (text.empty()) return berth_buf{nullptr, 0, nullptr, nullptr};
  auto* owned = new std::string(std::move(text));
  return berth_buf{
      owned->data(), owned->size(),
      [](void* context, const char*, std::uint64_t) { delete static_cast<std::string*>(context); },
      owned};
}

// Releases a berth_buf that was handed to us.
inline void release(const berth_buf& buf) {
  if (buf.release != nullptr) buf.release(buf.context, buf.data, buf.len);
}

}  // namespace detail
}  // namespace berth::sdk
