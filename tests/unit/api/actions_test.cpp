// SPDX-License-Identifier: Apache-2.0
// Actions over HTTP: create, update, get, list, delete, and what is refused.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "fixture.hpp"

namespace berth::api {
namespace {

const std::string kActions = "/api/v1/namespaces/_/actions";

std::string annotations_of(const Reply& reply) {
  return boost::json::serialize(reply.json().at("annotations"));
}

using ActionsTest = ApiTest;

TEST_F(ActionsTest, CreatesAndShowsAnAction) {
  const Reply created = put(kActions + "/hello", R"({"namespace":"_","name":"hello","unknown":1,
      "exec":{"kind":"NodeJS:default","code":"function main(){}","main":"go"},
      "parameters":[{"key":"a","value":{"x":[1]}},{"key":"DB","value":"u","init":true}],
      "limits":{"timeout":1000,"memory":128}})");
  ASSERT_EQ(created.status, 200) << created.body;
  const Reply shown = get(kActions + "/hello");
  EXPECT_EQ(shown.status, 200);
  EXPECT_EQ(shown.json(), created.json());
  const boost::json::value action = shown.json();
  EXPECT_EQ(action.at("namespace"), "guest");
  EXPECT_EQ(action.at("name"), "hello");
  EXPECT_EQ(action.at("version"), "0.0.1");
  EXPECT_EQ(action.at("publish"), false);
  EXPECT_EQ(action.at("exec").at("kind"), "nodejs:20");
  EXPECT_EQ(action.at("exec").at("code"), "function main(){}");
  EXPECT_EQ(action.at("exec").at("main"), "go");
  EXPECT_EQ(action.at("exec").at("binary"), false);
  EXPECT_EQ(boost::json::serialize(action.at("limits")),
            R"({"timeout":1000,"memory":128,"logs":10,"concurrency":1})");
  EXPECT_EQ(boost::json::serialize(action.at("parameters")),
            R"([{"key":"a","value":{"x":[1]}},{"key":"DB","value":"u","init":true}])");
  EXPECT_EQ(annotations_of(shown),
            R"([{"key":"provide-api-key","value":false},{"key":"exec","value":"nodejs:20"}])");
  EXPECT_GT(action.at("updated").as_int64(), 1'600'000'000'000);
}

TEST_F(ActionsTest, LeavesOutTheCodeOnRequest) {
  create("hello");
  const Reply shown = get(kActions + "/hello?code=false");
  EXPECT_EQ(shown.json().at("exec").get_object().if_contains("code"), nullptr);
  EXPECT_EQ(shown.json().at("exec").at("kind"), "nodejs:20");
  EXPECT_EQ(get(kActions + "/hello?code=perhaps").status, 400);
}

TEST_F(ActionsTest, ReadsFromTheStoreWhatTheCacheHasNot) {
  create("hello");
  on_server([this] { entities.use_cache = false; });
  EXPECT_EQ(get(kActions + "/hello").status, 200);
}

TEST_F(ActionsTest, OverwritesOnlyWhenTold) {
  create("hello");
  const std::string body = R"({"exec":{"kind":"python:default","code":"def main(a): pass"}})";
  const Reply refused = put(kActions + "/hello", body);
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.error(), "resource already exists");
  const Reply replaced = put(kActions + "/hello?overwrite=true", body);
  EXPECT_EQ(replaced.status, 200);
  EXPECT_EQ(replaced.json().at("version"), "0.0.2");
  EXPECT_EQ(replaced.json().at("exec").at("kind"), "python:3.11");
  EXPECT_EQ(put(kActions + "/new?overwrite=true", body).json().at("version"), "0.0.1");
}

TEST_F(ActionsTest, UpdateKeepsWhatItDoesNotGive) {
  create("hello", R"(,"parameters":[{"key":"a","value":1}],"limits":{"memory":512},
      "annotations":[{"key":"one","value":1},{"key":"two","value":2},{"key":"three","value":3}],
      "publish":true,"version":"1.2.9")");
  const Reply updated = put(kActions + "/hello?overwrite=true", R"({"limits":{"timeout":5000},
      "annotations":[{"key":"two","value":"new"},{"key":"four","value":4}],
      "delAnnotations":["one","absent"]})");
  ASSERT_EQ(updated.status, 200) << updated.body;
  const boost::json::value action = updated.json();
  EXPECT_EQ(action.at("version"), "1.2.10");
  EXPECT_EQ(action.at("publish"), true);
  EXPECT_EQ(action.at("exec").at("code"), "function main(){}");
  EXPECT_EQ(boost::json::serialize(action.at("parameters")), R"([{"key":"a","value":1}])");
  EXPECT_EQ(action.at("limits").at("memory"), 512);
  EXPECT_EQ(action.at("limits").at("timeout"), 5000);
  EXPECT_EQ(annotations_of(updated),
            R"([{"key":"two","value":"new"},{"key":"three","value":3},)"
            R"({"key":"provide-api-key","value":false},{"key":"exec","value":"nodejs:20"},)"
            R"({"key":"four","value":4}])");
  const Reply replaced = put(kActions + "/hello?overwrite=true", R"({"parameters":[]})");
  EXPECT_EQ(boost::json::serialize(replaced.json().at("parameters")), "[]");
}

