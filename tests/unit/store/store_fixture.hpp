// SPDX-License-Identifier: Apache-2.0
// What the store's tests share: a temporary directory, a store in it, and waiting for its answers.
#pragma once

#include <boost/asio/io_context.hpp>
#include <filesystem>
#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <optional>
#include <stdlib.h>
#include <string>

#include "store/sqlite_store.hpp"
#include "support/temporary_directory.hpp"

namespace berth::store {

using test::TemporaryDirectory;

// Calls `start(executor, done)` and waits for the answer; it must come by way of the executor.
template <typename T>
Result<T> await(const std::function<void(Executor, Done<T>)>& start) {
  boost::asio::io_context context;
  std::optional<Result<T>> answer;
  bool inside = true;
  start(context.get_executor(), [&](Result<T> result) {
    EXPECT_FALSE(inside) << "answered from inside the call";
    EXPECT_FALSE(answer.has_value()) << "answered twice";
    answer = std::move(result);
  });
  inside = false;
  context.run();
  if (!answer) return sdk::internal("no answer");
  return std::move(*answer);
}

inline entity::Action make_action(const std::string& name, const std::string& package = "",
                                  const std::string& space = "guest") {
  entity::Action action;
  action.namespace_name = space;
  action.package = package;
  action.name = name;
  action.updated_ms = 1000;
  action.exec.kind = "python:3.11";
  action.exec.code = "def main(args):\n    return {\"n\": \"\u00e4\"}\n";
  return action;
}

inline std::shared_ptr<entity::Package> make_package(const std::string& name,
                                                     const std::string& space = "guest") {
  auto package = std::make_shared<entity::Package>();
  package->namespace_name = space;
  package->name = name;
  package->updated_ms = 1000;
  package->parameters = {{.key = "p", .value = boost::json::value(1)}};
  return package;
}

// The id is a number in 32 hex digits.
inline std::string id_of(unsigned number) {
  char text[33];
  std::snprintf(text, sizeof text, "%032x", number);
  return text;
}

inline entity::Activation make_activation(unsigned number, std::int64_t start_ms = 1000,
                                          const std::string& path = "guest/hello") {
  entity::Activation record;
  record.activation_id = id_of(number);
  record.namespace_name = "guest";
  record.namespace_uuid = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502";
  record.subject = "guest";
  record.name = path.substr(path.rfind('/') + 1);
  record.version = "0.0.1";
  record.path = path;
  record.start_ms = start_ms;
  record.end_ms = start_ms + 5;
  record.duration_ms = 5;
  record.result = R"({"n":)" + std::to_string(number) + "}";
  record.size = record.result.size();
  record.annotations = R"([{"key":"kind","value":"python:3.11"}])";
  return record;
}

class StoreTest : public testing::Test {
 protected:
  void open(SqliteStore::Options options = {}) {
    store_.reset();
    auto store = SqliteStore::open(file(), options);
    ASSERT_TRUE(store) << store.error().to_string();
    store_ = std::move(*store);
  }
  std::filesystem::path file() const { return directory_.path() / "berth.db"; }

  Result<entity::ActionPtr> get(const std::string& path) {
    return await<entity::ActionPtr>(
        [&](Executor on, auto done) { store_->entities().get_action(on, path, std::move(done)); });
  }
  Result<entity::ActionPtr> put(entity::Action action, std::uint64_t expected = 0) {
    return await<entity::ActionPtr>([&](Executor on, auto done) {
      store_->entities().put_action(on, std::move(action), expected, std::move(done));
    });
  }
  Result<void> remove(const std::string& path, std::uint64_t expected) {
    return await<void>([&](Executor on, auto done) {
      store_->entities().remove_action(on, path, expected, std::move(done));
    });
  }
  Result<std::vector<entity::EntityPtr>> change(std::vector<EntityChange> changes) {
    return await<std::vector<entity::EntityPtr>>([&](Executor on, auto done) {
      store_->entities().change_entities(on, std::move(changes), std::move(done));
    });
  }
  Result<std::vector<entity::EntityPtr>> change(EntityChange one) {
    std::vector<EntityChange> changes;
    changes.push_back(std::move(one));
    return change(std::move(changes));
  }
  Result<entity::EntityPtr> get_entity(entity::Collection collection, const std::string& path) {
    return await<entity::EntityPtr>([&](Executor on, auto done) {
      store_->entities().get_entity(on, collection, path, std::move(done));
    });
  }
  Result<void> put(entity::Activation record) {
    return await<void>([&](Executor on, auto done) {
      store_->activations().put(on, std::move(record), std::move(done));
    });
  }
  Result<entity::Activation> get_record(const std::string& id, const std::string& space = "guest") {
    return await<entity::Activation>(
        [&](Executor on, auto done) { store_->activations().get(on, space, id, std::move(done)); });
  }
  Result<std::vector<entity::Activation>> list_records(const ActivationQuery& query) {
    return await<std::vector<entity::Activation>>(
        [&](Executor on, auto done) { store_->activations().list(on, query, std::move(done)); });
  }
  Result<std::int64_t> count_records(const ActivationQuery& query) {
    return await<std::int64_t>(
        [&](Executor on, auto done) { store_->activations().count(on, query, std::move(done)); });
  }
  Result<void> flush() {
    return await<void>(
        [&](Executor on, auto done) { store_->activations().flush(on, std::move(done)); });
  }
  Result<entity::NamespaceLimits> set_limits(const std::string& name,
                                             const entity::NamespaceLimits& limits) {
    return await<entity::NamespaceLimits>([&](Executor on, auto done) {
      store_->auth().change_limits(
          on, name, [limits](const entity::NamespaceLimits&) { return limits; }, std::move(done));
    });
  }
  Result<entity::Identity> create_namespace(const std::string& name,
                                            std::optional<entity::AuthKey> key = std::nullopt) {
    return await<entity::Identity>([&](Executor on, auto done) {
      store_->auth().create_namespace(on, name, key, std::move(done));
    });
  }

  TemporaryDirectory directory_;
  std::unique_ptr<SqliteStore> store_;
};

template <typename T>
StatusCode code_of(const Result<T>& result) {
  return result ? StatusCode::kOk : result.error().code();
}

}  // namespace berth::store
