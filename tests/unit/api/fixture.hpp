// SPDX-License-Identifier: Apache-2.0
// The Api behind a real http::Server on its own thread, with a fake core behind it.
#pragma once

#include <functional>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <thread>

#include "api/api.hpp"
#include "fakes.hpp"
#include "http_peer.hpp"

namespace berth::api {

class ApiTest : public ::testing::Test {
 protected:
  ApiTest();
  ~ApiTest() override;

  // Takes the server up with what `bounds`, `throttles` and `not_ready` say now; the first request
  // does it otherwise.
  void start();
  // Another Api of the same server, and what it is asked by. On the server's thread once it runs.
  std::unique_ptr<Api> make_api();
  std::unique_ptr<http::Server> serve(Api& served);
  // Runs on the server's thread and waits for the end.
  void on_server(const std::function<void()>& work);

  // As the namespace guest, unless headers say otherwise.
  Reply get(const std::string& target, const Headers& headers = {});
  Reply put(const std::string& target, const std::string& body, const Headers& headers = {});
  Reply post(const std::string& target, const std::string& body = "", const Headers& headers = {});
  Reply remove(const std::string& target);
  Reply request(const std::string& method, const std::string& target, const Headers& headers,
                const std::string& body = "");
  // Creates the action of namespace guest, and fails the test if that fails.
  void create(const std::string& name, const std::string& more_members = "");

  static const std::string kGuest;
  static const std::string kOther;

  boost::asio::io_context io;
  FakeEntities entities;
  FakeActivations activations;
  FakeAuth auth;
  FakeInvoker invoker{io, activations};
  FakeLogs logs;
  entity::RuntimesManifest runtimes;
  Metrics metrics;
  entity::LimitBounds bounds;
  Throttles throttles;
  std::string not_ready;
  std::shared_ptr<Tallies> tallies = make_tallies();
  std::unique_ptr<Api> api;
  std::unique_ptr<http::Server> server;

 private:
  std::thread thread_;
};

}  // namespace berth::api
