// SPDX-License-Identifier: Apache-2.0
// The administration's requests about keys and blocked namespaces; the list is in admin.hpp.
// Private to core/api; belongs to the AdminApi's thread.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "api/admin_call.hpp"
#include "entity/identity.hpp"
#include "store/key_store.hpp"

namespace berth::api {

class AdminKeys {
 public:
  // After a namespace's own key changed; may be unset. See AdminDependencies.
  using KeyChanged = std::function<Status(const entity::Identity&)>;

  AdminKeys(store::Executor on, store::AuthStore& auth, store::KeyStore& keys, KeyChanged changed)
      : on_(std::move(on)), auth_(auth), keys_(keys), changed_(std::move(changed)) {}

  // All of a subject, whatever the namespace.
  void list_of_subject(const AdminCallPtr& call, std::string_view subject) const;
  // `path` is what follows the namespace: "/keys" or "/keys/UUID".
  void handle(const AdminCallPtr& call, std::string_view method, const std::string& name,
              std::string_view path, std::string_view body) const;
  // {"blocked": true} or false.
  void block(const AdminCallPtr& call, const std::string& name, std::string_view body) const;
  // A new secret for the own key, with the overlap that the body asks for.
  void rotate_own(const AdminCallPtr& call, const std::string& name, std::string_view body) const;

 private:
  void add(const AdminCallPtr& call, const std::string& name, std::string_view body) const;
  void rotate(const AdminCallPtr& call, const std::string& name, const std::string& uuid,
              std::string_view body) const;

  store::Executor on_;
  store::AuthStore& auth_;
  store::KeyStore& keys_;
  KeyChanged changed_;
};

}  // namespace berth::api
