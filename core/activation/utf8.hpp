// SPDX-License-Identifier: Apache-2.0
// Bytes of unknown origin as valid UTF-8. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth::activation {

// Whether `text` is UTF-8 (no surrogates, nothing overlong, nothing over U+10FFFF).
bool is_utf8(std::string_view text);
// `text` with every maximal wrong part replaced by U+FFFD.
std::string to_utf8(std::string text);
// The largest length <= `length` at which `text` can be cut without splitting a character.
std::size_t utf8_cut(std::string_view text, std::size_t length);

}  // namespace berth::activation
