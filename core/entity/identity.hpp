// SPDX-License-Identifier: Apache-2.0
// Who calls: a namespace and one of its keys.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace berth::entity {

struct NamespaceLimits;

// What a key allows: to look, to create and change, to delete, to run and fire.
enum class Right : std::uint8_t { kRead = 1, kPut = 2, kDelete = 4, kActivate = 8 };
// A set of them; all, unless it is said otherwise. The bits stand in the store's file.
struct Rights {
  std::uint8_t bits = 15;

  bool has(Right right) const { return (bits & static_cast<std::uint8_t>(right)) != 0; }
  friend bool operator==(const Rights&, const Rights&) = default;
};
// "read,put,delete,activate", those that there are.
std::string to_string(Rights rights);
// The same back; "write" is put and delete, "invoke" activate, "all" all. nullopt for another word.
std::optional<Rights> parse_rights(std::string_view text);

// A namespace: the unit of ownership, limits and isolation.
struct Namespace {
  std::string name;  // also the subject
  std::string uuid;  // of the namespace; also the user half of its first key
  std::int64_t created_ms = 0;
  bool blocked = false;  // an operator has closed it
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
  Rights rights{};
  bool blocked = false;  // its namespace is; the identity of a key is never one of these
};

// OpenWhisk's rule: [\w]|[\w][\w@ .&-]{0,254}[\w@.&-], ASCII.
bool is_entity_name(std::string_view name);

// Of how many names, 1 to 3, "/ns/[pkg/]name" consists, the slash in front or not and the namespace
// given or not; 0: it is none.
int names_in_path(std::string_view path);

}  // namespace berth::entity
