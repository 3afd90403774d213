// SPDX-License-Identifier: Apache-2.0
// The rules for a plugin's config_schema itself: JSON Schema draft 4, strictly. A keyword that is
// unknown or of the wrong type is an error rather than a check that silently does not happen;
// references are local and do not recurse. Stateless; thread-safe.
//
// Patterns are ECMAScript's, of at most 512 bytes, and are tried on text of at most 1024 bytes:
// longer text is refused. Objects and arrays in "enum" are refused.
#pragma once

#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace berth::plugin {

// Names from the root of a configuration down; none stands for any one name or index.
using SecretPath = std::vector<std::optional<std::string>>;

struct PlainSchema {
  boost::json::value schema;        // references replaced, annotations left out
  std::vector<SecretPath> secrets;  // marked "writeOnly": true
};

// Checks a schema and makes it plain. INVALID_ARGUMENT names the JSON pointer within the schema.
Result<PlainSchema> make_plain_schema(const boost::json::value& schema);

// Appends one name to a JSON pointer, escaped.
std::string pointer_append(std::string_view pointer, std::string_view name);

}  // namespace berth::plugin