TEST_F(ActionsTest, ClientsCannotLieInTheExecAnnotation) {
  create(
      "hello",
      R"(,"annotations":[{"key":"exec","value":"cobol"},{"key":"provide-api-key","value":true}])");
  EXPECT_EQ(annotations_of(get(kActions + "/hello")),
            R"([{"key":"exec","value":"nodejs:20"},{"key":"provide-api-key","value":true}])");
}

TEST_F(ActionsTest, TakesBlackboxesWithAndWithoutCode) {
  const Reply bare = put(kActions + "/box", R"({"exec":{"kind":"blackbox","image":"me/it:1"}})");
  ASSERT_EQ(bare.status, 200) << bare.body;
  EXPECT_EQ(bare.json().at("exec").at("image"), "me/it:1");
  EXPECT_EQ(put(kActions + "/none", R"({"exec":{"kind":"blackbox"}})").error(),
            "The request content was malformed:\n/exec/image: must name a container image");
}

TEST_F(ActionsTest, DeletesAndReturnsTheEntity) {
  create("hello");
  const Reply removed = remove(kActions + "/hello");
  EXPECT_EQ(removed.status, 200);
  EXPECT_EQ(removed.json().at("name"), "hello");
  EXPECT_EQ(get(kActions + "/hello").status, 404);
  EXPECT_EQ(remove(kActions + "/hello").status, 404);
  EXPECT_EQ(get(kActions + "/hello").error(), "The requested resource does not exist.");
}

TEST_F(ActionsTest, ListsNewestFirstWithSkipLimitAndCount) {
  for (const char* name : {"a", "b", "c"}) create(name, R"(,"parameters":[{"key":"k","value":1}])");
  const boost::json::array all = get(kActions).json().as_array();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0].at("name"), "c");
  EXPECT_EQ(all[0].get_object().if_contains("parameters"), nullptr);
  EXPECT_EQ(boost::json::serialize(all[0].at("exec")), R"({"binary":false})");
  const boost::json::array one = get(kActions + "?skip=1&limit=1").json().as_array();
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].at("name"), "b");
  EXPECT_EQ(get(kActions + "?limit=0").json().as_array().size(), 3u);  // 0: as many as allowed
  EXPECT_EQ(get(kActions + "?count=true").body, R"({"actions":3})");
  EXPECT_EQ(get(kActions + "?").status, 200);
}

TEST_F(ActionsTest, RefusesListsOutOfRange) {
  EXPECT_EQ(get(kActions + "?limit=201").error(),
            "The value '201' is not in the range of 0 to 200 for actions.");
  EXPECT_EQ(get(kActions + "?limit=x").error(), "The value 'x' is not an integer for actions.");
  EXPECT_EQ(get(kActions + "?skip=-1").status, 400);
  EXPECT_EQ(get(kActions + "?count=7").status, 400);
  EXPECT_EQ(get(kActions + "?limit=%4").status, 400);
}

struct BadBody {
  const char* body;
  const char* error;
};

