// SPDX-License-Identifier: Apache-2.0
// Brings what is stored encrypted (parameters of entities, alarms, arguments of accepted work) to
// the current key, after an operator has changed it. Private to core/store.
#pragma once

#include "entity/parameter_cipher.hpp"
#include "store/sqlite_connection.hpp"

namespace berth::store {

// Blocks; without effect when the key is the one of the last time. What no key opens stays as it is
// and is told in the log.
Status reseal(Connection& connection, const entity::ParameterCipher& cipher);

}  // namespace berth::store
