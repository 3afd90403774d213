// SPDX-License-Identifier: Apache-2.0
// Base64 of RFC 4648 with padding. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace berth::support {

// kUrl: the alphabet for URLs and file names, with '-' and '_'.
enum class Base64 { kStandard, kUrl };

std::string base64_encode(std::string_view bytes, Base64 variant = Base64::kStandard);

// The bytes that `text` of either alphabet stands for, with its padding or without. Nothing if it
// is not base64.
std::optional<std::string> base64_decode(std::string_view text);

}  // namespace berth::support