TEST_F(ActionsTest, RefusesBadBodiesWithThePointer) {
  const std::string malformed = "The request content was malformed:\n";
  const BadBody kBad[] = {
      {R"({"exec":1})", "/exec: must be an object"},
      {R"({"exec":{}})", "/exec/kind: must be a string"},
      {R"({"exec":{"kind":7,"code":"x"}})", "/exec/kind: must be a string"},
      {R"({"exec":{"kind":"nodejs:20","code":{}}})", "/exec/code: must be a string"},
      {R"({"exec":{"kind":"nodejs:20"}})",
       "/exec/code: 'code' must be a string defined in 'exec' for 'nodejs:20' actions"},
      {R"({"exec":{"kind":"java:8","code":"eA=="}})",
       "/exec/main: 'main' must be a string defined in 'exec' for 'java:8' actions"},
      {R"({"exec":{"kind":"nodejs:20","code":"x","main":1}})", "/exec/main: must be a string"},
      {R"({"exec":{"kind":"nodejs:20","code":"x","binary":1}})",
       "/exec/binary: must be true or false"},
      {R"({"parameters":{}})", "/parameters: must be an array of {\"key\", \"value\"}"},
      {R"({"annotations":[1]})", "/annotations/0: must be an object with key and value"},
      {R"({"limits":[]})", "/limits: must be an object"},
      {R"({"limits":{"memory":"x"}})", "/limits/memory: must be an integer"},
      {R"({"version":"1"})", "/version: must be three numbers, as in \"1.0.2\""},
      {R"({"version":"1.0.0.0"})", "/version: must be three numbers, as in \"1.0.2\""},
      {R"({"publish":"yes"})", "/publish: must be true or false"},
      {R"({"delAnnotations":["a",1]})", "/delAnnotations/1: must be a string"},
      {R"({"delAnnotations":1})", "/delAnnotations: must be an array of strings"},
      {R"([])", "the body must be a JSON object"},
  };
  for (const BadBody& bad : kBad) {
    const Reply reply = put(kActions + "/hello", bad.body);
    EXPECT_EQ(reply.status, 400) << bad.body;
    EXPECT_EQ(reply.error(), malformed + bad.error) << bad.body;
  }
  EXPECT_EQ(get(kActions + "?count=true").body, R"({"actions":0})");
  const Reply broken = put(kActions + "/hello", "{\n\"exec\": nope}");
  EXPECT_EQ(broken.status, 400);
  EXPECT_NE(broken.error().find("at line 2, column"), std::string::npos) << broken.error();
  EXPECT_EQ(put(kActions + "/hello", "").status, 400);
  EXPECT_EQ(put(kActions + "/hello", "{}").error(), "exec undefined");
}

TEST_F(ActionsTest, RefusesKindsThatAreNone) {
  EXPECT_EQ(
      put(kActions + "/k", R"({"exec":{"kind":"cobol:1","code":"x"}})").error(),
      "The specified runtime 'cobol:1' is not supported by this platform. Valid values are: " +
          runtimes.kinds_text() + ".");
  EXPECT_EQ(
      put(kActions + "/k", R"({"exec":{"kind":"nodejs:10","code":"x"}})").error(),
      "The 'nodejs:10' runtime is no longer supported. You may read and delete but not update "
      "or invoke this action.");
}

TEST_F(ActionsTest, KeepsSequencesOfWhatIsThere) {
  create("a");
  create("b");
  const auto sequence = [this](const std::string& name, const std::string& components) {
    return put(kActions + "/" + name + "?overwrite=true",
               R"({"exec":{"kind":"Sequence","components":)" + components +
                   R"(},"parameters":[{"key":"x","value":1}]})");
  };
  const Reply made = sequence("s", R"(["/_/a","guest/b"])");
  ASSERT_EQ(made.status, 200) << made.body;
  EXPECT_EQ(made.json().at("exec"),
            boost::json::parse(R"({"kind":"sequence","components":["/guest/a","/guest/b"]})"));
  EXPECT_EQ(made.json().at("parameters"),
            boost::json::parse(R"([{"key":"_actions","value":["/guest/a","/guest/b"]}])"));
  EXPECT_EQ(sequence("s", R"(["/_/a","/_/s"])").error(), "Sequence may not refer to itself.");
  ASSERT_EQ(sequence("t", R"(["/_/s","/_/s"])").status, 200);
  EXPECT_EQ(sequence("s", R"(["/_/t"])").error(), "Sequence may not refer to itself.");
  EXPECT_EQ(sequence("u", R"(["/_/gone"])").error(), "Sequence component does not exist.");
  EXPECT_EQ(sequence("u", "[]").error(), "No component specified for the sequence.");
  EXPECT_EQ(sequence("u", R"(["/other/a"])").status, 403);
  EXPECT_EQ(sequence("u", R"(["a"])").status, 400);
  EXPECT_EQ(sequence("u", R"(["/_/a/b/c"])").status, 400);
  EXPECT_EQ(sequence("u", R"("a")").status, 400);
  // Code again: nothing of the components stays.
  const Reply code =
      put(kActions + "/s?overwrite=true", R"({"exec":{"kind":"nodejs:default","code":"x"}})");
  ASSERT_EQ(code.status, 200) << code.body;
  EXPECT_EQ(code.json().at("parameters"), boost::json::array());
}

