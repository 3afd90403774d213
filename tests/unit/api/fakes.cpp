// SPDX-License-Identifier: Apache-2.0
#include "fakes.hpp"

#include <algorithm>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/post.hpp>
#include <utility>

#include "activation/record.hpp"
#include "base/ids.hpp"

namespace berth::api {
namespace {

template <typename T>
void answer(const store::Executor& on, const store::Done<T>& done, Result<T> result) {
  boost::asio::post(on, [done, result = std::move(result)]() mutable { done(std::move(result)); });
}

template <typename T>
std::vector<T> page(std::vector<T> all, std::int64_t skip, std::int64_t limit) {
  const auto begin = std::min<std::int64_t>(skip, static_cast<std::int64_t>(all.size()));
  const auto end = std::min<std::int64_t>(begin + limit, static_cast<std::int64_t>(all.size()));
  return {all.begin() + begin, all.begin() + end};
}

}  // namespace

entity::ActionPtr FakeEntities::cached_action(std::string_view path) const {
  const std::lock_guard lock(mutex_);
  const auto found = actions_.find(path);
  return use_cache && found != actions_.end() ? found->second : nullptr;
}

void FakeEntities::get_action(store::Executor on, std::string path,
                              store::Done<entity::ActionPtr> done) {
  if (!refuse_get.ok()) return answer<entity::ActionPtr>(on, done, refuse_get);
  get_sealed_action(std::move(on), std::move(path), std::move(done));
}

void FakeEntities::get_sealed_action(store::Executor on, std::string path,
                                     store::Done<entity::ActionPtr> done) {
  const std::lock_guard lock(mutex_);
  const auto found = actions_.find(path);
  if (found == actions_.end() && others_.contains(path)) {
    return answer<entity::ActionPtr>(on, done, sdk::failed_precondition(path));
  }
  if (found == actions_.end()) return answer<entity::ActionPtr>(on, done, sdk::not_found(path));
  answer<entity::ActionPtr>(on, done, found->second);
}

void FakeEntities::put_action(store::Executor on, entity::Action action,
                              std::uint64_t expected_revision,
                              store::Done<entity::ActionPtr> done) {
  const std::lock_guard lock(mutex_);
  if (!refuse_put.ok()) return answer<entity::ActionPtr>(on, done, refuse_put);
  if (!action.package.empty() && !others_.contains(action.namespace_path())) {
    return answer<entity::ActionPtr>(on, done, sdk::not_found(action.namespace_path()));
  }
  if (others_.contains(action.path())) {
    return answer<entity::ActionPtr>(on, done, sdk::failed_precondition(action.path()));
  }
  const auto found = actions_.find(action.path());
  if (found != actions_.end() && expected_revision == 0) {
    return answer<entity::ActionPtr>(on, done, sdk::already_exists(action.path()));
  }
  if (found == actions_.end() ? expected_revision != 0
                              : found->second->revision != expected_revision) {
    return answer<entity::ActionPtr>(on, done, sdk::aborted(action.path()));
  }
  action.revision = ++revision_;
  auto stored = std::make_shared<const entity::Action>(std::move(action));
  actions_[stored->path()] = stored;
  answer<entity::ActionPtr>(on, done, entity::ActionPtr(stored));
}

void FakeEntities::remove_action(store::Executor on, std::string path,
                                 std::uint64_t expected_revision, store::Done<void> done) {
  const std::lock_guard lock(mutex_);
  const auto found = actions_.find(path);
  if (found == actions_.end()) return answer<void>(on, done, sdk::not_found(path));
  if (found->second->revision != expected_revision)
    return answer<void>(on, done, sdk::aborted(path));
  actions_.erase(found);
  answer<void>(on, done, {});
}

void FakeEntities::list_actions(store::Executor on, std::string namespace_name,
                                std::optional<std::string> package, std::int64_t skip,
                                std::int64_t limit,
                                store::Done<std::vector<entity::ActionPtr>> done) {
  const std::lock_guard lock(mutex_);
  std::vector<entity::ActionPtr> all;
  for (const auto& [path, action] : actions_) {
    if (action->namespace_name != namespace_name) continue;
    if (!package || action->package == *package) all.push_back(action);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a->revision > b->revision; });
  answer<std::vector<entity::ActionPtr>>(on, done, page(std::move(all), skip, limit));
}

