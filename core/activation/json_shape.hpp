// SPDX-License-Identifier: Apache-2.0
// Looks at JSON text without building a tree: is it valid, and what is at the top? Thread-safe.
#pragma once

#include <string_view>

namespace berth::activation {

enum class JsonShape {
  kInvalid,  // not exactly one JSON value in valid UTF-8, or nested deeper than 500
  kScalar,   // string, number, true, false, null
  kArray,
  kObject,           // without a member `error`
  kObjectWithError,  // with a member `error` at the top
};

JsonShape json_shape(std::string_view text);

// The text of a member's value in the text of a valid JSON object, as it stands there; of the last
// one if there are several, empty if there is none.
std::string_view raw_member(std::string_view object, std::string_view key);

}  // namespace berth::activation