// All of it is in memory and found at once.
TEST_F(ActionsTest, TakesALongSequence) {
  bounds.max_sequence_length = 30'000;
  create("a");
  std::string components = R"("/_/a")";
  for (int i = 1; i < 30'000; ++i) components += R"(,"/_/a")";
  const Reply made =
      put(kActions + "/s", R"({"exec":{"kind":"sequence","components":[)" + components + "]}}");
  EXPECT_EQ(made.status, 200) << made.error();
}

TEST_F(ActionsTest, AnAnnotationIsNeverEncrypted) {
  create("a", R"(,"annotations":[{"key":"exec","value":"forged","encryption":"aes-128"},
                                 {"key":"x","value":"open","encryption":"aes-128"}])");
  Reply reply = put(kActions + "/a?overwrite=true",
                    R"({"annotations":[{"key":"exec","value":"again","encryption":"aes-256"}]})");
  ASSERT_EQ(reply.status, 200) << reply.body;
  EXPECT_EQ(reply.json().at("annotations"),
            boost::json::parse(R"([{"key":"exec","value":"nodejs:20"},{"key":"x","value":"open"},
                                   {"key":"provide-api-key","value":false}])"));
}

TEST_F(ActionsTest, WhatIsEncryptedCountsAsWell) {
  bounds.max_parameters_bytes = bounds.max_annotations_bytes = 1000;
  const std::string big(2000, 'x');
  for (const char* list : {"parameters", "annotations"}) {
    const std::string body = R"({"exec":{"kind":"nodejs:20","code":"x"},")" + std::string(list) +
                             R"(":[{"key":"k","value":")" + big + R"(","encryption":"aes-128"}]})";
    const Reply reply = put(kActions + "/a", body);
    EXPECT_EQ(reply.status, 413) << list;
    EXPECT_NE(reply.error().find(list), std::string::npos) << reply.error();
  }
  EXPECT_EQ(put(kActions + "/a", R"({"exec":{"kind":"nodejs:20","code":"x"},"parameters":
      [{"key":"k","value":"","encryption":")" +
                                     big + R"("}]})")
                .status,
            413);
}

TEST_F(ActionsTest, WhatNoKeyOpensIsReplacedAndDeleted) {
  create("a", R"(,"parameters":[{"key":"p","value":1}])");
  entities.use_cache = false;
  entities.refuse_get = sdk::data_loss("no key opens it");
  EXPECT_EQ(get(kActions + "/a").status, 500);
  EXPECT_EQ(put(kActions + "/a?overwrite=true", R"({"publish":true})").status, 500)
      << "its parameters are to stay";
  const Reply replaced =
      put(kActions + "/a?overwrite=true", R"({"parameters":[{"key":"p","value":2}]})");
  EXPECT_EQ(replaced.status, 200) << replaced.body;
  EXPECT_EQ(remove(kActions + "/a").status, 200);
  entities.refuse_get = Status();
  EXPECT_EQ(get(kActions + "/a").status, 404);
}

TEST_F(ActionsTest, CountsWhatIsInASequence) {
  bounds.max_sequence_length = 5;
  create("a");
  const auto sequence = [this](const std::string& name, const std::string& components) {
    return put(kActions + "/" + name,
               R"({"exec":{"kind":"sequence","components":)" + components + "}}");
  };
  ASSERT_EQ(sequence("three", R"(["/_/a","/_/a","/_/a"])").status, 200);
  ASSERT_EQ(sequence("five", R"(["/_/three","/_/a","/_/a"])").status, 200);
  EXPECT_EQ(sequence("six", R"(["/_/three","/_/three"])").error(),
            "Too many actions in the sequence.");
  EXPECT_EQ(sequence("long", R"(["/_/a","/_/a","/_/a","/_/a","/_/a","/_/a"])").error(),
            "Too many actions in the sequence.");
}

TEST_F(ActionsTest, RefusesLimitsOutOfBounds) {
  const auto error = [this](const std::string& limits) {
    return put(kActions + "/k",
               R"({"exec":{"kind":"nodejs:20","code":"x"},"limits":)" + limits + "}")
        .error();
  };
  EXPECT_EQ(error(R"({"memory":64})"), "memory size 64 MB below allowed threshold of 128 MB");
  EXPECT_EQ(error(R"({"timeout":400000})"),
            "duration 400000 milliseconds exceeds allowed threshold of 300000 milliseconds");
  EXPECT_EQ(error(R"({"logs":11})"), "log size 11 MB exceeds allowed threshold of 10 MB");
  EXPECT_EQ(error(R"({"concurrency":200})"), "concurrency 200 exceeds allowed threshold of 1");
}

