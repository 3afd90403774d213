// SPDX-License-Identifier: Apache-2.0
#include "api/remove_trigger.hpp"

#include <memory>
#include <utility>
#include <vector>

#include "entity/entity.hpp"

namespace berth::api {
namespace {

// It is changed whenever one of its rules is.
constexpr int kTries = 10;

struct Removal {
  boost::asio::io_context& io;
  store::EntityStore& entities;
  std::string path;
  bool and_rules = false;
  std::function<void(const Status&)> done;
  int tries = kTries;
  std::vector<store::EntityChange> changes;
};
using RemovalPtr = std::shared_ptr<Removal>;

void begin(const RemovalPtr& removal);

store::EntityChange without(entity::Collection collection, const entity::Entity& entity) {
  return {.collection = collection, .path = entity.path(), .expected_revision = entity.revision};
}

void apply(const RemovalPtr& removal) {
  removal->entities.change_entities(
      removal->io.get_executor(), std::move(removal->changes),
      [removal](const Result<std::vector<entity::EntityPtr>>& stored) {
        if (stored) return removal->done(Status());
        if (stored.error().code() == StatusCode::kAborted && removal->tries-- > 0) {
          return begin(removal);
        }
        removal->done(stored.error());
      });
}

// Reads the rules one after the other: what is to be removed must be named by its revision.
void add_rules(const RemovalPtr& removal, const std::shared_ptr<std::vector<std::string>>& rules,
               std::size_t at) {
  if (at == rules->size()) return apply(removal);
  removal->entities.get_entity(
      removal->io.get_executor(), entity::Collection::kRules, (*rules)[at],
      [removal, rules, at](const Result<entity::EntityPtr>& found) {
        if (found) {
          removal->changes.push_back(without(entity::Collection::kRules, **found));
        } else if (found.error().code() != StatusCode::kNotFound &&
                   found.error().code() != StatusCode::kFailedPrecondition) {
          return removal->done(found.error());
        }
        add_rules(removal, rules, at + 1);
      });
}

void begin(const RemovalPtr& removal) {
  removal->entities.get_entity(
      removal->io.get_executor(), entity::Collection::kTriggers, removal->path,
      [removal](const Result<entity::EntityPtr>& found) {
        if (!found) {
          const StatusCode why = found.error().code();
          const bool gone = why == StatusCode::kNotFound || why == StatusCode::kFailedPrecondition;
          return removal->done(gone ? Status() : found.error());
        }
        const auto trigger = std::static_pointer_cast<const entity::Trigger>(*found);
        removal->changes.clear();
        const auto rules = std::make_shared<std::vector<std::string>>();
        if (removal->and_rules) {
          for (const auto& [rule, link] : trigger->rules) rules->push_back(rule);
        }
        removal->changes.push_back(without(entity::Collection::kTriggers, *trigger));
        add_rules(removal, rules, 0);
      });
}

}  // namespace

void remove_trigger(boost::asio::io_context& io, store::EntityStore& entities,
                    const std::string& path, bool and_rules,
                    std::function<void(const Status&)> done) {
  begin(std::make_shared<Removal>(Removal{.io = io,
                                          .entities = entities,
                                          .path = path,
                                          .and_rules = and_rules,
                                          .done = std::move(done),
                                          .changes = {}}));
}

}  // namespace berth::api
