// SPDX-License-Identifier: Apache-2.0
// Invocations over HTTP: the answers of each outcome, waiting, refusals.
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <future>
#include <thread>

#include "base/ids.hpp"
#include "entity/namespace_limits.hpp"
#include "fixture.hpp"

namespace berth::api {
namespace {

const std::string kHello = "/api/v1/namespaces/_/actions/hello";

class InvokeTest : public ApiTest {
 protected:
  std::vector<activation::Invocation> seen() {
    std::vector<activation::Invocation> copy;
    on_server([&] { copy = invoker.seen; });
    return copy;
  }
};

TEST_F(InvokeTest, AcceptsWithoutWaiting) {
  create("hello");
  const Reply reply = post(kHello, R"({"a":1})", {{"X-Request-ID", "tx1"}});
  EXPECT_EQ(reply.status, 202);
  const std::string id = reply.header("x-openwhisk-activation-id");
  EXPECT_TRUE(is_activation_id(id)) << id;
  EXPECT_EQ(reply.body, R"({"activationId":")" + id + "\"}");
  const auto invocations = seen();
  ASSERT_EQ(invocations.size(), 1u);
  EXPECT_EQ(invocations[0].activation_id, id);
  EXPECT_EQ(invocations[0].transaction_id, "tx1");
  EXPECT_EQ(invocations[0].arguments, R"({"a":1})");
  EXPECT_EQ(invocations[0].user.namespace_name, "guest");
  EXPECT_EQ(invocations[0].action->name, "hello");
  EXPECT_FALSE(invocations[0].blocking);
  EXPECT_GT(invocations[0].received_ms, 1'600'000'000'000);
  // `result` alone changes nothing.
  EXPECT_EQ(post(kHello + "?result=true").status, 202);
}

TEST_F(InvokeTest, WaitsForTheRecord) {
  create("hello");
  const Reply reply = post(kHello + "?blocking=true", R"({"a":1})");
  EXPECT_EQ(reply.status, 200);
  const boost::json::value record = reply.json();
  EXPECT_EQ(record.at("activationId"),
            boost::json::value(reply.header("x-openwhisk-activation-id")));
  EXPECT_EQ(record.at("response").at("status"), "success");
  EXPECT_EQ(record.at("response").at("result").at("a"), 1);
  EXPECT_EQ(record.at("duration"), 56);
  EXPECT_EQ(record.at("logs").as_array().size(), 0u);
  EXPECT_TRUE(seen().at(0).blocking);
}

TEST_F(InvokeTest, ShowsOnlyTheResultOnRequest) {
  create("hello");
  const Reply reply = post(kHello + "?blocking=true&result=true", R"({"a": 1})");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, R"({"a": 1})");
  on_server([this] { invoker.result = "[1,2]"; });
  EXPECT_EQ(post(kHello + "?blocking=true").body, "[1,2]");  // an array is always bare
}

TEST_F(InvokeTest, MapsOutcomesToStatuses) {
  create("hello");
  const auto status = [this](entity::Outcome outcome) {
    on_server([&] {
      invoker.outcome = outcome;
      invoker.result = R"({"error":"boom"})";
    });
    const Reply bare = post(kHello + "?blocking=true&result=true");
    EXPECT_EQ(bare.body, R"({"error":"boom"})");
    EXPECT_TRUE(is_activation_id(bare.header("x-openwhisk-activation-id")));
    return bare.status;
  };
  EXPECT_EQ(status(entity::Outcome::kApplicationError), 502);
  EXPECT_EQ(status(entity::Outcome::kDeveloperError), 502);
  EXPECT_EQ(status(entity::Outcome::kWhiskError), 500);
  const Reply record = post(kHello + "?blocking=true");
  EXPECT_EQ(record.status, 500);
  EXPECT_EQ(record.json().at("response").at("success"), false);
}

TEST_F(InvokeTest, GivesUpWaitingAndTheActivationGoesOn) {
  create("hello");
  on_server([this] { invoker.hold = true; });
  const Reply reply = post(kHello + "?blocking=true&timeout=50", R"({"a":1})");
  EXPECT_EQ(reply.status, 202);
  const std::string id = reply.json().at("activationId").as_string().c_str();
  EXPECT_EQ(get("/api/v1/namespaces/_/activations/" + id).status, 404);
  on_server([this] { invoker.release(); });
  EXPECT_EQ(get("/api/v1/namespaces/_/activations/" + id).status, 200);
}

