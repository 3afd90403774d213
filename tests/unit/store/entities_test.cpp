// SPDX-License-Identifier: Apache-2.0
#include <boost/json/serialize.hpp>
#include <boost/json/value.hpp>
#include <thread>

#include "store_fixture.hpp"

namespace berth::store {
namespace {

class Entities : public StoreTest {
 protected:
  void SetUp() override { open(); }
  std::vector<std::string> names(std::optional<std::string> package, std::int64_t skip,
                                 std::int64_t limit) {
    auto listed = await<std::vector<entity::ActionPtr>>([&](Executor on, auto done) {
      store_->entities().list_actions(on, "guest", package, skip, limit, std::move(done));
    });
    EXPECT_TRUE(listed);
    std::vector<std::string> out;
    for (const auto& action : *listed) out.push_back(action->name);
    return out;
  }
  std::int64_t count(std::optional<std::string> package, std::int64_t skip = 0) {
    return await<std::int64_t>([&](Executor on, auto done) {
             store_->entities().count_actions(on, "guest", package, skip, std::move(done));
           })
        .value();
  }
};

TEST_F(Entities, KeepsEverythingOfAnActionOverARestart) {
  ASSERT_TRUE(change({.put = make_package("demo")}));
  entity::Action action = make_action("hello", "demo");
  action.version = "1.2.3";
  action.publish = true;
  action.exec.main = "run";
  action.exec.code += std::string("\0zero", 5);
  action.parameters = {{"a", boost::json::value{1, nullptr, "x"}, false}, {"B", "env", true}};
  action.annotations = {{"web-export", true, false}};
  action.limits = {1000, 128, 5, 1};
  const auto stored = put(action);
  ASSERT_TRUE(stored) << stored.error().to_string();
  EXPECT_GT((*stored)->revision, 0u);

  open();
  EXPECT_EQ(store_->entities().cached_action("guest/demo/hello"), nullptr);
  const auto read = get("guest/demo/hello");
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ(entity::serialize(**read), entity::serialize(**stored));
  EXPECT_EQ((*read)->exec.code, action.exec.code);
  EXPECT_EQ((*read)->revision, (*stored)->revision);
  // Read through: now it is at hand.
  EXPECT_EQ(store_->entities().cached_action("guest/demo/hello"), *read);
}

TEST_F(Entities, WritesThroughTheCache) {
  EXPECT_EQ(store_->entities().cached_action("guest/a"), nullptr);
  const auto first = put(make_action("a"));
  ASSERT_TRUE(first);
  EXPECT_EQ(store_->entities().cached_action("guest/a"), *first);
  const auto second = put(make_action("a"), (*first)->revision);
  ASSERT_TRUE(second);
  EXPECT_EQ(store_->entities().cached_action("guest/a"), *second);
  EXPECT_GT((*second)->revision, (*first)->revision);
  ASSERT_TRUE(remove("guest/a", (*second)->revision));
  EXPECT_EQ(store_->entities().cached_action("guest/a"), nullptr);
  EXPECT_EQ(code_of(get("guest/a")), StatusCode::kNotFound);
}

TEST_F(Entities, RefusesWritesOverAnotherRevision) {
  const auto first = put(make_action("a"));
  ASSERT_TRUE(first);
  EXPECT_EQ(code_of(put(make_action("a"))), StatusCode::kAlreadyExists);
  EXPECT_EQ(code_of(put(make_action("a"), (*first)->revision + 1)), StatusCode::kAborted);
  EXPECT_EQ(code_of(put(make_action("b"), 7)), StatusCode::kAborted);
  EXPECT_EQ(code_of(remove("guest/a", (*first)->revision + 1)), StatusCode::kAborted);
  EXPECT_EQ(code_of(remove("guest/b", 1)), StatusCode::kNotFound);
  EXPECT_EQ(get("guest/a").value()->revision, (*first)->revision);
}

// A warm container must never take a new action of an old name for the one it knows.
TEST_F(Entities, NeverUsesARevisionTwice) {
  const auto first = put(make_action("a"));
  ASSERT_TRUE(remove("guest/a", (*first)->revision));
  open();
  EXPECT_GT(put(make_action("a")).value()->revision, (*first)->revision);
}

TEST_F(Entities, ListsNewestFirstWithoutCode) {
  ASSERT_TRUE(change({.put = make_package("pkg")}));
  for (int i = 0; i < 5; ++i) {
    entity::Action action = make_action("a" + std::to_string(i), i % 2 == 0 ? "" : "pkg");
    action.updated_ms = 1000 + (i * 7) % 5;
    ASSERT_TRUE(put(std::move(action)));
  }
  ASSERT_TRUE(put(make_action("other", "", "guest2")));
  EXPECT_EQ(names(std::nullopt, 0, 30), (std::vector<std::string>{"a2", "a4", "a1", "a3", "a0"}));
  EXPECT_EQ(names("pkg", 0, 30), (std::vector<std::string>{"a1", "a3"}));
  EXPECT_EQ(names("", 0, 30), (std::vector<std::string>{"a2", "a4", "a0"}));
  EXPECT_EQ(names(std::nullopt, 1, 2), (std::vector<std::string>{"a4", "a1"}));
  EXPECT_TRUE(names(std::nullopt, 0, 0).empty());
  EXPECT_EQ(count(std::nullopt), 5);
  EXPECT_EQ(count("pkg"), 2);
  EXPECT_EQ(count(""), 3);
  EXPECT_EQ(count(std::nullopt, 4), 1);
  EXPECT_EQ(count(std::nullopt, 9), 0);
  const auto listed = await<std::vector<entity::ActionPtr>>([&](Executor on, auto done) {
    store_->entities().list_actions(on, "guest", std::nullopt, 0, 1, std::move(done));
  });
  EXPECT_TRUE(listed.value().front()->exec.code.empty());
  EXPECT_GT(listed.value().front()->revision, 0u);
}

TEST_F(Entities, KeepsActionsApartThatOnlyLookAlike) {
  ASSERT_TRUE(change({.put = make_package("b", "c")}));
  ASSERT_TRUE(put(make_action("a", "b", "c")));
  EXPECT_EQ(code_of(get("c/b")), StatusCode::kFailedPrecondition);  // it is the package
  EXPECT_EQ(code_of(get("c/a")), StatusCode::kNotFound);
  EXPECT_EQ(code_of(get("C/b/a")), StatusCode::kNotFound);
  EXPECT_TRUE(get("c/b/a"));
  EXPECT_EQ(code_of(get("c' OR '1'='1")), StatusCode::kNotFound);
}

// Never stale: a reader sees the newest write, whatever its timing.
TEST_F(Entities, ConcurrentReadersNeverSeeAnOlderRevision) {
  std::uint64_t revision = put(make_action("a")).value()->revision;
  std::atomic<std::uint64_t> newest{revision};
  std::atomic<bool> stop{false};
  std::thread reader([&] {
    while (!stop) {
      const std::uint64_t before = newest;
      const auto cached = store_->entities().cached_action("guest/a");
      const auto read = cached != nullptr ? cached : get("guest/a").value();
      EXPECT_GE(read->revision, before);
    }
  });
  for (int i = 0; i < 100; ++i) {
    revision = put(make_action("a"), revision).value()->revision;
    newest = revision;
  }
  stop = true;
  reader.join();
}

TEST_F(Entities, OneOfManyConcurrentWritersWins) {
  boost::asio::io_context context;
  int won = 0;
  int lost = 0;
  for (int i = 0; i < 50; ++i) {
    store_->entities().put_action(
        context.get_executor(), make_action("a"), 0, [&](Result<entity::ActionPtr> result) {
          if (result) {
            ++won;
          } else if (result.error().code() == StatusCode::kAlreadyExists) {
            ++lost;
          }
        });
  }
  context.run();
  EXPECT_EQ(won, 1);
  EXPECT_EQ(lost, 49);
}

}  // namespace
}  // namespace berth::store