TEST_F(ActionsTest, RefusesCodeThatIsNotWhatItSays) {
  // Base64 of a text: binary, and no zip.
  const Reply no_zip = put(
      kActions + "/z", R"({"exec":{"kind":"nodejs:20","binary":true,"code":"bm8gemlwIGhlcmU="}})");
  EXPECT_EQ(no_zip.status, 400);
  EXPECT_TRUE(no_zip.error().starts_with("The request content was malformed:\n/exec/code"))
      << no_zip.error();
  const Reply no_base64 =
      put(kActions + "/z", R"({"exec":{"kind":"nodejs:20","binary":true,"code":"not base64!"}})");
  EXPECT_EQ(no_base64.status, 400);
}

TEST_F(ActionsTest, RefusesWhatIsTooLarge) {
  bounds.max_code_bytes = 1000;
  bounds.max_parameters_bytes = 100;
  bounds.max_annotations_bytes = 50;
  const std::string text(2000, 'x');
  const Reply code =
      put(kActions + "/big", R"({"exec":{"kind":"nodejs:20","main":"m","code":")" + text + "\"}}");
  EXPECT_EQ(code.status, 413);
  EXPECT_EQ(code.error(), "exec larger than allowed: 2001 > 1000 bytes.");
  const Reply parameters =
      put(kActions + "/big", R"({"parameters":[{"key":"s","value":")" + text + "\"}]}");
  EXPECT_EQ(parameters.status, 413);
  EXPECT_EQ(parameters.error(), "parameters larger than allowed: 2003 > 100 bytes.");
  const Reply annotations =
      put(kActions + "/big", R"({"annotations":[{"key":"s","value":")" + text + "\"}]}");
  EXPECT_EQ(annotations.error(), "annotations larger than allowed: 2003 > 50 bytes.");
}

TEST_F(ActionsTest, RefusesNamesThatCannotBe) {
  const std::string body = R"({"exec":{"kind":"nodejs:20","code":"x"}})";
  EXPECT_EQ(put(kActions + "/a%2Fb", body).error(),
            "The name of the entity contains illegal characters.");
  EXPECT_EQ(put(kActions + "/%24", body).status, 400);
  EXPECT_EQ(put(kActions + "/" + std::string(257, 'a'), body).error(),
            "Name segement longer than allowed: 257 > 256.");
  EXPECT_EQ(put(kActions + "/" + std::string(256, 'a'), body).status, 200);
  EXPECT_EQ(put(kActions + "/a%20b%40c.d-e", body).json().at("name"), "a b@c.d-e");
  EXPECT_EQ(get(kActions + "/a%2").status, 400);
  EXPECT_EQ(get("/api/v1/namespaces/%24/actions").error(),
            "The namespace contains illegal characters.");
}

TEST_F(ActionsTest, HasNoPackages) {
  EXPECT_EQ(put(kActions + "/p/a", R"({"exec":{"kind":"nodejs:20","code":"x"}})").status, 404);
  EXPECT_EQ(get(kActions + "/p/a").status, 404);
  EXPECT_EQ(get(kActions + "/p/").status, 404);
  EXPECT_EQ(remove(kActions + "/p/a").status, 404);
}

TEST_F(ActionsTest, ReportsConflictsOfTheStore) {
  create("hello");
  on_server([this] { entities.refuse_put = sdk::aborted("changed"); });
  const Reply conflict = put(kActions + "/hello?overwrite=true", "{}");
  EXPECT_EQ(conflict.status, 409);
  EXPECT_EQ(conflict.error(), "Concurrent modification to resource detected.");
  on_server([this] { entities.refuse_put = sdk::resource_exhausted("the disk is full"); });
  const Reply full = put(kActions + "/hello?overwrite=true", "{}");
  EXPECT_EQ(full.status, 503);
  EXPECT_EQ(full.error(), "the disk is full");
}

TEST_F(ActionsTest, DoesNotUpdateWhatIsDeprecated) {
  entity::Action old;
  old.namespace_name = "guest";
  old.name = "old";
  old.exec = {.kind = "nodejs:10", .code = "x"};
  entities.put_action(io.get_executor(), old, 0, [](const auto&) {});
  EXPECT_EQ(get(kActions + "/old").status, 200);
  EXPECT_EQ(put(kActions + "/old?overwrite=true", "{}").status, 400);
  EXPECT_EQ(post(kActions + "/old").status, 400);
  const Reply moved =
      put(kActions + "/old?overwrite=true", R"({"exec":{"kind":"nodejs:20","code":"x"}})");
  EXPECT_EQ(moved.status, 200);
  EXPECT_EQ(remove(kActions + "/old").status, 200);
}

}  // namespace
}  // namespace berth::api