void FakeEntities::count_actions(store::Executor on, std::string namespace_name,
                                 std::optional<std::string> package, std::int64_t skip,
                                 store::Done<std::int64_t> done) {
  const std::lock_guard lock(mutex_);
  const auto count = std::count_if(actions_.begin(), actions_.end(), [&](const auto& entry) {
    return entry.second->namespace_name == namespace_name &&
           (!package || entry.second->package == *package);
  });
  answer<std::int64_t>(on, done, std::max<std::int64_t>(0, count - skip));
}

entity::EntityPtr FakeEntities::cached_entity(entity::Collection collection,
                                              std::string_view path) const {
  const std::lock_guard lock(mutex_);
  const auto found = others_.find(path);
  return use_cache && found != others_.end() && found->second->collection() == collection
             ? found->second
             : nullptr;
}

void FakeEntities::get_entity(store::Executor on, entity::Collection collection, std::string path,
                              store::Done<entity::EntityPtr> done) {
  if (!refuse_get.ok()) return answer<entity::EntityPtr>(on, done, refuse_get);
  get_sealed_entity(std::move(on), collection, std::move(path), std::move(done));
}

void FakeEntities::get_sealed_entity(store::Executor on, entity::Collection collection,
                                     std::string path, store::Done<entity::EntityPtr> done) {
  const std::lock_guard lock(mutex_);
  const auto found = others_.find(path);
  if (found == others_.end()) {
    return answer<entity::EntityPtr>(
        on, done, actions_.contains(path) ? sdk::failed_precondition(path) : sdk::not_found(path));
  }
  if (found->second->collection() != collection) {
    return answer<entity::EntityPtr>(on, done, sdk::failed_precondition(path));
  }
  answer<entity::EntityPtr>(on, done, found->second);
}

Status FakeEntities::check(const store::EntityChange& change) const {
  const std::string path = change.put ? change.put->path() : change.path;
  const auto found = others_.find(path);
  if (actions_.contains(path)) return sdk::failed_precondition(path);
  if (found != others_.end() &&
      found->second->collection() != (change.put ? change.put->collection() : change.collection)) {
    return sdk::failed_precondition(path);
  }
  const std::uint64_t revision = found == others_.end() ? 0 : found->second->revision;
  if (revision != change.expected_revision) {
    return change.expected_revision == 0 ? sdk::already_exists(path) : sdk::aborted(path);
  }
  if (change.put && revision == 0 && change.max_in_namespace != 0) {
    const auto there = std::count_if(others_.begin(), others_.end(), [&](const auto& entry) {
      return entry.second->collection() == change.put->collection() &&
             entry.second->namespace_name == change.put->namespace_name;
    });
    if (there >= change.max_in_namespace) return sdk::out_of_range(std::to_string(there));
  }
  if (change.put || change.with_contents) return {};
  const auto inside = std::count_if(actions_.begin(), actions_.end(), [&](const auto& entry) {
    return entry.second->namespace_path() == path;
  });
  return inside == 0 ? Status() : sdk::out_of_range(std::to_string(inside));
}

void FakeEntities::change_entities(store::Executor on, std::vector<store::EntityChange> changes,
                                   store::Done<std::vector<entity::EntityPtr>> done) {
  using Stored = std::vector<entity::EntityPtr>;
  const std::lock_guard lock(mutex_);
  if (!refuse_put.ok()) return answer<Stored>(on, done, refuse_put);
  for (const store::EntityChange& change : changes) {
    if (Status status = check(change); !status.ok()) return answer<Stored>(on, done, status);
  }
  Stored stored;
  for (const store::EntityChange& change : changes) {
    if (change.put) {
      change.put->revision = ++revision_;
      stored.push_back(others_[change.put->path()] = change.put);
    } else {
      others_.erase(change.path);
      std::erase_if(actions_, [&](const auto& entry) {
        return entry.second->namespace_path() == change.path;
      });
    }
  }
  answer<Stored>(on, done, std::move(stored));
}

