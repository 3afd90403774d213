// SPDX-License-Identifier: Apache-2.0
// `KeyStore`: the keys of namespaces beside their own, for operators. Each belongs to a subject, a
// person or program that may have keys of several namespaces; each has rights, and may end. All
// calls are thread-safe and asynchronous, as in stores.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "entity/identity.hpp"
#include "store/stores.hpp"

namespace berth::store {

struct Key {
  std::string namespace_name;
  std::string subject;
  entity::AuthKey key;
  entity::Rights rights;
  std::int64_t created_ms = 0;
  std::int64_t expires_ms = 0;  // wall time; 0: never
  std::int64_t old_until_ms =
      0;             // until when the secret before this one opens, too; 0: there is none
  bool own = false;  // the namespace's own: made with it, has all rights, goes with it
};

struct NewKey {
  std::string namespace_name;
  std::string subject;
  entity::Rights rights;
  std::int64_t expires_ms = 0;
};

class KeyStore {
 public:
  virtual ~KeyStore() = default;

  // From memory, by subject and namespace; of an empty name all.
  virtual std::vector<Key> keys_of_namespace(std::string_view name) const = 0;
  virtual std::vector<Key> keys_of_subject(std::string_view subject) const = 0;
  // NOT_FOUND; INVALID_ARGUMENT for no rights, a bad subject, or an end that is past;
  // FAILED_PRECONDITION: the namespace has kMaxKeys.
  static constexpr std::size_t kMaxKeys = 1000;
  virtual void add_key(Executor on, NewKey wanted, Done<Key> done) = 0;
  // NOT_FOUND; FAILED_PRECONDITION for the namespace's own.
  virtual void remove_key(Executor on, std::string name, std::string uuid, Done<void> done) = 0;
  // A new secret for the key; the one before opens for `overlap_ms` more. NOT_FOUND.
  virtual void rotate_key(Executor on, std::string name, std::string uuid, std::int64_t overlap_ms,
                          Done<Key> done) = 0;
  // The keys of one that is blocked open nothing, its web actions, APIs and triggers answer nobody.
  // What it has stays. NOT_FOUND.
  virtual void set_blocked(Executor on, std::string name, bool blocked, Done<void> done) = 0;
};

}  // namespace berth::store
