// SPDX-License-Identifier: Apache-2.0
// Basic authentication: from the header's value to uuid and secret. Stateless.
#pragma once

#include <optional>
#include <string_view>

#include "entity/identity.hpp"

namespace berth::api {

// Reads "Basic base64(uuid:secret)". nullopt for another scheme, broken base64, no colon, or a user
// that is no UUID.
std::optional<entity::AuthKey> parse_basic(std::string_view header);

// Reads the text form of a key, "uuid:secret".
std::optional<entity::AuthKey> parse_key(std::string_view text);

}  // namespace berth::api
