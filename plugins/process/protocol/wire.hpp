// SPDX-License-Identifier: Apache-2.0
// Writer and Reader: the byte form of the messages between the plugin and berth-sandboxer.
// Fixed-width little-endian integers and length-prefixed strings, nothing self-describing;
// protocol.hpp says what stands in each message.
//
// Both ends run on one machine, but a reader still trusts no length: a Reader that ran past its end
// stays failed and yields zeros, so a decoder checks `ok()` once at its end. Not thread-safe.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace berth::process {

class Writer {
 public:
  void u8(uint8_t v) { out_.push_back(static_cast<char>(v)); }
  void u32(uint32_t v) { little_endian(v, 4); }
  void u64(uint64_t v) { little_endian(v, 8); }
  void i32(int32_t v) { u32(static_cast<uint32_t>(v)); }
  void i64(int64_t v) { u64(static_cast<uint64_t>(v)); }
  void text(std::string_view v) {
    u32(static_cast<uint32_t>(v.size()));
    out_.append(v);
  }
  void texts(const std::vector<std::string>& v) {
    u32(static_cast<uint32_t>(v.size()));
    for (const auto& s : v) text(s);
  }
  const std::string& bytes() const { return out_; }
  std::string take() { return std::move(out_); }
  size_t size() const { return out_.size(); }

 private:
  void little_endian(uint64_t v, int n) {
    for (int i = 0; i < n; ++i) out_.push_back(static_cast<char>(v >> (8 * i)));
  }

  std::string out_;
};

class Reader {
 public:
  explicit Reader(std::string_view in) : in_(in) {}

  uint8_t u8() { return static_cast<uint8_t>(little_endian(1)); }
  uint32_t u32() { return static_cast<uint32_t>(little_endian(4)); }
  uint64_t u64() { return little_endian(8); }
  int32_t i32() { return static_cast<int32_t>(u32()); }
  int64_t i64() { return static_cast<int64_t>(u64()); }
  std::string_view view() {
    const uint32_t n = u32();
    if (n > in_.size()) {
      fail();
      return {};
    }
    auto v = in_.substr(0, n);
    in_.remove_prefix(n);
    return v;
  }
  std::string text() { return std::string(view()); }
  std::vector<std::string> texts() {
    const uint32_t n = u32();
    // Each string takes at least its length prefix, so a count beyond that is a lie; checking it
    // here keeps a bad message from reserving memory.
    if (n > in_.size() / 4) {
      fail();
      return {};
    }
    std::vector<std::string> v;
    v.reserve(n);
    for (uint32_t i = 0; i < n && ok_; ++i) v.push_back(text());
    return v;
  }

  bool ok() const { return ok_; }
  bool at_end() const { return in_.empty(); }

 private:
  uint64_t little_endian(size_t n) {
    if (in_.size() < n) {
      fail();
      return 0;
    }
    uint64_t v = 0;
    for (size_t i = 0; i < n; ++i) v |= uint64_t{static_cast<unsigned char>(in_[i])} << (8 * i);
    in_.remove_prefix(n);
    return v;
  }
  void fail() {
    ok_ = false;
    in_ = {};
  }

  std::string_view in_;
  bool ok_ = true;
};

}  // namespace berth::process
