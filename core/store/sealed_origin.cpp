// SPDX-License-Identifier: Apache-2.0
#include "store/sealed_origin.hpp"

#include <algorithm>
#include <set>
#include <string>
#include <tuple>

#include "base/json.hpp"

namespace berth::store {
namespace {

constexpr std::size_t kMaxDepth = 1024;
// A copy finds all it needs in one entity, or in a package's and an action's.
constexpr int kMaxSearches = 8;

// What tells an encrypted parameter: key, encryption and value. A view.
using Mark = std::tuple<std::string_view, std::string_view, std::string_view>;

std::string_view text_of(const boost::json::object& object, std::string_view key) {
  const boost::json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string_view(value->get_string())
                                                : std::string_view();
}

// Takes away those that the stored body has as encrypted parameters.
void strike(entity::Parameters& sealed, std::string_view body) {
  const auto tree = parse_json(body, kMaxDepth);
  const auto* object = tree ? tree->if_object() : nullptr;
  const auto* member = object != nullptr ? object->if_contains("parameters") : nullptr;
  const auto* stored = member != nullptr ? member->if_array() : nullptr;
  if (stored == nullptr) return;
  // A megabyte holds many of them, of both: neither list is gone through for each of the other.
  std::set<Mark> there;
  for (const boost::json::value& entry : *stored) {
    const auto* parameter = entry.if_object();
    if (parameter == nullptr || text_of(*parameter, "encryption").empty()) continue;
    there.emplace(text_of(*parameter, "key"), text_of(*parameter, "encryption"),
                  text_of(*parameter, "value"));
  }
  std::erase_if(sealed, [&there](const entity::Parameter& wanted) {
    return there.contains(Mark(wanted.key, wanted.encryption, wanted.sealed));
  });
}

Status strike_found(Query& query, entity::Parameters& sealed) {
  while (!sealed.empty() && query.next()) strike(sealed, query.text(0));
  return query.status();
}

}  // namespace

entity::Parameters sealed_of(const entity::Parameters& parameters) {
  entity::Parameters sealed;
  for (const entity::Parameter& parameter : parameters) {
    if (parameter.encryption.empty()) continue;
    sealed.push_back({.key = parameter.key,
                      .value = {},
                      .encryption = parameter.encryption,
                      .sealed = parameter.sealed});
  }
  return sealed;
}

Status check_sealed(Connection& connection, entity::Parameters sealed, std::string_view path,
                    std::string_view namespace_name) {
  if (sealed.empty()) return {};
  {
    Query query(connection,
                "SELECT body FROM actions WHERE path = ?1 UNION ALL "
                "SELECT body FROM entities WHERE path = ?1");
    query.bind(path);
    if (Status status = strike_found(query, sealed); !status.ok()) return status;
  }
  for (int search = 0; !sealed.empty(); ++search) {
    const std::size_t before = sealed.size();
    const std::string text = sealed.front().sealed;
    if (search < kMaxSearches && !text.empty()) {
      Query query(connection,
                  "SELECT body FROM actions WHERE namespace = ?1 AND instr(body, ?2) > 0 UNION ALL "
                  "SELECT body FROM entities WHERE namespace = ?1 AND instr(body, ?2) > 0");
      query.bind(namespace_name).bind(text);
      if (Status status = strike_found(query, sealed); !status.ok()) return status;
    }
    if (sealed.size() == before) {
      return sdk::invalid_argument("parameter " + sealed.front().key +
                                   " is encrypted and not as this namespace has it: send its value "
                                   "in the clear, or what a GET shows now");
    }
  }
  return {};
}

}  // namespace berth::store
