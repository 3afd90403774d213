// SPDX-License-Identifier: Apache-2.0
#include "entity/sealed_size.hpp"

namespace berth::entity {
namespace {

// As parameter_cipher.hpp describes it: what is around the text.
constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kIvBytes128 = 12;
constexpr std::size_t kIvBytes256 = 128;

}  // namespace

std::size_t opened_size(std::string_view algorithm, std::string_view sealed) {
  const bool is_known = algorithm == "aes-128" || algorithm == "aes-256";
  if (!is_known) return algorithm.size() + sealed.size();
  std::size_t raw = sealed.size() / 4 * 3;
  for (std::string_view end = sealed; end.ends_with('=') && raw > 0; end.remove_suffix(1)) --raw;
  const std::size_t iv = algorithm == "aes-128" ? kIvBytes128 : kIvBytes256;
  const std::size_t around = kLengthBytes + iv + kTagBytes;
  return raw > around ? raw - around : 0;
}

}  // namespace berth::entity
