// SPDX-License-Identifier: Apache-2.0
#include "base/ids.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <stdexcept>
#include <sys/random.h>
#include <utility>

namespace berth {
namespace {

// Random bytes by way of a per-thread reserve: one system call a few dozen ids.
class RandomReserve {
 public:
  unsigned char next() {
    if (at_ == bytes_.size()) refill();
    return std::exchange(bytes_[at_++], 0);
  }

 private:
  void refill() {
    std::size_t filled = 0;
    while (filled < bytes_.size()) {
      const ssize_t got = getrandom(bytes_.data() + filled, bytes_.size() - filled, 0);
      if (got < 0 && errno != EINTR) throw std::runtime_error("getrandom failed");
      if (got > 0) filled += static_cast<std::size_t>(got);
    }
    at_ = 0;
  }

  std::array<unsigned char, 256> bytes_{};
  std::size_t at_ = bytes_.size();
};

RandomReserve& random_reserve() {
  thread_local RandomReserve reserve;
  return reserve;
}

constexpr std::string_view kHex = "0123456789abcdef";
constexpr std::string_view kAlphanumeric =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

bool is_lower_hex(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

std::string random_alphanumeric(std::size_t count) {
  std::string text;
  text.reserve(count);
  RandomReserve& reserve = random_reserve();
  while (text.size() < count) {
    // 248 is the largest multiple of 62 in a byte: the rest would favour some characters.
    const unsigned char byte = reserve.next();
    if (byte < 248) text.push_back(kAlphanumeric[byte % kAlphanumeric.size()]);
  }
  return text;
}

}  // namespace

std::string random_hex(std::size_t count) {
  std::string text(count * 2, '0');
  RandomReserve& reserve = random_reserve();
  for (std::size_t i = 0; i < count; ++i) {
    const unsigned char byte = reserve.next();
    text[2 * i] = kHex[byte >> 4];
    text[2 * i + 1] = kHex[byte & 15];
  }
  return text;
}

std::string new_activation_id() {
  return random_hex(16);
}

bool is_activation_id(std::string_view text) {
  return text.size() == 32 && std::all_of(text.begin(), text.end(), is_lower_hex);
}

std::string new_transaction_id() {
  return random_alphanumeric(32);
}

std::string new_uuid() {
  std::string hex = random_hex(16);
  hex[12] = '4';
  hex[16] = kHex[8 + (hex[16] & 3)];
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" +
         hex.substr(16, 4) + "-" + hex.substr(20);
}

bool is_uuid(std::string_view text) {
  if (text.size() != 36) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    if (dash ? text[i] != '-' : !is_lower_hex(text[i])) return false;
  }
  return true;
}

std::string new_secret() {
  return random_alphanumeric(64);
}

bool constant_time_equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  volatile unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

}  // namespace berth
