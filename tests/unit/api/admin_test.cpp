// SPDX-License-Identifier: Apache-2.0
// The admin API: namespaces and keys, status, plugins.
#include "api/admin.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <future>
#include <gtest/gtest.h>
#include <thread>

#include "api/api.hpp"
#include "base/ids.hpp"
#include "fakes.hpp"
#include "http_peer.hpp"

namespace berth::api {
namespace {

class AdminTest : public ::testing::Test {
 protected:
  AdminTest() {
    AdminDependencies dependencies{.io = io, .auth = auth};
    dependencies.status = [](const auto& done) { done(boost::json::object{{"ready", true}}); };
    dependencies.plugins = [this](const auto& done) {
      boost::asio::post(io, [done] { done(sdk::unavailable("no plugins yet")); });
    };
    dependencies.key_changed = [this](const entity::Identity& identity) {
      changed.push_back(identity.namespace_name);
      return change_status;
    };
    dependencies.back_up = [](const std::string& path, const auto& done) {
      if (path == "/taken") return done(sdk::already_exists(path));
      done(std::uint64_t{4096});
    };
    dependencies.find_damage = [](const std::optional<std::string>& path, const auto& done) {
      std::vector<std::string> problems;
      if (path) problems.push_back(*path);
      done(problems);
    };
    admin = std::make_unique<AdminApi>(std::move(dependencies));
    // TCP here only because the test's client speaks nothing else; berthd listens on a unix socket.
    server = std::make_unique<http::Server>(
        io, http::ServerOptions{},
        [this](const http::Request& asked, http::Responder responder) {
          admin->handle(asked, std::move(responder));
        },
        server_error);
    EXPECT_TRUE(server->listen_tcp("127.0.0.1:0").ok());
    port = server->port();
    thread = std::thread([this] {
      const auto work = boost::asio::make_work_guard(io);
      io.run();
    });
  }
  ~AdminTest() override {
    std::promise<void> done;
    boost::asio::post(io, [&] {
      server.reset();
      done.set_value();
    });
    done.get_future().wait();
    io.stop();
    thread.join();
  }

  Reply call(const std::string& method, const std::string& target, const std::string& body = "") {
    return ask(port, method, target, {}, body);
  }

