// SPDX-License-Identifier: Apache-2.0
// Who calls: a namespace and one of its keys.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace berth::entity {

struct NamespaceLimits;

// A namespace: the unit of ownership, limits and isolation.
struct Namespace {
  std::string name;  // also the subject
  std::string uuid;  // of the namespace; also the user half of its first key
  std::int64_t created_ms = 0;
};

// One key, "uuid:secret" as clients send it by Basic authentication.
struct AuthKey {
  std::string uuid;
  std::string secret;
};

// The authenticated caller of one request.
struct Identity {
  std::string subject;
  std::string namespace_name;
  std::string namespace_uuid;
  AuthKey key;
  std::shared_ptr<const NamespaceLimits> limits{};  // null: those of all namespaces
};

// OpenWhisk's rule: [\w]|[\w][\w@ .&-]{0,254}[\w@.&-], ASCII.
bool is_entity_name(std::string_view name);

// Of how many names, 1 to 3, "/ns/[pkg/]name" consists, the slash in front or not and the namespace
// given or not; 0: it is none.
int names_in_path(std::string_view path);

}  // namespace berth::entity
