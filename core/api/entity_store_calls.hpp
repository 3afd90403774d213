// SPDX-License-Identifier: Apache-2.0
// Reading and writing packages, triggers and rules for one request, which is answered when that
// fails. Private to core/api; belongs to the Api's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "api/put_parts.hpp"
#include "api/service.hpp"
#include "entity/entity.hpp"

namespace berth::api {

// Names, times, and what the body gives, over what was there before.
void apply_common(const Call& call, const CommonPut& put, bool existed, entity::Entity& entity);

// Whether values of encrypted parameters are wanted. What is removed, or gets other ones, is read
// without: it may be that no key opens them.
enum class Values : std::uint8_t { kOpened, kSealed };

// Runs `use` with the entity of that path, or null; 409 if something else has the name.
template <typename T>
void find_one(const CallPtr& call, const std::string& path,
              std::function<void(const std::shared_ptr<const T>&)> use,
              Values values = Values::kOpened) {
  store::EntityStore& entities = call->deps().entities;
  if (entity::EntityPtr cached = entities.cached_entity(T::kCollection, path)) {
    return use(std::static_pointer_cast<const T>(std::move(cached)));
  }
  auto done = [call, path, use = std::move(use)](const Result<entity::EntityPtr>& found) {
    if (found) return use(std::static_pointer_cast<const T>(*found));
    if (found.error().code() == StatusCode::kNotFound) return use(nullptr);
    call->fail(entity_failure(found.error(), path));
  };
  if (values == Values::kSealed) {
    return entities.get_sealed_entity(call->executor(), T::kCollection, path, std::move(done));
  }
  entities.get_entity(call->executor(), T::kCollection, path, std::move(done));
}

// Makes one change, and runs `use` with what is stored then: of a removal, null.
template <typename T>
void change_one(const CallPtr& call, store::EntityChange change,
                std::function<void(const std::shared_ptr<const T>&)> use) {
  std::vector<store::EntityChange> changes;
  changes.push_back(std::move(change));
  call->deps().entities.change_entities(
      call->executor(), std::move(changes),
      [call, use = std::move(use)](const Result<std::vector<entity::EntityPtr>>& stored) {
        if (!stored) return call->fail(entity_failure(stored.error(), call->path()));
        use(stored->empty() ? nullptr : std::static_pointer_cast<const T>(stored->front()));
      });
}

}  // namespace berth::api
