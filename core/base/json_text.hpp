// SPDX-License-Identifier: Apache-2.0
// Appends pieces of JSON to a text: what is made often is made from templates, not from trees.
// Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace berth {

// `text` as a JSON string with its quotes. `text` is valid UTF-8 (or the result is as invalid).
void append_json_string(std::string& out, std::string_view text);
void append_number(std::string& out, std::int64_t number);

}  // namespace berth
