// SPDX-License-Identifier: Apache-2.0
// Compositions: a conductor says what comes next, is told what went wrong, and is bounded.
#include "unit/activation/composer_fixture.hpp"

namespace berth::activation {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

TEST_F(ComposerTest, AConductorSaysWhatComesNext) {
  add("a");
  add_conductor("c");
  answers("c", {R"({"action":"a","params":{"p":1},"state":{"s":7}})",
                R"({"action":"/_/a","params":5})", R"({"params":{"end":true},"state":{"x":1}})"});
  const entity::Activation& reply = run_flow("c");
  EXPECT_EQ(reply.outcome, Outcome::kSuccess);
  EXPECT_EQ(reply.result, R"({"end":true})");
  EXPECT_THAT(arguments, ElementsAre(R"(c {"n":1})", R"(a {"p":1})", R"(c {"by":"/guest/a","s":7})",
                                     R"(a {"value":5})", R"(c {"by":"/guest/a"})"));
  EXPECT_THAT(reply.logs, SizeIs(5));
  EXPECT_EQ(annotation(reply, "conductor"), true);
  EXPECT_EQ(annotation(reply, "kind"), "sequence");
  EXPECT_EQ(annotation(reply, "topmost"), true);
  for (const entity::Activation& record : records.records) {
    if (record.activation_id != kTop) {
      EXPECT_EQ(record.cause, kTop);
      EXPECT_EQ(annotation(record, "causedBy"), "sequence");
    }
  }
}

TEST_F(ComposerTest, AConductorIsToldWhatIsWrong) {
  add_conductor("c");
  scripts["c"] = [](const boost::json::value& given) {
    if (!given.as_object().contains("error")) {
      return Answer{.body = R"({"action":{"not":"a name"}})"};
    }
    return Answer{.body = R"({"params":)" + boost::json::serialize(given) + "}"};
  };
  EXPECT_EQ(
      run_flow("c").result,
      R"json({"error":"Failed to parse action name from json value {\"not\":\"a name\"} during composition."})json");
  EXPECT_EQ(replied[kTop].outcome, Outcome::kSuccess);
}

TEST_F(ComposerTest, AConductorIsToldWhatIsMissingOrForeign) {
  add_conductor("c");
  answers("c", {R"({"action":"gone"})", R"({"action":"/other/a"})", R"({"done":1})"});
  run_flow("c");
  ASSERT_THAT(arguments, SizeIs(3));
  EXPECT_THAT(arguments[1], HasSubstr("Failed to resolve action with name 'guest/gone' during"));
  EXPECT_THAT(arguments[2],
              HasSubstr("Failed entitlement check for action with name 'other/a' during"));
}

TEST_F(ComposerTest, AFailingStepIsTheConductorsToJudge) {
  add("a");
  add_conductor("c");
  answers("a", {R"({"error":"no"})"});
  answers("c", {R"({"action":"a","state":{"s":1}})", R"({"went":"on"})"});
  const entity::Activation& reply = run_flow("c");
  EXPECT_EQ(reply.outcome, Outcome::kSuccess);
  EXPECT_THAT(arguments.back(), R"(c {"error":"no","s":1})");
}

TEST_F(ComposerTest, AFailingConductorEndsIt) {
  add_conductor("c");
  answers("c", {R"({"error":"mine"})"});
  const entity::Activation& reply = run_flow("c");
  EXPECT_EQ(reply.outcome, Outcome::kApplicationError);
  EXPECT_EQ(reply.result, R"({"error":"mine"})");
}

TEST_F(ComposerTest, CompositionsAreBounded) {
  composer_options.max_steps = 2;
  TearDown();
  SetUp();
  add("a");
  add_conductor("c");
  answers("c", {R"({"action":"a"})"});
  const entity::Activation& reply = run_flow("c");
  EXPECT_EQ(reply.outcome, Outcome::kApplicationError);
  EXPECT_EQ(reply.result, R"({"error":"Too many actions in the composition."})");
  EXPECT_EQ(std::count_if(arguments.begin(), arguments.end(),
                          [](const std::string& text) { return text.starts_with("c "); }),
            5)
      << "2n + 1";
  EXPECT_EQ(arguments.size(), 7u);
}

TEST_F(ComposerTest, OnesThatCallThemselvesAreBounded) {
  composer_options.max_steps = 4;
  TearDown();
  SetUp();
  add_conductor("c");
  add_sequence("s", {"c"});
  answers("c", {R"({"action":"s"})"});
  EXPECT_THAT(run_flow("s").result, HasSubstr("Too many actions in the composition."));
  EXPECT_EQ(composer->flows(), 0u);
}

}  // namespace
}  // namespace berth::activation