std::vector<entity::EntityPtr> FakeEntities::matching(const store::EntityQuery& query) const {
  std::vector<entity::EntityPtr> all;
  for (const auto& [path, other] : others_) {
    if (other->collection() != query.collection || other->namespace_name != query.namespace_name) {
      continue;
    }
    const auto* package = dynamic_cast<const entity::Package*>(other.get());
    if (query.public_only && (!other->publish || (package && package->binding))) continue;
    all.push_back(other);
  }
  std::stable_sort(all.begin(), all.end(),
                   [](const auto& a, const auto& b) { return a->revision > b->revision; });
  return all;
}

void FakeEntities::list_entities(store::Executor on, store::EntityQuery query,
                                 store::Done<std::vector<entity::EntityPtr>> done) {
  const std::lock_guard lock(mutex_);
  answer<std::vector<entity::EntityPtr>>(on, done, page(matching(query), query.skip, query.limit));
}

void FakeEntities::count_entities(store::Executor on, store::EntityQuery query,
                                  store::Done<std::int64_t> done) {
  const std::lock_guard lock(mutex_);
  const auto count = static_cast<std::int64_t>(matching(query).size());
  answer<std::int64_t>(on, done, std::max<std::int64_t>(0, count - query.skip));
}

void FakeActivations::put(store::Executor on, entity::Activation activation,
                          store::Done<void> done) {
  records.push_back(std::move(activation));
  answer<void>(on, done, {});
}

void FakeActivations::put_later(entity::Activation activation) {
  records.push_back(std::move(activation));
}

void FakeActivations::get(store::Executor on, std::string namespace_name, std::string activation_id,
                          store::Done<entity::Activation> done) {
  for (const entity::Activation& record : records) {
    if (record.activation_id == activation_id && record.namespace_name == namespace_name) {
      return answer<entity::Activation>(on, done, record);
    }
  }
  answer<entity::Activation>(on, done, sdk::not_found(activation_id));
}

void FakeActivations::list(store::Executor on, store::ActivationQuery query,
                           store::Done<std::vector<entity::Activation>> done) {
  last_query = query;
  std::vector<entity::Activation> found;
  for (const entity::Activation& record : records) {
    if (record.namespace_name == query.namespace_name) found.push_back(record);
  }
  std::reverse(found.begin(), found.end());
  answer<std::vector<entity::Activation>>(on, done,
                                          page(std::move(found), query.skip, query.limit));
}

void FakeActivations::count(store::Executor on, store::ActivationQuery query,
                            store::Done<std::int64_t> done) {
  last_query = query;
  answer<std::int64_t>(on, done, static_cast<std::int64_t>(records.size()));
}

void FakeActivations::flush(store::Executor on, store::Done<void> done) {
  answer<void>(on, done, {});
}

FakeAuth::FakeAuth() {
  known["guest"] = {"guest",
                    "guest",
                    "11111111-2222-4333-8444-555555555555",
                    {"11111111-2222-4333-8444-555555555555", "guest-secret"}};
  known["other"] = {"other",
                    "other",
                    "66666666-7777-4888-8999-000000000000",
                    {"66666666-7777-4888-8999-000000000000", "other-secret"}};
}

std::optional<entity::Identity> FakeAuth::authenticate(std::string_view uuid,
                                                       std::string_view secret) const {
  for (const auto& [name, identity] : known) {
    if (identity.key.uuid == uuid && identity.key.secret == secret) return identity;
  }
  return std::nullopt;
}

std::optional<entity::Identity> FakeAuth::find_namespace(std::string_view name) const {
  const auto found = known.find(name);
  return found == known.end() ? std::nullopt : std::optional(found->second);
}

std::vector<entity::Namespace> FakeAuth::namespaces() const {
  std::vector<entity::Namespace> all;
  for (const auto& [name, identity] : known) all.push_back({name, identity.namespace_uuid, 17});
  return all;
}

void FakeAuth::create_namespace(store::Executor on, std::string name,
                                std::optional<entity::AuthKey> key,
                                store::Done<entity::Identity> done) {
  if (known.contains(name)) {
    return answer<entity::Identity>(on, done, sdk::already_exists("namespace " + name + " exists"));
  }
  const entity::AuthKey made = key ? *key : entity::AuthKey{new_uuid(), new_secret()};
  known[name] = {name, name, made.uuid, made};
  answer<entity::Identity>(on, done, known[name]);
}