TEST_F(InvokeTest, SeveralWaitEachForItsOwnTime) {
  create("hello");
  on_server([this] { invoker.hold = true; });
  std::thread patient(
      [this] { EXPECT_EQ(post(kHello + "?blocking=true&timeout=60000").status, 200); });
  for (int tries = 0; tries < 6000 && seen().empty(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  EXPECT_EQ(post(kHello + "?blocking=true&timeout=20").status, 202);
  EXPECT_EQ(post(kHello + "?blocking=true&timeout=10").status, 202);
  on_server([this] { invoker.release(); });
  patient.join();
}

TEST_F(InvokeTest, RefusesBadTimeouts) {
  create("hello");
  for (const char* timeout : {"0", "-1", "60001", "x", "1.5", ""}) {
    const Reply reply = post(kHello + "?blocking=true&timeout=" + timeout);
    EXPECT_EQ(reply.status, 400) << timeout;
    EXPECT_EQ(reply.error(), "Timeout must be number of milliseconds up to 60000.");
  }
  EXPECT_EQ(post(kHello + "?blocking=7").status, 400);
  EXPECT_TRUE(seen().empty());
}

TEST_F(InvokeTest, MergesParameters) {
  create("hello", R"(,"parameters":[{"key":"a","value":"A"},{"key":"S","value":"s","init":true}])");
  post(kHello);
  post(kHello, R"({"b":2})");
  post(kHello, R"({"a":"mine"})");
  put(kHello + "?overwrite=true", R"({"parameters":[{"key":"a","value":"new"}]})");
  post(kHello);
  const auto invocations = seen();
  ASSERT_EQ(invocations.size(), 4u);
  EXPECT_EQ(invocations[0].arguments, R"({"a":"A"})");
  EXPECT_EQ(invocations[1].arguments, R"({"a":"A","b":2})");
  EXPECT_EQ(invocations[2].arguments, R"({"a":"mine"})");
  EXPECT_EQ(invocations[3].arguments, R"({"a":"new"})");
}

TEST_F(InvokeTest, ProtectsFinalParameters) {
  create("hello",
         R"(,"parameters":[{"key":"a","value":"A"}],"annotations":[{"key":"final","value":true}])");
  EXPECT_EQ(post(kHello, R"({"a":1})").error(),
            "Request defines parameters that are not allowed (e.g., reserved properties).");
  EXPECT_EQ(post(kHello, R"({"b":1})").status, 202);
}

TEST_F(InvokeTest, RefusesBadPayloads) {
  bounds.max_payload_bytes = 100;
  create("hello");
  const Reply array = post(kHello, "[1]");
  EXPECT_EQ(array.status, 400);
  EXPECT_EQ(array.error(),
            "The request content was malformed:\nthe arguments must be a JSON object");
  EXPECT_EQ(post(kHello, "{").status, 400);
  const Reply large = post(kHello, R"({"s":")" + std::string(93, 'x') + "\"}");
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.error(), "Request larger than allowed: 101 > 100 bytes.");
  EXPECT_EQ(post(kHello, R"({"s":")" + std::string(92, 'x') + "\"}").status, 202);
  EXPECT_EQ(post("/api/v1/namespaces/_/actions/nope", "{}").status, 404);
  EXPECT_EQ(seen().size(), 1u);
}

TEST_F(InvokeTest, PassesOnTheInvokersRefusal) {
  create("hello");
  on_server([this] { invoker.refusal = sdk::unavailable("shutting down"); });
  const Reply reply = post(kHello + "?blocking=true");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.error(), "shutting down");
  EXPECT_EQ(reply.header("retry-after"), "1");
  on_server([this] { invoker.refusal = sdk::resource_exhausted("the queue is full"); });
  const Reply full = post(kHello);
  EXPECT_EQ(full.status, 429);
  EXPECT_EQ(full.error(), "the queue is full");
  EXPECT_EQ(full.header("retry-after"), "1");
}

TEST_F(InvokeTest, ThrottlesByMinuteAndByNumber) {
  throttles.concurrent_invocations = 1;
  create("hello");
  on_server([this] { invoker.hold = true; });
  EXPECT_EQ(post(kHello).status, 202);
  const Reply refused = post(kHello);
  EXPECT_EQ(refused.status, 429);
  EXPECT_EQ(refused.error(), "Too many concurrent requests in flight (count: 1, allowed: 1).");
  on_server([this] { invoker.release(); });
  EXPECT_EQ(post(kHello).status, 202);
}

