// SPDX-License-Identifier: Apache-2.0
// Actions with the parameters of their packages, and how many of them are kept ready.
#include "activation/resolver.hpp"

#include <gtest/gtest.h>

#include "unit/activation/fake_work.hpp"
#include "unit/container/fakes.hpp"

namespace berth::activation {
namespace {

class ResolverTest : public testing::Test {
 protected:
  ResolverTest() {
    auto package = std::make_shared<entity::Package>();
    package->namespace_name = "guest";
    package->name = "p";
    package->revision = 1;
    package->parameters = {{.key = "of", .value = "package"}};
    entities.packages["guest/p"] = package;
  }
  void add(const std::string& name, std::size_t code_bytes) {
    auto action = std::make_shared<entity::Action>(*test::make_action(name));
    action->package = "p";
    action->exec.code = std::string(code_bytes, 'x');
    entities.actions[action->path()] = action;
  }
  entity::ActionPtr resolve(Resolver& resolver, const std::string& name) {
    std::optional<Result<entity::ActionPtr>> answer;
    resolver.resolve(io.get_executor(), {"guest", "p", name}, "guest",
                     [&](Result<entity::ActionPtr> found) { answer = std::move(found); });
    EXPECT_TRUE(test::run_until(io, [&] { return answer.has_value(); }));
    EXPECT_TRUE(*answer) << answer->error().to_string();
    return answer->value();
  }

  boost::asio::io_context io;
  test::FakeActions entities;
};

TEST_F(ResolverTest, KeepsWhatItMerged) {
  add("a", 100);
  Resolver resolver(entities);
  const entity::ActionPtr merged = resolve(resolver, "a");
  ASSERT_EQ(merged->parameters.size(), 1u);
  EXPECT_EQ(merged->parameters[0].value, "package");
  EXPECT_EQ(resolve(resolver, "a"), merged);
  add("a", 200);
  std::const_pointer_cast<entity::Action>(entities.actions["guest/p/a"])->revision = 77;
  EXPECT_EQ(resolve(resolver, "a")->exec.code.size(), 200u);
}

TEST_F(ResolverTest, KeepsNoMoreBytesThanItMay) {
  for (const char* name : {"a", "b", "c"}) add(name, 40'000);
  add("huge", 200'000);
  Resolver resolver(entities, 100'000);
  const std::weak_ptr<const entity::Action> a = resolve(resolver, "a");
  const std::weak_ptr<const entity::Action> b = resolve(resolver, "b");
  EXPECT_TRUE(resolve(resolver, "huge")) << "it is run, but not kept";
  EXPECT_FALSE(a.expired());
  EXPECT_FALSE(b.expired());
  const std::weak_ptr<const entity::Action> c = resolve(resolver, "c");
  EXPECT_TRUE(a.expired());
  EXPECT_TRUE(b.expired());
  EXPECT_FALSE(c.expired());
}

}  // namespace
}  // namespace berth::activation
