// SPDX-License-Identifier: Apache-2.0
// A Server on a Loop. By default its handler answers at once with what it was asked; the paths
//   /hold   keeps the Responder for release(),   /drop   destroys it,   /big   answers 8 MiB.
#pragma once

#include <deque>
#include <gmock/gmock.h>
#include <memory>
#include <string>
#include <utility>

#include "http/server.hpp"
#include "socket_support.hpp"

namespace berth::http::testing {

class ServerTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kBig = 8 * 1024 * 1024;

  ~ServerTest() override {
    loop_.run([this] {
      held_.clear();
      server_.reset();
    });
  }

  void start(const ServerOptions& options = {}) {
    loop_.run([this, &options] {
      server_ = std::make_unique<Server>(
          loop_.io(), options,
          [this](const Request& request, Responder responder) {
            handle(request, std::move(responder));
          },
          [](int status, std::string_view text) {
            Response response;
            response.status = status;
            response.body = "error " + std::string(text);
            return response;
          });
      const Status status = server_->listen_tcp("127.0.0.1:0");
      EXPECT_TRUE(status.ok()) << status.to_string();
    });
  }

  RawSocket connect() { return RawSocket::connect_tcp(server_->port()); }

  // One request on a connection of its own.
  Received ask(std::string_view bytes) {
    RawSocket client = connect();
    EXPECT_TRUE(client.send(bytes));
    return client.receive_message();
  }

  std::size_t connections() {
    std::size_t count = 0;
    loop_.run([this, &count] { count = server_->connections(); });
    return count;
  }
  bool wait_for_connections(std::size_t count) {
    return loop_.wait_until([this, count] { return server_->connections() == count; });
  }
  bool wait_for_held(std::size_t count) {
    return loop_.wait_until([this, count] { return held_.size() == count; });
  }
  // Answers the request held longest.
  void release(const std::string& body) {
    loop_.run([this, &body] {
      Responder responder = std::move(held_.front().responder);
      held_.pop_front();
      Response response;
      response.body = body;
      responder.send(std::move(response));
    });
  }

  struct Held {
    Request request;
    Responder responder;
  };

  Loop loop_;
  std::unique_ptr<Server> server_;
  std::deque<Held> held_;
  int handled_ = 0;

 private:
  void handle(const Request& request, Responder responder) {
    ++handled_;
    if (request.path == "/hold") {
      held_.push_back({request, std::move(responder)});
      return;
    }
    if (request.path == "/drop") return;
    Response response;
    response.content_type = "text/plain";
    response.body = request.path == "/big"
                        ? std::string(kBig, 'b')
                        : std::string(request.method) + " " + std::string(request.target) + " " +
                              std::string(request.body);
    responder.send(std::move(response));
  }
};

}  // namespace berth::http::testing