  boost::asio::io_context io;
  FakeAuth auth;
  std::vector<std::string> changed;
  Status change_status;
  std::unique_ptr<AdminApi> admin;
  std::unique_ptr<http::Server> server;
  std::uint16_t port = 0;
  std::thread thread;
};

TEST_F(AdminTest, ManagesNamespaces) {
  EXPECT_EQ(
      boost::json::serialize(call("GET", "/namespaces").json().at(0)),
      R"({"name":"guest","uuid":"11111111-2222-4333-8444-555555555555","created":17,"blocked":false})");
  const Reply created = call("POST", "/namespaces", R"({"name":"team a"})");
  EXPECT_EQ(created.status, 201);
  EXPECT_EQ(created.json().at("name"), "team a");
  EXPECT_EQ(call("GET", "/namespaces").json().as_array().size(), 3u);
  EXPECT_EQ(call("POST", "/namespaces", R"({"name":"team a"})").status, 409);
  EXPECT_EQ(call("DELETE", "/namespaces/team%20a").status, 200);
  const Reply gone = call("DELETE", "/namespaces/team%20a");
  EXPECT_EQ(gone.status, 404);
  EXPECT_EQ(gone.error(), "no namespace team a");
}

TEST_F(AdminTest, TakesAGivenKey) {
  const std::string key = "23bc46b1-71f6-4ed5-8c54-816aa4f8c502:secret";
  const Reply created = call("POST", "/namespaces", R"({"name":"n","key":")" + key + "\"}");
  EXPECT_EQ(created.json().at("key"), boost::json::value(key));
  EXPECT_EQ(call("GET", "/namespaces/n/key").json().at("key"), boost::json::value(key));
}

TEST_F(AdminTest, RotatesKeysAndTellsTheOwner) {
  const std::string before = call("GET", "/namespaces/guest/key").body;
  const Reply rotated = call("POST", "/namespaces/guest/key");
  EXPECT_EQ(rotated.status, 200);
  EXPECT_NE(rotated.body, before);
  EXPECT_EQ(call("GET", "/namespaces/guest/key").body, rotated.body);
  EXPECT_EQ(changed, std::vector<std::string>{"guest"});
  EXPECT_EQ(call("POST", "/namespaces/absent/key").status, 404);
  EXPECT_EQ(call("GET", "/namespaces/absent/key").status, 404);
}

TEST_F(AdminTest, SaysSoWhenTheKeyCouldNotBeWritten) {
  change_status = sdk::permission_denied("guest.auth is read-only");
  const Reply rotated = call("POST", "/namespaces/guest/key");
  EXPECT_EQ(rotated.status, 500);
  EXPECT_NE(rotated.error().find("guest.auth is read-only"), std::string::npos);
}

TEST_F(AdminTest, KeepsBusyNamespacesUnlessForced) {
  auth.busy = "other";
  const Reply refused = call("DELETE", "/namespaces/other");
  EXPECT_EQ(refused.status, 409);
  EXPECT_EQ(refused.error(), "other still has 1 action");
  EXPECT_EQ(call("DELETE", "/namespaces/other?force=true").status, 200);
}

TEST_F(AdminTest, AnswersDocuments) {
  EXPECT_EQ(call("GET", "/status").body, R"({"ready":true})");
  const Reply plugins = call("GET", "/plugins");
  EXPECT_EQ(plugins.status, 503);
  EXPECT_EQ(plugins.error(), "no plugins yet");
}

TEST_F(AdminTest, RefusesBadRequests) {
  EXPECT_EQ(call("POST", "/namespaces", "{").status, 400);
  EXPECT_EQ(call("POST", "/namespaces", "[]").status, 400);
  EXPECT_EQ(call("POST", "/namespaces", R"({"name":1})").error(),
            "The request content was malformed:\n/name: must be a string");
  EXPECT_EQ(call("POST", "/namespaces", R"({"name":"a/b"})").status, 400);
  EXPECT_EQ(call("POST", "/namespaces", R"({"name":"_"})").status, 400);
  EXPECT_EQ(call("POST", "/namespaces", R"({"name":"a","key":"no"})").status, 400);
  EXPECT_EQ(call("PUT", "/namespaces").status, 405);
  EXPECT_EQ(call("GET", "/namespaces/guest").status, 405);
  EXPECT_EQ(call("POST", "/status").status, 405);
  EXPECT_EQ(call("GET", "/other").status, 404);
  EXPECT_EQ(call("DELETE", "/namespaces/a%2Fb").status, 400);
  // "/keys" and what is below it, not what begins alike.
  EXPECT_EQ(call("DELETE", "/namespaces/guest/keysXuuid").status, 400);
  EXPECT_EQ(call("POST", "/namespaces/guest/keys/key").status, 404);  // without a store of keys
  EXPECT_TRUE(changed.empty());
}

TEST_F(AdminTest, SetsAndShowsTheLimitsOfANamespace) {
  EXPECT_EQ(call("GET", "/namespaces/guest/limits").body, "{}");
  const Reply set = call("POST", "/namespaces/guest/limits",
                         R"({"invocationsPerMinute":5,"allowedKinds":["python:3.11"]})");
  EXPECT_EQ(set.status, 200);
  EXPECT_EQ(set.body, R"({"invocationsPerMinute":5,"allowedKinds":["python:3.11"]})");
  const Reply more =
      call("POST", "/namespaces/guest/limits", R"({"allowedKinds":null,"maxActionMemory":128})");
  EXPECT_EQ(more.body, R"({"invocationsPerMinute":5,"maxActionMemory":128})");
  EXPECT_EQ(call("GET", "/namespaces/guest/limits").body, more.body);
  EXPECT_EQ(call("POST", "/namespaces/guest/limits", R"({"invocationsPerMinute":-1})").error(),
            "/invocationsPerMinute: must not be negative");
  EXPECT_NE(call("POST", "/namespaces/guest/limits", R"({"speed":1})")
                .error()
                .find("/speed: is no limit of a namespace"),
            std::string::npos);
  EXPECT_EQ(call("POST", "/namespaces/guest/limits", "[]").status, 400);
  EXPECT_EQ(call("GET", "/namespaces/nobody/limits").status, 404);
  EXPECT_EQ(call("POST", "/namespaces/nobody/limits", "{}").status, 404);
  EXPECT_EQ(call("DELETE", "/namespaces/guest/limits").status, 405);
}

TEST_F(AdminTest, BacksUpAndChecks) {
  const Reply backup = call("POST", "/backup", R"({"path":"/somewhere/b.db"})");
  EXPECT_EQ(backup.status, 200);
  EXPECT_EQ(backup.body, R"({"path":"/somewhere/b.db","bytes":4096})");
  EXPECT_EQ(call("POST", "/backup", "{}").status, 400);
  EXPECT_EQ(call("POST", "/backup", R"({"path":"/taken"})").status, 409);
  EXPECT_EQ(call("GET", "/backup").status, 405);
  EXPECT_EQ(call("POST", "/check").body, R"({"problems":[]})");
  EXPECT_EQ(call("POST", "/check", R"({"path":"/b.db"})").body, R"({"problems":["/b.db"]})");
}

}  // namespace
}  // namespace berth::api
