// SPDX-License-Identifier: Apache-2.0
// What packages, triggers and rules share: their lists, and the common members of a PUT.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "api/entity_store_calls.hpp"

namespace berth::api {
namespace {

entity::Collection collection_of(Route route) {
  switch (route) {
    case Route::kTriggers: return entity::Collection::kTriggers;
    case Route::kRules: return entity::Collection::kRules;
    default: return entity::Collection::kPackages;
  }
}

}  // namespace

void apply_common(const Call& call, const CommonPut& put, bool existed, entity::Entity& entity) {
  entity.namespace_name = call.target.namespace_name;
  entity.name = call.target.name;
  entity.version = put.version.value_or(existed ? next_version(entity.version) : "0.0.1");
  entity.updated_ms = call.received_ms;
  if (put.publish) entity.publish = *put.publish;
  if (put.parameters) entity.parameters = *put.parameters;
  if (put.annotations) entity.annotations = *put.annotations;
}

void list_entities(const CallPtr& call) {
  const entity::Collection collection = collection_of(call->target.route);
  const std::string_view name = entity::to_string(collection);
  const Checked<ListPage> page = list_page(*call, name);
  if (!page) return call->fail(page.error());
  store::EntityQuery query{.collection = collection,
                           .namespace_name = call->target.namespace_name,
                           .public_only = call->target.namespace_name != call->user.namespace_name,
                           .skip = page->skip,
                           .limit = page->limit};
  if (page->count) {
    call->deps().entities.count_entities(
        call->executor(), std::move(query), [call, name](const Result<std::int64_t>& number) {
          if (!number) return call->fail(number.error());
          call->send_json(fmt::format("{{\"{}\":{}}}", name, *number));
        });
    return;
  }
  call->deps().entities.list_entities(
      call->executor(), std::move(query),
      [call](const Result<std::vector<entity::EntityPtr>>& entities) {
        if (!entities) return call->fail(entities.error());
        boost::json::array list;
        for (const entity::EntityPtr& entity : *entities) {
          list.emplace_back(entity::to_summary(*entity));
        }
        call->send_json(boost::json::serialize(list));
      });
}

}  // namespace berth::api