void FakeAuth::remove_namespace(store::Executor on, std::string name, bool force,
                                store::Done<void> done) {
  if (!known.contains(name)) return answer<void>(on, done, sdk::not_found("no namespace " + name));
  if (name == busy && !force) {
    return answer<void>(on, done, sdk::failed_precondition(name + " still has 1 action"));
  }
  known.erase(name);
  answer<void>(on, done, {});
}

void FakeAuth::change_limits(store::Executor on, std::string name, LimitsChange change,
                             store::Done<entity::NamespaceLimits> done) {
  using Limits = entity::NamespaceLimits;
  const auto found = known.find(name);
  if (found == known.end()) {
    return answer<Limits>(on, done, sdk::not_found("no namespace " + name));
  }
  auto changed = change(found->second.limits ? *found->second.limits : Limits());
  if (!changed) return answer<Limits>(on, done, changed.error());
  found->second.limits = std::make_shared<const Limits>(*changed);
  answer<Limits>(on, done, std::move(*changed));
}

void FakeAuth::rotate_key(store::Executor on, std::string name,
                          store::Done<entity::Identity> done) {
  const auto found = known.find(name);
  if (found == known.end()) {
    return answer<entity::Identity>(on, done, sdk::not_found("no namespace " + name));
  }
  found->second.key.secret = new_secret();
  answer<entity::Identity>(on, done, found->second);
}

Status FakeInvoker::invoke(activation::Invocation invocation, activation::OutcomeHandler handler) {
  if (!refusal.ok()) return refusal;
  seen.push_back(invocation);
  if (hold) {
    held_.emplace_back(std::move(invocation), std::move(handler));
    return {};
  }
  boost::asio::post(io, [this, invocation, handler] { finish(invocation, handler); });
  return {};
}

void FakeInvoker::submit(activation::Invocation invocation, activation::AcceptHandler accepted,
                         activation::OutcomeHandler handler) {
  if (!hold_accepts || invocation.blocking) {
    return Invoker::submit(std::move(invocation), std::move(accepted), std::move(handler));
  }
  accepts_.push_back(std::move(accepted));
  (void)invoke(std::move(invocation), std::move(handler));
}

void FakeInvoker::keep(store::Work work, activation::AcceptHandler done) {
  kept.push_back(std::move(work));
  done(keep_status);
}

void FakeInvoker::accept(const Status& status) {
  for (const auto& accepted : std::exchange(accepts_, {})) accepted(status);
}

void FakeInvoker::release() {
  const auto held = std::exchange(held_, {});
  for (const auto& [invocation, handler] : held) finish(invocation, handler);
}

void FakeInvoker::finish(const activation::Invocation& invocation,
                         const activation::OutcomeHandler& handler) {
  entity::Activation record = activation::record_of(invocation);
  record.start_ms = 1000;
  record.end_ms = 1056;
  record.duration_ms = 56;
  record.outcome = outcome;
  record.result = result.empty() ? invocation.arguments : result;
  record.size = record.result.size();
  handler(record);
  activations.put_later(record);
}

boost::asio::awaitable<void> FakeInvoker::shut_down(SteadyTime) {
  co_return;
}

plugin::Awaitable<void> FakeLogs::start(SteadyTime) {
  co_return Result<void>();
}
plugin::Awaitable<plugin::Pairs> FakeLogs::container_parameters(SteadyTime) {
  co_return plugin::Pairs();
}
plugin::Awaitable<void> FakeLogs::append(plugin::ActivationRef, std::vector<plugin::LogLine>, bool,
                                         SteadyTime) {
  co_return Result<void>();
}
plugin::Awaitable<plugin::LogPage> FakeLogs::fetch(plugin::ActivationRef activation,
                                                   std::string cursor, std::uint64_t, SteadyTime) {
  if (!refusal.ok()) co_return refusal;
  plugin::LogPage next;
  next.partial = partial;
  const std::vector<plugin::LogLine>& all = lines[activation.activation_id];
  const std::size_t at = cursor.empty() ? 0 : std::stoul(cursor);
  if (at < all.size()) next.lines.push_back(all[at]);
  if (at + 1 < all.size()) next.next_cursor = std::to_string(at + 1);
  co_return next;
}
plugin::Awaitable<void> FakeLogs::drain(SteadyTime) {
  co_return Result<void>();
}
plugin::Awaitable<void> FakeLogs::stop(SteadyTime) {
  co_return Result<void>();
}

}  // namespace berth::api
