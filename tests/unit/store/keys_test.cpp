// SPDX-License-Identifier: Apache-2.0
// Keys beside a namespace's own: rights, ends, rotation with overlap; blocked namespaces.
#include <atomic>
#include <chrono>

#include "base/clock.hpp"
#include "base/ids.hpp"
#include "store_fixture.hpp"

namespace berth::store {
namespace {

// Wall time that the test owns.
class SetClock final : public Clock {
 public:
  WallTime wall_now() const override {
    return WallTime(
        std::chrono::duration_cast<WallTime::duration>(std::chrono::milliseconds(now_ms.load())));
  }
  SteadyTime steady_now() const override { return system_clock().steady_now(); }

  std::atomic<std::int64_t> now_ms{1'000'000};
};

class Keys : public StoreTest {
 protected:
  void SetUp() override { reopen(); }
  ~Keys() override { store_.reset(); }  // before its clock
  void reopen() {
    store_.reset();
    SqliteStore::Options options;
    options.clock = &clock_;
    open(options);
  }
  Result<Key> add(NewKey wanted) {
    return await<Key>([&](Executor on, auto done) {
      store_->keys().add_key(on, std::move(wanted), std::move(done));
    });
  }
  Result<Key> rotate(const std::string& uuid, std::int64_t overlap_ms) {
    return await<Key>([&](Executor on, auto done) {
      store_->keys().rotate_key(on, "guest", uuid, overlap_ms, std::move(done));
    });
  }
  Result<void> remove(const std::string& uuid) {
    return await<void>([&](Executor on, auto done) {
      store_->keys().remove_key(on, "guest", uuid, std::move(done));
    });
  }
  Result<void> block(const std::string& name, bool blocked) {
    return await<void>([&](Executor on, auto done) {
      store_->keys().set_blocked(on, name, blocked, std::move(done));
    });
  }
  bool opens(const entity::AuthKey& key) {
    return store_->auth().authenticate(key.uuid, key.secret).has_value();
  }

