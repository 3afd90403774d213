// SPDX-License-Identifier: Apache-2.0
// The tables of the store and their versions. The version stands in the file's user_version; every
// change is one more step here, never an edit of an old one. Private to core/store.
#pragma once

#include "base/result.hpp"
#include "store/sqlite_connection.hpp"

namespace berth::store {

// The version that this program writes.
extern const int kSchemaVersion;

// Makes the tables of an empty file, or brings an older file up to kSchemaVersion, each step in one
// transaction. FAILED_PRECONDITION for a file of a newer version, or one that is not Berth's.
Status prepare_schema(Connection& connection);

// OK for a file of Berth's of exactly this version; changes nothing.
Status check_version(Connection& connection);

}  // namespace berth::store
