// SPDX-License-Identifier: Apache-2.0
// A small HTTP/1.1 server for tests of clients: a thread a connection, a handler that may answer
// anything, at any pace. On a unix socket, TCP, or TCP with TLS.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace berth::testing {

struct ServerTls {
  std::string certificate_file;
  std::string key_file;
  std::string client_ca_file;  // if not empty, clients must have a certificate of it
};

struct ServerRequest {
  std::string method;
  std::string target;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::uint64_t connection = 0;  // number of the connection, from 1

  std::string path() const { return target.substr(0, target.find('?')); }
  // The query's text, unescaped; for finding a word in it.
  std::string query() const;
};

// What a handler answers with. Each call returns false if the client has gone.
class ServerReply {
 public:
  virtual ~ServerReply() = default;
  // A whole response with Content-Length.
  virtual bool send(int code, std::string_view body, std::string_view headers = "") = 0;
  // A response in chunks: begin, chunk..., end.
  virtual bool begin(int code, std::string_view headers = "") = 0;
  virtual bool chunk(std::string_view data) = 0;
  virtual bool end() = 0;
  // Any bytes.
  virtual bool raw(std::string_view bytes) = 0;
  // Closes the connection once the handler returns.
  virtual void close() = 0;
  // Waits until the client has closed, the server stops, or (then true) `seconds` passed.
  virtual bool client_stays(double seconds) = 0;
};

class HttpServer {
 public:
  using Handler = std::function<void(const ServerRequest&, ServerReply&)>;

  // Listens at the unix socket `path`, or, if it is empty, on a free port of 127.0.0.1.
  HttpServer(Handler handler, std::string path = "", const ServerTls* tls = nullptr);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  std::uint16_t port() const { return port_; }
  std::uint64_t connections() const { return connections_; }
  // Cuts every connection, as a server does that is killed.
  void cut();

 private:
  struct Context;
  void serve(int fd, std::uint64_t number);

  const Handler handler_;
  std::unique_ptr<Context> context_;
  std::uint16_t port_ = 0;
  int listener_ = -1;
  std::atomic<bool> stopping_{false};
  std::atomic<std::uint64_t> connections_{0};
  std::mutex mutex_;
  std::vector<int> open_;
  std::vector<std::thread> threads_;
  std::thread acceptor_;
};

}  // namespace berth::testing
