// SPDX-License-Identifier: Apache-2.0
#include "mesos/scheduler/basic_auth.hpp"

#include <string_view>

namespace berth::mesos {
namespace {

std::string base64(std::string_view bytes) {
  static constexpr char kDigits[] =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    unsigned block = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      block = block << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0u);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      text += i + k > bytes.size() ? '=' : kDigits[block >> (18 - 6 * k) & 63];
    }
  }
  return text;
}

}  // namespace

std::string basic_auth(const std::string& principal, const std::string& secret) {
  return "Authorization: Basic " + base64(principal + ":" + secret);
}

}  // namespace berth::mesos
