// SPDX-License-Identifier: Apache-2.0
#include <sqlite3.h>

#include "base/ids.hpp"
#include "store_fixture.hpp"

namespace berth::store {
namespace {

class Auth : public StoreTest {
 protected:
  void SetUp() override { open(); }
  Result<void> remove_namespace(const std::string& name, bool force) {
    return await<void>([&](Executor on, auto done) {
      store_->auth().remove_namespace(on, name, force, std::move(done));
    });
  }
};

TEST_F(Auth, AKeyMadeOpensItsNamespaceAlsoAfterARestart) {
  const auto made = create_namespace("guest");
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_TRUE(is_uuid(made->key.uuid));
  EXPECT_EQ(made->key.secret.size(), 64u);
  EXPECT_EQ(made->subject, "guest");
  EXPECT_EQ(made->namespace_uuid, made->key.uuid);
  for (int round = 0; round < 2; ++round) {
    const auto identity = store_->auth().authenticate(made->key.uuid, made->key.secret);
    ASSERT_TRUE(identity);
    EXPECT_EQ(identity->namespace_name, "guest");
    EXPECT_EQ(store_->auth().find_namespace("guest")->key.secret, made->key.secret);
    ASSERT_EQ(store_->auth().namespaces().size(), 1u);
    EXPECT_EQ(store_->auth().namespaces().front().uuid, made->namespace_uuid);
    open();
  }
}

TEST_F(Auth, WrongKeysOpenNothing) {
  const auto made = create_namespace("guest").value();
  EXPECT_FALSE(store_->auth().authenticate(made.key.uuid, ""));
  EXPECT_FALSE(store_->auth().authenticate(made.key.uuid, made.key.secret + "x"));
  EXPECT_FALSE(store_->auth().authenticate(made.key.uuid, std::string(64, 'x')));
  EXPECT_FALSE(store_->auth().authenticate(new_uuid(), made.key.secret));
  EXPECT_FALSE(store_->auth().authenticate("", ""));
  EXPECT_FALSE(store_->auth().find_namespace("gues"));
}

TEST_F(Auth, GivenKeysAreKeptAndChecked) {
  const entity::AuthKey key{"23bc46b1-71f6-4ed5-8c54-816aa4f8c502", std::string(64, 'k')};
  EXPECT_EQ(create_namespace("guest", key).value().key.secret, key.secret);
  EXPECT_TRUE(store_->auth().authenticate(key.uuid, key.secret));
  EXPECT_EQ(code_of(create_namespace("other", key)), StatusCode::kAlreadyExists);
  EXPECT_EQ(code_of(create_namespace("a", entity::AuthKey{"nonsense", std::string(64, 'k')})),
            StatusCode::kInvalidArgument);
  const auto weak = create_namespace("a", entity::AuthKey{new_uuid(), "short"});
  EXPECT_EQ(code_of(weak), StatusCode::kInvalidArgument);
  EXPECT_EQ(weak.error().message().find("short"), std::string::npos) << "a secret in an error";
}

TEST_F(Auth, BadAndTakenNamesAreRefused) {
  for (const char* name : {"", "_", " a", "a/b", "a ", "$x", "a\nb"}) {
    EXPECT_EQ(code_of(create_namespace(name)), StatusCode::kInvalidArgument) << name;
  }
  ASSERT_TRUE(create_namespace("guest"));
  EXPECT_EQ(code_of(create_namespace("guest")), StatusCode::kAlreadyExists);
  EXPECT_EQ(store_->auth().namespaces().size(), 1u);
}

TEST_F(Auth, ARotatedKeyShutsTheOldOneOut) {
  const auto old = create_namespace("guest").value();
  const auto fresh = await<entity::Identity>(
      [&](Executor on, auto done) { store_->auth().rotate_key(on, "guest", std::move(done)); });
  ASSERT_TRUE(fresh);
  EXPECT_EQ(fresh->key.uuid, old.key.uuid);
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(store_->auth().authenticate(old.key.uuid, old.key.secret));
    EXPECT_TRUE(store_->auth().authenticate(fresh->key.uuid, fresh->key.secret));
    open();
  }
  const auto unknown = await<entity::Identity>(
      [&](Executor on, auto done) { store_->auth().rotate_key(on, "nobody", std::move(done)); });
  EXPECT_EQ(code_of(unknown), StatusCode::kNotFound);
}

TEST_F(Auth, RemovalTakesEverythingWithIt) {
  const auto made = create_namespace("guest").value();
  ASSERT_TRUE(put(make_action("a")));
  for (unsigned i = 0; i < 1200; ++i) store_->activations().put_later(make_activation(i));
  ASSERT_TRUE(put(make_activation(5000)));
  EXPECT_EQ(code_of(remove_namespace("guest", false)), StatusCode::kFailedPrecondition);
  EXPECT_TRUE(store_->auth().authenticate(made.key.uuid, made.key.secret));
  const auto removed = remove_namespace("guest", true);
  ASSERT_TRUE(removed) << removed.error().to_string();
  EXPECT_FALSE(store_->auth().authenticate(made.key.uuid, made.key.secret));
  EXPECT_EQ(store_->entities().cached_action("guest/a"), nullptr);
  EXPECT_EQ(code_of(get("guest/a")), StatusCode::kNotFound);
  EXPECT_EQ(code_of(remove_namespace("guest", true)), StatusCode::kNotFound);
  // The next owner of the name sees nothing of the former one.
  ASSERT_TRUE(create_namespace("guest"));
  EXPECT_EQ(count_records({.namespace_name = "guest"}).value(), 0);
}

TEST_F(Auth, AnEmptyNamespaceNeedsNoForce) {
  ASSERT_TRUE(create_namespace("guest"));
  EXPECT_TRUE(remove_namespace("guest", false));
  EXPECT_TRUE(store_->auth().namespaces().empty());
}

TEST_F(Auth, AnInterruptedRemovalGoesOnAtTheNextStart) {
  ASSERT_TRUE(create_namespace("guest"));
  ASSERT_TRUE(put(make_activation(1)));
  store_.reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db, "UPDATE namespaces SET removed = 1; DELETE FROM keys", nullptr,
                         nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  open();
  EXPECT_FALSE(store_->auth().find_namespace("guest"));
  Result<entity::Identity> made = create_namespace("guest");
  while (code_of(made) == StatusCode::kFailedPrecondition) made = create_namespace("guest");
  ASSERT_TRUE(made) << made.error().to_string();
  EXPECT_EQ(count_records({.namespace_name = "guest"}).value(), 0);
}

TEST_F(Auth, ALimitThatIsNotKnownKeepsNobodyFromStarting) {
  ASSERT_TRUE(create_namespace("guest"));
  ASSERT_TRUE(create_namespace("other"));
  store_.reset();
  sqlite3* db = nullptr;
  ASSERT_EQ(sqlite3_open(file().c_str(), &db), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(db,
                         R"(UPDATE namespaces SET limits =
                         '{"ofTomorrow":1,"invocationsPerMinute":5,"maxActionLogs":"many"}'
                         WHERE name = 'guest';
                         UPDATE namespaces SET limits = '{"half' WHERE name = 'other')",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(db);
  open();
  const auto guest = store_->auth().find_namespace("guest");
  ASSERT_TRUE(guest && guest->limits);
  EXPECT_EQ(guest->limits->invocations_per_minute, 5);
  EXPECT_FALSE(guest->limits->max_logs_mb);
  EXPECT_TRUE(store_->auth().find_namespace("other"));
}

TEST_F(Auth, ChangesOfLimitsAtTheSameTimeAreAllKept) {
  ASSERT_TRUE(create_namespace("guest"));
  boost::asio::io_context context;
  int done = 0;
  const auto change = [&](entity::NamespaceLimits::Number entity::NamespaceLimits::*field) {
    store_->auth().change_limits(
        context.get_executor(), "guest",
        [field](const entity::NamespaceLimits& present) {
          entity::NamespaceLimits limits = present;
          limits.*field = 0;
          return limits;
        },
        [&](const Result<entity::NamespaceLimits>& changed) {
          EXPECT_TRUE(changed);
          ++done;
        });
  };
  change(&entity::NamespaceLimits::invocations_per_minute);
  change(&entity::NamespaceLimits::max_memory_mb);
  change(&entity::NamespaceLimits::kept_activations);
  context.run();
  EXPECT_EQ(done, 3);
  entity::NamespaceLimits all;
  all.invocations_per_minute = all.max_memory_mb = all.kept_activations = 0;
  EXPECT_EQ(*store_->auth().find_namespace("guest")->limits, all);
  store_.reset();
  open();
  EXPECT_EQ(*store_->auth().find_namespace("guest")->limits, all);
  EXPECT_EQ(code_of(set_limits("nobody", all)), StatusCode::kNotFound);
}

}  // namespace
}  // namespace berth::store
