// SPDX-License-Identifier: Apache-2.0
#include "api/admin.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_from.hpp>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "api/admin_call.hpp"
#include "api/admin_keys.hpp"
#include "api/auth.hpp"
#include "api/errors.hpp"
#include "api/query.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"
#include "entity/namespace_limits.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

json::object key_json(const entity::Identity& identity) {
  return {{"name", identity.namespace_name},
          {"uuid", identity.namespace_uuid},
          {"key", identity.key.uuid + ':' + identity.key.secret}};
}

// The member "path" of a body that may be empty.
Checked<std::optional<std::string>> parse_path(std::string_view body) {
  std::optional<std::string> path;
  if (body.empty()) return path;
  const auto tree = parse_json(body);
  if (!tree) return malformed_body(tree.error().message());
  const json::object* object = tree->if_object();
  if (object == nullptr) return malformed_body("the body must be a JSON object");
  const json::value* value = object->if_contains("path");
  if (value == nullptr || value->is_null()) return path;
  if (!value->is_string()) return malformed_body("/path: must be a string");
  path = std::string(value->get_string());
  return path;
}

struct NewNamespace {
  std::string name;
  std::optional<entity::AuthKey> key;
};

Checked<NewNamespace> parse_namespace(std::string_view body) {
  const auto tree = parse_json(body);
  if (!tree) return malformed_body(tree.error().message());
  const json::object* object = tree->if_object();
  if (object == nullptr) return malformed_body("the body must be a JSON object");
  NewNamespace wanted;
  const json::value* name = object->if_contains("name");
  if (name == nullptr || !name->is_string()) return malformed_body("/name: must be a string");
  wanted.name = std::string(name->get_string());
  if (!entity::is_entity_name(wanted.name) || wanted.name == "_") {
    return Failure{400, std::string(text::kBadNamespace)};
  }
  if (const json::value* key = object->if_contains("key"); key != nullptr && !key->is_null()) {
    if (key->is_string()) wanted.key = parse_key(std::string_view(key->get_string()));
    if (!wanted.key || wanted.key->secret.empty()) {
      return malformed_body("/key: must be \"UUID:SECRET\"");
    }
  }
  return wanted;
}

}  // namespace

struct AdminApi::Impl {
  explicit Impl(AdminDependencies dependencies) : deps(std::move(dependencies)) {
    if (deps.keys != nullptr) {
      keys.emplace(executor(), deps.auth, *deps.keys, deps.key_changed);
    }
  }

  AdminDependencies deps;
  std::optional<AdminKeys> keys;

  store::Executor executor() { return deps.io.get_executor(); }

  void document(const AdminCallPtr& call, const Document& source) {
    if (!source) return call->fail(404, text::kNotFound);
    source([call](const Result<json::value>& document) {
      if (!document) return call->fail(document.error());
      call->send(200, *document);
    });
  }

  void list(const AdminCallPtr& call) {
    json::array list;
    for (const entity::Namespace& entry : deps.auth.namespaces()) {
      list.push_back(json::object{{"name", entry.name},
                                  {"uuid", entry.uuid},
                                  {"created", entry.created_ms},
                                  {"blocked", entry.blocked}});
    }
    call->send(200, std::move(list));
  }

  void create(const std::shared_ptr<Impl>& self, const AdminCallPtr& call, std::string_view body) {
    Checked<NewNamespace> wanted = parse_namespace(body);
    if (!wanted) return call->fail(wanted.error());
    deps.auth.create_namespace(executor(), std::move(wanted->name), std::move(wanted->key),
                               [self, call](const Result<entity::Identity>& created) {
                                 self->answer_key(call, 201, created);
                               });
  }

  void remove(const AdminCallPtr& call, std::string name, bool force) {
    deps.auth.remove_namespace(executor(), std::move(name), force,
                               [call](const Result<void>& removed) {
                                 if (!removed) return call->fail(removed.error());
                                 call->send(200, json::object());
                               });
  }

