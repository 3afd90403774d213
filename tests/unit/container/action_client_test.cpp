// SPDX-License-Identifier: Apache-2.0
#include "container/action_client.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <filesystem>
#include <gtest/gtest.h>
#include <optional>
#include <thread>

#include "base/ids.hpp"
#include "unit/container/fakes.hpp"

namespace berth::container {
namespace {

using test::Answer;
using namespace std::chrono_literals;

class Bodies : public testing::Test {
 protected:
  boost::json::object init(std::int64_t deadline = 1700000060100) const {
    return boost::json::parse(init_body(caller(), deadline)).as_object().at("value").as_object();
  }
  boost::json::object run(std::string_view arguments, std::int64_t deadline = 1700000060100) const {
    return boost::json::parse(run_body(caller(), arguments, deadline)).as_object();
  }
  Caller caller() const { return {action, user, "4479", "K4c"}; }
  void annotate(const char* key, boost::json::value value) {
    action.annotations.push_back({key, std::move(value), false});
  }

  entity::Action action = *test::make_action("hello");
  entity::Identity user = test::make_identity("guest");
};

TEST_F(Bodies, InitHasTheFieldsOfTheProtocol) {
  action.package = "demo";
  action.version = "0.0.3";
  action.parameters = {{"DB", "x", true}, {"name", "Jane", false}};
  annotate("provide-api-key", false);
  EXPECT_EQ(boost::json::serialize(init()),
            R"({"name":"hello","main":"main","binary":false,"code":"code of hello",)"
            R"("env":{"DB":"x","__OW_NAMESPACE":"guest","__OW_ACTION_NAME":"/guest/demo/hello",)"
            R"("__OW_ACTION_VERSION":"0.0.3","__OW_ACTIVATION_ID":"4479",)"
            R"("__OW_TRANSACTION_ID":"K4c","__OW_DEADLINE":"1700000060100"}})");
}

TEST_F(Bodies, RunHasTheFieldsOfTheProtocolAndTheArgumentsAsTheyAre) {
  action.version = "0.0.3";
  annotate("provide-api-key", false);
  EXPECT_EQ(run_body(caller(), R"({"n":1e400,"n":2})", 1700000060100),
            R"({"value":{"n":1e400,"n":2},"namespace":"guest","action_name":"/guest/hello",)"
            R"("action_version":"0.0.3","activation_id":"4479","transaction_id":"K4c",)"
            R"("deadline":"1700000060100"})");
  EXPECT_EQ(run("[1,2]").at("value"), boost::json::parse("[1,2]"));
}

TEST_F(Bodies, TheApiKeyIsGivenUnlessTheAnnotationDeniesIt) {
  EXPECT_EQ(run("{}").at("api_key"), "uuid-of-guest:secret");
  EXPECT_EQ(init().at("env").as_object().at("__OW_API_KEY"), "uuid-of-guest:secret");
  annotate("provide-api-key", 0);
  EXPECT_FALSE(run("{}").contains("api_key"));
  EXPECT_FALSE(init().at("env").as_object().contains("__OW_API_KEY"));
  action.annotations.clear();
  annotate("provide-api-key", "yes");
  EXPECT_TRUE(run("{}").contains("api_key"));
}

TEST_F(Bodies, CodelessActionsSendNoCode) {
  action.exec.code.clear();
  EXPECT_FALSE(init().contains("code"));
}

TEST_F(Bodies, MainAndBinaryAreTheActions) {
  action.exec.main = "ns.Entry";
  action.exec.binary = true;
  EXPECT_EQ(init().at("main"), "ns.Entry");
  EXPECT_EQ(init().at("binary"), true);
}

TEST_F(Bodies, InitParametersBecomeText) {
  action.parameters = {{"n", nullptr, true},
                       {"b", true, true},
                       {"i", -5, true},
                       {"d", 1.5, true},
                       {"o", boost::json::parse(R"({"a":[1,"x"]})"), true}};
  const boost::json::object env = init().at("env").as_object();
  EXPECT_EQ(env.at("n"), "");
  EXPECT_EQ(env.at("b"), "true");
  EXPECT_EQ(env.at("i"), "-5");
  EXPECT_EQ(env.at("d"), "1.5");
  EXPECT_EQ(env.at("o"), R"({"a":[1,"x"]})");
}

TEST_F(Bodies, OddNamesAndCodeAreEscaped) {
  action.exec.code = std::string("a\"b\\c\n\r\t\x01\x1f") + "é";
  user.namespace_name = "a\"b";
  EXPECT_EQ(init().at("code"), boost::json::value(action.exec.code));
  EXPECT_EQ(run("{}").at("namespace"), "a\"b");
}

class Client : public testing::Test {
 protected:
  Client() { std::filesystem::create_directory(directory); }
  ~Client() override {
    proxy.reset();
    client.reset();
    test::settle(io);
    std::filesystem::remove_all(directory);
  }
  void serve(test::FakeProxy::Script script) {
    proxy = std::make_unique<test::FakeProxy>(io, path, std::move(script));
  }
  void open(std::size_t limit = 1024 * 1024) {
    auto opened = ActionClient::open(io, clock, "unix:" + path, limit);
    ASSERT_TRUE(opened);
    client = std::move(*opened);
  }
  Reply init(std::chrono::milliseconds timeout, bool retry) {
    std::optional<Reply> reply;
    client->init(caller, timeout, retry, [&](Reply got) { reply = std::move(got); });
    EXPECT_TRUE(test::run_until(io, [&] { return reply.has_value(); }));
    return *reply;
  }
  Reply run(std::chrono::milliseconds timeout) {
    std::optional<Reply> reply;
    client->run(caller, "{}", timeout, [&](Reply got) { reply = std::move(got); });
    EXPECT_TRUE(test::run_until(io, [&] { return reply.has_value(); }));
    return *reply;
  }

