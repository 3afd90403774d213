// SPDX-License-Identifier: Apache-2.0
// Where an encrypted parameter that a client sends comes from. The key is that of all namespaces:
// who got hold of another's encrypted text must not have it opened by putting it into an entity of
// his own. Private to core/store.
#pragma once

#include <string_view>

#include "entity/action.hpp"
#include "store/sqlite_connection.hpp"

namespace berth::store {

// Of the parameters of what is to be put those that came encrypted, without their values.
entity::Parameters sealed_of(const entity::Parameters& parameters);

// OK if what is stored has each of them, by its name: under the path itself, as GET showed it, or
// elsewhere in the namespace, as who copies an entity sends it. INVALID_ARGUMENT names the one that
// was shown to nobody there. Runs in the writer.
Status check_sealed(Connection& connection, entity::Parameters sealed, std::string_view path,
                    std::string_view namespace_name);

}  // namespace berth::store