  void show_key(const AdminCallPtr& call, std::string_view name) {
    const auto identity = deps.auth.find_namespace(name);
    if (!identity) return call->fail(404, fmt::format("there is no namespace '{}'", name));
    call->send(200, key_json(*identity));
  }

  void rotate_key(const std::shared_ptr<Impl>& self, const AdminCallPtr& call, std::string name) {
    deps.auth.rotate_key(executor(), std::move(name),
                         [self, call](const Result<entity::Identity>& rotated) {
                           self->answer_key(call, 200, rotated);
                         });
  }

  void show_usage(const AdminCallPtr& call, std::string_view name) {
    const auto identity = deps.auth.find_namespace(name);
    if (!identity) return call->fail(404, fmt::format("there is no namespace '{}'", name));
    if (!deps.usage) return call->fail(404, text::kNotFound);
    deps.usage(*identity, [call](const Result<json::value>& usage) {
      if (!usage) return call->fail(usage.error());
      call->send(200, *usage);
    });
  }

  void show_limits(const AdminCallPtr& call, std::string_view name) {
    const auto identity = deps.auth.find_namespace(name);
    if (!identity) return call->fail(404, fmt::format("there is no namespace '{}'", name));
    call->send(200, identity->limits ? to_json(*identity->limits) : json::object());
  }

  void set_limits(const AdminCallPtr& call, const std::string& name, std::string_view body) {
    auto tree = parse_json(body);
    if (!tree) return call->fail(malformed_body(tree.error().message()));
    deps.auth.change_limits(
        executor(), name,
        [tree = std::move(*tree)](const entity::NamespaceLimits& present) {
          return entity::parse_namespace_limits(tree, present);
        },
        [call, name](const Result<entity::NamespaceLimits>& set) {
          if (set) return call->send(200, to_json(*set));
          if (set.error().code() != StatusCode::kNotFound) return call->fail(set.error());
          call->fail(404, fmt::format("there is no namespace '{}'", name));
        });
  }

  void back_up(const AdminCallPtr& call, std::string_view body) {
    const Checked<std::optional<std::string>> path = parse_path(body);
    if (!path) return call->fail(path.error());
    if (!*path) return call->fail(malformed_body("/path: must be a string"));
    if (!deps.back_up) return call->fail(404, text::kNotFound);
    deps.back_up(**path, [call, path = **path](const Result<std::uint64_t>& bytes) {
      if (!bytes) return call->fail(bytes.error());
      call->send(200, json::object{{"path", path}, {"bytes", *bytes}});
    });
  }

  void check(const AdminCallPtr& call, std::string_view body) {
    const Checked<std::optional<std::string>> path = parse_path(body);
    if (!path) return call->fail(path.error());
    if (!deps.find_damage) return call->fail(404, text::kNotFound);
    deps.find_damage(*path, [call](const Result<std::vector<std::string>>& problems) {
      if (!problems) return call->fail(problems.error());
      call->send(200, json::object{{"problems", json::value_from(*problems)}});
    });
  }

  void answer_key(const AdminCallPtr& call, int status, const Result<entity::Identity>& identity) {
    if (!identity) return call->fail(identity.error());
    if (deps.key_changed) {
      const Status changed = deps.key_changed(*identity);
      if (!changed.ok()) {
        return call->fail(500, "the key was changed, but not everywhere: " + changed.message());
      }
    }
    call->send(status, key_json(*identity));
  }
};

AdminApi::AdminApi(AdminDependencies dependencies)
    : impl_(std::make_shared<Impl>(std::move(dependencies))) {}

AdminApi::~AdminApi() = default;