  SetClock clock_;
};

TEST_F(Keys, OpenTheirNamespaceWithTheirRights) {
  const auto own = create_namespace("guest").value();
  const auto made = add({"guest", "ci", *entity::parse_rights("read,invoke"), 0});
  ASSERT_TRUE(made) << made.error().to_string();
  for (int round = 0; round < 2; ++round) {
    const auto identity = store_->auth().authenticate(made->key.uuid, made->key.secret);
    ASSERT_TRUE(identity);
    EXPECT_EQ(identity->namespace_name, "guest");
    EXPECT_EQ(identity->namespace_uuid, own.namespace_uuid);
    EXPECT_EQ(identity->subject, "ci");
    EXPECT_EQ(entity::to_string(identity->rights), "read,activate");
    // The namespace's own stays what it is.
    EXPECT_EQ(store_->auth().find_namespace("guest")->key.uuid, own.key.uuid);
    EXPECT_EQ(store_->auth().authenticate(own.key.uuid, own.key.secret)->rights, entity::Rights());
    const auto keys = store_->keys().keys_of_namespace("guest");
    ASSERT_EQ(keys.size(), 2u);
    EXPECT_TRUE(keys[0].own);
    EXPECT_EQ(keys[1].subject, "ci");
    reopen();
  }
}

TEST_F(Keys, OfOneSubjectMayBeOfSeveralNamespaces) {
  create_namespace("guest").value();
  create_namespace("team").value();
  ASSERT_TRUE(add({"guest", "ann", {}, 0}));
  ASSERT_TRUE(add({"team", "ann", {}, 0}));
  ASSERT_TRUE(add({"team", "ben", {}, 0}));
  const auto keys = store_->keys().keys_of_subject("ann");
  ASSERT_EQ(keys.size(), 2u);
  EXPECT_EQ(keys[0].namespace_name, "guest");
  EXPECT_EQ(keys[1].namespace_name, "team");
  EXPECT_EQ(store_->keys().keys_of_namespace("").size(), 5u);
}

TEST_F(Keys, EndAtTheirTime) {
  create_namespace("guest").value();
  EXPECT_EQ(code_of(add({"guest", "a", {}, clock_.now_ms})), StatusCode::kInvalidArgument);
  const auto made = add({"guest", "a", {}, clock_.now_ms + 1000}).value();
  EXPECT_TRUE(opens(made.key));
  clock_.now_ms += 1000;
  EXPECT_FALSE(opens(made.key));
  reopen();
  EXPECT_FALSE(opens(made.key));
}

TEST_F(Keys, RotateWithAnOverlap) {
  const auto own = create_namespace("guest").value();
  const auto second = rotate(own.key.uuid, 5000);
  ASSERT_TRUE(second) << second.error().to_string();
  EXPECT_TRUE(second->own);
  EXPECT_EQ(second->old_until_ms, clock_.now_ms + 5000);
  for (int round = 0; round < 2; ++round) {
    EXPECT_TRUE(opens(own.key));
    EXPECT_TRUE(opens(second->key));
    EXPECT_FALSE(opens({own.key.uuid, ""}));
    reopen();
  }
  // Only the one before opens, not the one before that.
  const auto third = rotate(own.key.uuid, 5000).value();
  EXPECT_FALSE(opens(own.key));
  EXPECT_TRUE(opens(second->key));
  clock_.now_ms += 5000;
  EXPECT_FALSE(opens(second->key));
  EXPECT_TRUE(opens(third.key));
  EXPECT_EQ(store_->keys().keys_of_namespace("guest")[0].old_until_ms, 0);
  // Without an overlap it is over at once, also of one that was left from before.
  const auto fourth = rotate(own.key.uuid, 5000).value();
  const auto fifth = rotate(own.key.uuid, 0).value();
  EXPECT_FALSE(opens(fourth.key));
  EXPECT_TRUE(opens(fifth.key));
  EXPECT_EQ(code_of(rotate(new_uuid(), 0)), StatusCode::kNotFound);
}

TEST_F(Keys, AreRemovedButForTheNamespacesOwn) {
  const auto own = create_namespace("guest").value();
  const auto made = add({"guest", "a", {}, 0}).value();
  EXPECT_EQ(code_of(remove(own.key.uuid)), StatusCode::kFailedPrecondition);
  ASSERT_TRUE(remove(made.key.uuid));
  EXPECT_FALSE(opens(made.key));
  EXPECT_EQ(code_of(remove(made.key.uuid)), StatusCode::kNotFound);
  reopen();
  EXPECT_FALSE(opens(made.key));
  EXPECT_TRUE(opens(own.key));
}

TEST_F(Keys, GoWithTheirNamespace) {
  create_namespace("guest").value();
  const auto made = add({"guest", "a", {}, 0}).value();
  ASSERT_TRUE(await<void>([&](Executor on, auto done) {
    store_->auth().remove_namespace(on, "guest", true, std::move(done));
  }));
  EXPECT_FALSE(opens(made.key));
  EXPECT_TRUE(store_->keys().keys_of_subject("a").empty());
  create_namespace("guest").value();
  EXPECT_FALSE(opens(made.key));
}

TEST_F(Keys, BadOnesAreRefused) {
  create_namespace("guest").value();
  EXPECT_EQ(code_of(add({"nobody", "a", {}, 0})), StatusCode::kNotFound);
  EXPECT_EQ(code_of(add({"guest", "a/b", {}, 0})), StatusCode::kInvalidArgument);
  EXPECT_EQ(code_of(add({"guest", "a", {0}, 0})), StatusCode::kInvalidArgument);
}

TEST_F(Keys, OfABlockedNamespaceOpenNothing) {
  const auto own = create_namespace("guest").value();
  const auto made = add({"guest", "a", {}, 0}).value();
  ASSERT_TRUE(block("guest", true));
  for (int round = 0; round < 2; ++round) {
    EXPECT_FALSE(opens(own.key));
    EXPECT_FALSE(opens(made.key));
    ASSERT_TRUE(store_->auth().find_namespace("guest"));
    EXPECT_TRUE(store_->auth().find_namespace("guest")->blocked);
    EXPECT_TRUE(store_->auth().namespaces().front().blocked);
    reopen();
  }
  ASSERT_TRUE(block("guest", false));
  EXPECT_TRUE(opens(own.key));
  EXPECT_TRUE(opens(made.key));
  EXPECT_EQ(code_of(block("nobody", true)), StatusCode::kNotFound);
}

TEST(Rights, AreReadAndShown) {
  EXPECT_EQ(entity::to_string(entity::Rights()), "read,put,delete,activate");
  EXPECT_EQ(entity::parse_rights("write"), entity::parse_rights("put,delete"));
  EXPECT_EQ(entity::parse_rights("all"), entity::Rights());
  EXPECT_EQ(entity::parse_rights("")->bits, 0);
  EXPECT_FALSE(entity::parse_rights("read,fly"));
  EXPECT_FALSE(entity::parse_rights("read "));
}

// A full namespace is told apart from a store that takes nothing now.
TEST_F(Keys, AreNotWithoutEnd) {
  ASSERT_TRUE(create_namespace("guest"));
  const auto last = await<Key>([&](Executor on, auto done) {
    for (std::size_t i = 0; i + 1 < KeyStore::kMaxKeys; ++i) {
      store_->keys().add_key(on, {"guest", "ci", {}, 0}, [](const Result<Key>&) {});
    }
    store_->keys().add_key(on, {"guest", "ci", {}, 0}, std::move(done));
  });
  // The namespace's own is one of them.
  ASSERT_FALSE(last);
  EXPECT_EQ(last.error().code(), StatusCode::kFailedPrecondition) << last.error().to_string();
  EXPECT_EQ(store_->keys().keys_of_namespace("guest").size(), KeyStore::kMaxKeys);
}

}  // namespace
}  // namespace berth::store
