// SPDX-License-Identifier: Apache-2.0
#include "api/admin_keys.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "api/put_parts.hpp"
#include "base/clock.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

// A year: what is meant to last longer is meant to stay.
constexpr std::int64_t kMaxOverlapSeconds = 366ll * 86400;
constexpr std::int64_t kMaxLifeSeconds = 100ll * 366 * 86400;

json::object shown(const store::Key& key) {
  json::object object{{"namespace", key.namespace_name}, {"uuid", key.key.uuid},
                      {"subject", key.subject},          {"rights", to_string(key.rights)},
                      {"created", key.created_ms},       {"own", key.own}};
  if (key.expires_ms != 0) object.emplace("expires", key.expires_ms);
  if (key.old_until_ms != 0) object.emplace("oldSecretUntil", key.old_until_ms);
  return object;
}

// With the secret: for who has just asked for a new one.
json::object with_secret(const store::Key& key) {
  json::object object = shown(key);
  object.emplace("key", key.key.uuid + ':' + key.key.secret);
  return object;
}

json::array list(const std::vector<store::Key>& keys) {
  json::array array;
  for (const store::Key& key : keys) array.push_back(shown(key));
  return array;
}

// 0 if it is not given.
Checked<std::int64_t> seconds(const json::object& body, std::string_view key, std::int64_t min,
                              std::int64_t max) {
  const json::value* value = given(body, key);
  if (value == nullptr) return std::int64_t{0};
  const std::string pointer = fmt::format("/{}", key);
  const auto number = entity::read_integer(*value, pointer);
  if (!number) return refused(number.error());
  if (*number < min || *number > max) {
    return wrong(pointer, fmt::format("must be from {} to {} seconds", min, max));
  }
  return *number;
}

}  // namespace

void AdminKeys::list_of_subject(const AdminCallPtr& call, std::string_view subject) const {
  call->send(200, list(keys_.keys_of_subject(subject)));
}

void AdminKeys::handle(const AdminCallPtr& call, std::string_view method, const std::string& name,
                       std::string_view path, std::string_view body) const {
  constexpr std::string_view kKeys = "/keys";
  path.remove_prefix(kKeys.size());
  if (path.empty()) {
    if (method == "POST") return add(call, name, body);
    if (method != "GET") {
      return call->fail(405, "HTTP method not allowed, supported methods: GET, POST");
    }
    if (!auth_.find_namespace(name)) {
      return call->fail(404, fmt::format("there is no namespace '{}'", name));
    }
    return call->send(200, list(keys_.keys_of_namespace(name)));
  }
  const std::string uuid(path.substr(1));
  if (method == "POST") return rotate(call, name, uuid, body);
  if (method != "DELETE") {
    return call->fail(405, "HTTP method not allowed, supported methods: POST, DELETE");
  }
  keys_.remove_key(on_, name, uuid, [call](const Result<void>& removed) {
    if (!removed && removed.error().code() == StatusCode::kNotFound) {
      return call->fail(404, removed.error().message());
    }
    if (!removed) return call->fail(removed.error());
    call->send(200, json::object());
  });
}

void AdminKeys::add(const AdminCallPtr& call, const std::string& name,
                    std::string_view body) const {
  const auto asked = parse_body(body);
  if (!asked) return call->fail(asked.error());
  const auto subject = text_member(*asked, "subject", "/subject");
  if (!subject) return call->fail(subject.error());
  const auto words = text_member(*asked, "rights", "/rights");
  if (!words) return call->fail(words.error());
  const auto rights = entity::parse_rights(words->empty() ? "all" : *words);
  if (!rights) {
    return call->fail(wrong("/rights",
                            "must be words of read, put, delete, activate, write (put "
                            "and delete), invoke (activate) and all, with commas"));
  }
  const auto life = seconds(*asked, "expiresIn", 1, kMaxLifeSeconds);
  if (!life) return call->fail(life.error());
  store::NewKey wanted{name, subject->empty() ? name : *subject, *rights, 0};
  if (*life > 0) wanted.expires_ms = system_clock().wall_ms() + *life * 1000;
  keys_.add_key(on_, std::move(wanted), [call](const Result<store::Key>& made) {
    if (!made && made.error().code() == StatusCode::kFailedPrecondition) {
      return call->fail(409, made.error().message());
    }
    if (!made) return call->fail(made.error());
    call->send(201, with_secret(*made));
  });
}

void AdminKeys::rotate(const AdminCallPtr& call, const std::string& name, const std::string& uuid,
                       std::string_view body) const {
  const auto asked = parse_body(body);
  if (!asked) return call->fail(asked.error());
  const auto overlap = seconds(*asked, "overlap", 0, kMaxOverlapSeconds);
  if (!overlap) return call->fail(overlap.error());
  keys_.rotate_key(on_, name, uuid, *overlap * 1000,
                   [call, &auth = auth_, changed = changed_](const Result<store::Key>& made) {
                     if (!made && made.error().code() == StatusCode::kNotFound) {
                       return call->fail(404, made.error().message());
                     }
                     if (!made) return call->fail(made.error());
                     if (made->own && changed) {
                       const auto identity = auth.find_namespace(made->namespace_name);
                       const Status told = identity ? changed(*identity) : Status();
                       if (!told.ok()) {
                         return call->fail(
                             500, "the key was changed, but not everywhere: " + told.message());
                       }
                     }
                     json::object object = with_secret(*made);
                     if (made->own) object["name"] = made->namespace_name;
                     call->send(200, object);
                   });
}

void AdminKeys::rotate_own(const AdminCallPtr& call, const std::string& name,
                           std::string_view body) const {
  const auto identity = auth_.find_namespace(name);
  if (!identity) return call->fail(404, fmt::format("there is no namespace '{}'", name));
  rotate(call, name, identity->namespace_uuid, body);
}

void AdminKeys::block(const AdminCallPtr& call, const std::string& name,
                      std::string_view body) const {
  const auto asked = parse_body(body);
  if (!asked) return call->fail(asked.error());
  const json::value* value = given(*asked, "blocked");
  if (value == nullptr || !value->is_bool()) {
    return call->fail(wrong("/blocked", "must be true or false"));
  }
  keys_.set_blocked(on_, name, value->get_bool(), [call, name](const Result<void>& set) {
    if (!set && set.error().code() == StatusCode::kNotFound) {
      return call->fail(404, set.error().message());
    }
    if (!set) return call->fail(set.error());
    call->send(200, json::object{{"name", name}});
  });
}

}  // namespace berth::api