void AdminApi::handle(const http::Request& request, http::Responder responder) {
  const auto call = std::make_shared<AdminCall>();
  call->responder = std::move(responder);
  const std::string_view path = request.path;
  const std::string_view method = request.method;
  const auto refuse_method = [&call](std::string_view allowed) {
    call->fail(405, fmt::format("HTTP method not allowed, supported methods: {}", allowed));
  };

  const std::pair<std::string_view, const Document*> documents[] = {
      {"/status", &impl_->deps.status},
      {"/plugins", &impl_->deps.plugins},
      {"/containers", &impl_->deps.containers},
      {"/pool", &impl_->deps.pool},
  };
  for (const auto& [name, source] : documents) {
    if (path != name) continue;
    if (method != "GET") return refuse_method("GET");
    return impl_->document(call, *source);
  }
  if (path == "/backup" || path == "/check") {
    if (method != "POST") return refuse_method("POST");
    return path == "/backup" ? impl_->back_up(call, request.body)
                             : impl_->check(call, request.body);
  }
  if (path == "/keys") {
    if (method != "GET") return refuse_method("GET");
    const Checked<Query> query = Query::parse(request.query);
    if (!query) return call->fail(query.error());
    if (!impl_->keys) return call->fail(404, text::kNotFound);
    return impl_->keys->list_of_subject(call, query->get("subject").value_or(""));
  }
  constexpr std::string_view kNamespaces = "/namespaces";
  if (path == kNamespaces) {
    if (method == "GET") return impl_->list(call);
    if (method == "POST") return impl_->create(impl_, call, request.body);
    return refuse_method("GET, POST");
  }
  if (!path.starts_with("/namespaces/")) return call->fail(404, text::kNotFound);
  std::string_view rest = path.substr(kNamespaces.size() + 1);
  constexpr std::string_view kKey = "/key";
  constexpr std::string_view kLimits = "/limits";
  constexpr std::string_view kBlocked = "/blocked";
  constexpr std::string_view kUsage = "/usage";
  constexpr std::string_view kKeys = "/keys";
  // A name has no slash, so the first one ends it.
  const std::size_t keys_at = std::min(rest.find('/'), rest.size());
  std::string_view keys_path = rest.substr(keys_at);
  if (keys_path != kKeys && !keys_path.starts_with("/keys/")) keys_path = {};
  const auto ends_with = [&](std::string_view end) {
    return keys_path.empty() && rest.ends_with(end);
  };
  const bool is_key = ends_with(kKey);
  const bool is_limits = ends_with(kLimits);
  const bool is_blocked = ends_with(kBlocked);
  const bool is_usage = ends_with(kUsage);
  if (is_key) rest.remove_suffix(kKey.size());
  if (is_limits) rest.remove_suffix(kLimits.size());
  if (is_blocked) rest.remove_suffix(kBlocked.size());
  if (is_usage) rest.remove_suffix(kUsage.size());
  if (!keys_path.empty()) rest = rest.substr(0, keys_at);
  std::optional<std::string> name = http::percent_decode(rest);
  if (!name || !entity::is_entity_name(*name)) return call->fail(400, text::kBadNamespace);
  if (is_limits) {
    if (method == "GET") return impl_->show_limits(call, *name);
    if (method == "POST") return impl_->set_limits(call, *name, request.body);
    return refuse_method("GET, POST");
  }
  if (is_key) {
    if (method == "GET") return impl_->show_key(call, *name);
    if (method != "POST") return refuse_method("GET, POST");
    // Without the store of keys there is no overlap.
    if (!impl_->keys) return impl_->rotate_key(impl_, call, std::move(*name));
    return impl_->keys->rotate_own(call, *name, request.body);
  }
  if (is_usage) {
    if (method != "GET") return refuse_method("GET");
    return impl_->show_usage(call, *name);
  }
  if (is_blocked || !keys_path.empty()) {
    if (!impl_->keys) return call->fail(404, text::kNotFound);
    if (!is_blocked) return impl_->keys->handle(call, method, *name, keys_path, request.body);
    if (method != "POST") return refuse_method("POST");
    return impl_->keys->block(call, *name, request.body);
  }
  if (method != "DELETE") return refuse_method("DELETE");
  const Checked<Query> query = Query::parse(request.query);
  if (!query) return call->fail(query.error());
  const Checked<bool> force = query->boolean("force", false);
  if (!force) return call->fail(force.error());
  impl_->remove(call, std::move(*name), *force);
}

}  // namespace berth::api
