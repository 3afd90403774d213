// SPDX-License-Identifier: Apache-2.0
#include "system_packages.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <future>
#include <string>
#include <utility>
#include <vector>

#include "activation/utilities.hpp"
#include "base/clock.hpp"
#include "base/log.hpp"
#include "worker.hpp"

namespace berth::daemon {
namespace {

using activation::AlarmKind;

constexpr const char* kSpace = "whisk.system";
constexpr const char* kUtils = "utils";
constexpr const char* kAlarms = "alarms";

struct Feed {
  AlarmKind kind;
  const char* description;
};
constexpr Feed kFeeds[] = {
    {AlarmKind::kCron, "Fires a trigger by a cron expression, {cron}"},
    {AlarmKind::kInterval, "Fires a trigger every {minutes}"},
    {AlarmKind::kOnce, "Fires a trigger at a {date}"},
};

// Waits for the store's answer.
template <typename T>
Result<T> await(const std::function<void(store::Executor, store::Done<T>)>& ask) {
  std::promise<Result<T>> promise;
  auto answer = promise.get_future();
  Worker thread("berthd-system");
  ask(thread.io().get_executor(),
      [&promise](Result<T> result) { promise.set_value(std::move(result)); });
  return answer.get();
}

entity::Parameter annotation(const char* key, boost::json::value value) {
  return {.key = key, .value = std::move(value)};
}

Status ensure_package(store::EntityStore& entities, const char* name, const char* description) {
  const std::string path = std::string(kSpace) + '/' + name;
  const auto found = await<entity::EntityPtr>([&](store::Executor on, auto done) {
    entities.get_entity(on, entity::Collection::kPackages, path, std::move(done));
  });
  if (found || found.error().code() != StatusCode::kNotFound) {
    return found ? Status() : found.error();
  }
  const auto package = std::make_shared<entity::Package>();
  package->namespace_name = kSpace;
  package->name = name;
  package->updated_ms = system_clock().wall_ms();
  package->publish = true;
  package->annotations = {annotation("description", description)};
  std::vector<store::EntityChange> changes;
  changes.push_back({.put = package});
  const auto stored = await<std::vector<entity::EntityPtr>>([&](store::Executor on, auto done) {
    entities.change_entities(on, std::move(changes), std::move(done));
  });
  return stored ? Status() : stored.error();
}

Status ensure_action(store::EntityStore& entities, const char* package, std::string_view name,
                     std::string_view description, bool is_feed) {
  entity::Action action;
  action.namespace_name = kSpace;
  action.package = package;
  action.name = name;
  const auto found = await<entity::ActionPtr>([&](store::Executor on, auto done) {
    entities.get_action(on, action.path(), std::move(done));
  });
  if (found || found.error().code() != StatusCode::kNotFound) {
    return found ? Status() : found.error();
  }
  action.updated_ms = system_clock().wall_ms();
  action.exec.kind = activation::kBuiltinKind;
  action.annotations = {annotation("description", boost::json::string(description)),
                        annotation("provide-api-key", false),
                        annotation("exec", boost::json::string(activation::kBuiltinKind))};
  if (is_feed) action.annotations.push_back(annotation("feed", true));
  const auto stored = await<entity::ActionPtr>([&](store::Executor on, auto done) {
    entities.put_action(on, std::move(action), 0, std::move(done));
  });
  return stored ? Status() : stored.error();
}

// What is there already in a package's stead, or is damaged, keeps Berth from nothing else.
Status only_fatal(const char* package, Status status) {
  if (status.code() != StatusCode::kFailedPrecondition && status.code() != StatusCode::kDataLoss) {
    return status.ok() ? status : status.with_context("packages of whisk.system");
  }
  log::error("berthd", "a package of whisk.system cannot be made",
             {{"package", package}, {"reason", status.to_string()}});
  return {};
}

}  // namespace

Status ensure_system_packages(store::SqliteStore& store) {
  if (!store.auth().find_namespace(kSpace)) {
    const auto made = await<entity::Identity>([&](store::Executor on, auto done) {
      store.auth().create_namespace(on, kSpace, std::nullopt, std::move(done));
    });
    if (!made) return made.error().with_context("namespace whisk.system");
  }
  store::EntityStore& entities = store.entities();
  Status status = ensure_package(entities, kUtils, "Building blocks for sequences");
  for (const activation::Utility& utility : activation::utilities(system_clock())) {
    if (!status.ok()) break;
    status = ensure_action(entities, kUtils, utility.name, utility.description, false);
  }
  if (Status fatal = only_fatal(kUtils, std::move(status)); !fatal.ok()) return fatal;
  status = ensure_package(entities, kAlarms, "Feeds of the clock");
  for (const Feed& feed : kFeeds) {
    if (!status.ok()) break;
    status = ensure_action(entities, kAlarms, to_string(feed.kind), feed.description, true);
  }
  return only_fatal(kAlarms, std::move(status));
}

void add_system_actions(activation::BuiltinInvoker& builtins, activation::AlarmClock& alarms) {
  const auto path = [](const char* package, std::string_view name) {
    return std::string(kSpace).append("/").append(package).append("/").append(name);
  };
  for (const activation::Utility& utility : activation::utilities(system_clock())) {
    builtins.add(path(kUtils, utility.name), utility.run);
  }
  for (const Feed& feed : kFeeds) {
    builtins.add(path(kAlarms, to_string(feed.kind)), alarms.feed(feed.kind));
  }
}

}  // namespace berth::daemon