TEST_F(InvokeTest, AnswersOnlyWhenItIsOnDisk) {
  create("hello");
  on_server([this] { invoker.hold_accepts = true; });
  std::future<Reply> reply = std::async(std::launch::async, [this] { return post(kHello, "{}"); });
  while (seen().empty()) std::this_thread::yield();
  EXPECT_EQ(reply.wait_for(std::chrono::milliseconds(50)), std::future_status::timeout);
  on_server([this] { invoker.accept(Status()); });
  EXPECT_EQ(reply.get().status, 202);

  std::future<Reply> full = std::async(std::launch::async, [this] { return post(kHello, "{}"); });
  while (seen().size() < 2) std::this_thread::yield();
  on_server([this] { invoker.accept(sdk::unavailable("no room on the disk")); });
  const Reply refused = full.get();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.error(), "no room on the disk");
  EXPECT_EQ(refused.header("retry-after"), "1");
}

TEST_F(InvokeTest, WhoStopsWaitingIsToldWhenTheRecordIsCertain) {
  create("hello");
  on_server([this] { invoker.hold = true; });
  const Reply accepted = post(kHello + "?blocking=true&timeout=1", "{}");
  EXPECT_EQ(accepted.status, 202);
  on_server([&] {
    ASSERT_EQ(invoker.kept.size(), 1u);
    EXPECT_EQ(invoker.kept[0].activation_id, accepted.header("x-openwhisk-activation-id"));
    EXPECT_EQ(invoker.kept[0].namespace_name, "guest");
    EXPECT_EQ(invoker.kept[0].path, "guest/hello");
    invoker.keep_status = sdk::unavailable("no room on the disk");
  });
  EXPECT_EQ(post(kHello + "?blocking=true&timeout=1", "{}").status, 503);
  on_server([this] { invoker.release(); });
}

TEST_F(InvokeTest, ANamespaceMayHaveThrottlesAndBoundsOfItsOwn) {
  throttles.concurrent_invocations = 1;
  auto own = std::make_shared<entity::NamespaceLimits>();
  own->concurrent_invocations = 3;
  own->max_payload_bytes = 10;
  own->max_memory_mb = 128;
  own->allowed_kinds = {"nodejs:20"};
  const std::string guest_uuid = kGuest.substr(0, kGuest.find(':'));
  for (auto& [name, identity] : auth.known) {
    if (identity.key.uuid == guest_uuid) identity.limits = own;
  }
  const Reply big = put("/api/v1/namespaces/_/actions/big",
                        R"({"exec":{"kind":"nodejs:20","code":"x"},"limits":{"memory":256}})");
  EXPECT_EQ(big.status, 400);
  EXPECT_EQ(big.error(), "memory size 256 MB exceeds allowed threshold of 128 MB");
  const Reply kind =
      put("/api/v1/namespaces/_/actions/kind", R"({"exec":{"kind":"python:3.11","code":"x"}})");
  EXPECT_EQ(kind.status, 403);
  EXPECT_EQ(kind.error(),
            "The supplied authentication is not authorized to access actions of kind "
            "'python:3.11'.");
  create("hello");
  const Reply large = post(kHello, R"({"a":"0123456789"})");
  EXPECT_EQ(large.status, 413);
  EXPECT_EQ(large.error(), "Request larger than allowed: 18 > 10 bytes.");
  on_server([this] { invoker.hold = true; });
  for (int i = 0; i < 3; ++i) EXPECT_EQ(post(kHello).status, 202);
  EXPECT_EQ(post(kHello).error(), "Too many concurrent requests in flight (count: 3, allowed: 3).");
  const Reply limits = get("/api/v1/namespaces/_/limits");
  EXPECT_NE(limits.body.find("\"concurrentInvocations\":3"), std::string::npos) << limits.body;
  EXPECT_NE(limits.body.find("\"maxActionMemory\":128"), std::string::npos) << limits.body;
  EXPECT_NE(limits.body.find("\"allowedKinds\":[\"nodejs:20\"]"), std::string::npos);
  on_server([this] { invoker.release(); });
}

TEST_F(InvokeTest, GoesOnWhenTheCallerHangsUp) {
  create("hello");
  on_server([this] { invoker.hold = true; });
  send_and_hang_up(server->port(), "POST", kHello + "?blocking=true",
                   {{"Authorization", basic(kGuest)}});
  for (int tries = 0; tries < 6000 && seen().empty(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  on_server([this] { invoker.release(); });
  ASSERT_EQ(seen().size(), 1u);
  EXPECT_EQ(get("/api/v1/namespaces/_/activations/" + seen()[0].activation_id).status, 200);
}

TEST_F(InvokeTest, OutlivesACallerThatWaitsStill) {
  create("hello");
  on_server([this] { invoker.hold = true; });
  std::thread caller([this] { post(kHello + "?blocking=true"); });
  for (int tries = 0; tries < 6000 && seen().empty(); ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  on_server([this] {
    server.reset();
    api.reset();
    invoker.release();
  });
  caller.join();
}

}  // namespace
}  // namespace berth::api
