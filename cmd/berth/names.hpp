// SPDX-License-Identifier: Apache-2.0
// Names of entities as people write them: "name", "package/name", "/namespace/name" or
// "/namespace/package/name". Stateless.
#pragma once

#include <string>
#include <string_view>

namespace berth::cli {

// The path of the REST API: that of the name in a collection, as "actions". A name without
// namespace is one of the caller's.
std::string entity_path(std::string_view collection, const std::string& name);

// The name with a namespace, "/_/..." if it has none: as one entity names another.
std::string qualified(const std::string& name);

}  // namespace berth::cli