  boost::asio::io_context io;
  test::ShiftedClock clock;
  std::filesystem::path directory =
      std::filesystem::temp_directory_path() / ("berth-" + random_hex(6));
  std::string path = (directory / "s").string();
  entity::ActionPtr action = test::make_action("hello");
  entity::Identity user = test::make_identity("guest");
  Caller caller{*action, user, "a", "t"};
  std::unique_ptr<test::FakeProxy> proxy;
  std::unique_ptr<ActionClient> client;
};

TEST_F(Client, SendsInitAndRunToTheirPaths) {
  std::vector<std::string> paths;
  serve([&](const std::string& at, const std::string&) {
    paths.push_back(at);
    return Answer{.body = R"({"ok":true})"};
  });
  open();
  const Reply first = init(10s, false);
  const Reply second = run(10s);
  EXPECT_TRUE(first.ok());
  EXPECT_TRUE(second.ok());
  EXPECT_EQ(second.body, R"({"ok":true})");
  EXPECT_EQ(second.length, 11u);
  EXPECT_GE(second.end_ms, second.start_ms);
  EXPECT_EQ(paths, (std::vector<std::string>{"/init", "/run"}));
}

// The way back from the thread that has the connections is none of the function's time.
TEST_F(Client, TheIntervalEndsWhereTheAnswerIsRead) {
  boost::asio::io_context wire;
  bool answered = false;
  const test::FakeProxy served(wire, path, [&](const std::string&, const std::string&) {
    answered = true;
    return Answer{.body = R"({"ok":true})"};
  });
  auto opened = ActionClient::open(io, clock, "unix:" + path, 1024, {&wire});
  ASSERT_TRUE(opened);
  std::optional<Reply> reply;
  const SteadyTime begin = clock.steady_now();
  (*opened)->run(caller, "{}", 60s, [&](Reply got) { reply = std::move(got); });
  ASSERT_TRUE(test::run_until(wire, [&] { return answered; }));
  int more = 50;  // handlers; the answer is read in one of the next
  ASSERT_TRUE(test::run_until(wire, [&] { return --more == 0; }));
  const SteadyTime end = clock.steady_now();
  std::this_thread::sleep_for(50ms);
  ASSERT_TRUE(test::run_until(io, [&] { return reply.has_value(); }));
  EXPECT_TRUE(reply->ok());
  EXPECT_LE(reply->interval, end - begin);
  opened->reset();
  test::settle(wire);
}

TEST_F(Client, NobodyListening) {
  open();
  const Reply reply = run(10s);
  EXPECT_TRUE(reply.nothing_sent());
  EXPECT_FALSE(reply.timed_out);
  EXPECT_EQ(init(10s, false).exchange, http::Exchange::kConnectFailed);
}

TEST_F(Client, InitWaitsForAProxyThatListensLater) {
  open();
  std::optional<Reply> reply;
  client->init(caller, 20s, true, [&](Reply got) { reply = std::move(got); });
  boost::asio::steady_timer timer(io);
  timer.expires_after(120ms);
  timer.async_wait([&](const boost::system::error_code&) {
    serve([](const std::string&, const std::string&) { return Answer{}; });
  });
  ASSERT_TRUE(test::run_until(io, [&] { return reply.has_value(); }));
  EXPECT_TRUE(reply->ok());
}

TEST_F(Client, InitGivesUpConnectingWhenTheTimeIsUsedUp) {
  open();
  const Reply reply = init(120ms, true);
  EXPECT_FALSE(reply.ok());
  EXPECT_EQ(reply.exchange, http::Exchange::kConnectFailed);
}

TEST_F(Client, InitEndsWhenTheClientGoes) {
  open();
  std::optional<Reply> reply;
  client->init(caller, 20s, true, [&](Reply got) { reply = std::move(got); });
  test::settle(io);
  client.reset();
  ASSERT_TRUE(test::run_until(io, [&] { return reply.has_value(); }));
  EXPECT_FALSE(reply->ok());
}

TEST_F(Client, AHangUpIsBroken) {
  serve([](const std::string&, const std::string&) { return Answer{.hang_up = true}; });
  open();
  EXPECT_EQ(run(10s).exchange, http::Exchange::kBroken);
}

TEST_F(Client, AHangTimesOut) {
  serve([](const std::string&, const std::string&) { return Answer{.hang = true}; });
  open();
  const Reply reply = run(60ms);
  EXPECT_TRUE(reply.timed_out);
  EXPECT_FALSE(reply.nothing_sent());
}

TEST_F(Client, AnAnswerAfterTheTimeLimitIsATimeOutAllTheSame) {
  serve([this](const std::string&, const std::string&) {
    clock.advance(61s);
    return Answer{};
  });
  open();
  const Reply reply = run(60s);
  EXPECT_TRUE(reply.timed_out);
  EXPECT_FALSE(reply.ok());
  EXPECT_GE(reply.end_ms - reply.start_ms, 61'000);
}

TEST_F(Client, LongAnswersAreCut) {
  serve([](const std::string&, const std::string&) {
    return Answer{.body = std::string(5000, 'x')};
  });
  open(1000);
  const Reply reply = run(10s);
  EXPECT_EQ(reply.exchange, http::Exchange::kResponse);
  EXPECT_TRUE(reply.truncated);
  EXPECT_EQ(reply.body, std::string(1000, 'x'));
  EXPECT_EQ(reply.length, 5000u);
  EXPECT_FALSE(reply.ok());
}

TEST_F(Client, BadAddressesAreErrors) {
  EXPECT_FALSE(ActionClient::open(io, clock, "http://x", 1));
}

}  // namespace
}  // namespace berth::container
