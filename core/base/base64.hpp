// SPDX-License-Identifier: Apache-2.0
// Base64 of RFC 4648, section 4: the standard alphabet with padding. Strict: no line breaks, no
// spaces, no missing padding. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace berth {

// True if the whole text is base64. The empty text is.
bool is_base64(std::string_view text);

// The bytes that the text stands for. INVALID_ARGUMENT names the offending byte (from 0) or the
// length.
Result<std::string> base64_decode(std::string_view text);

std::string base64_encode(std::string_view bytes);

}  // namespace berth
