// SPDX-License-Identifier: Apache-2.0
// An engine of the test's own: enough of the Docker Engine API on a unix socket, with every odd
// answer a test asks for. A started function listens at port 8080 of an address of its own, in a
// network of 127.0.0.0/8 that no other FakeEngine of the machine uses. Thread-safe.
#pragma once

#include <boost/json/object.hpp>
#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "http_server.hpp"

namespace berth::testing {

class FakeEngine {
 public:
  struct Container {
    std::string id;
    std::string name;
    boost::json::object body;  // of the create call
    std::string state = "created";
    std::string address;
    int exit_code = 0;
    bool oom = false;
    int listener = -1;
  };
  // Answers a request itself; false: the usual answer.
  using Hook = std::function<bool(const ServerRequest&, ServerReply&)>;

  // Serves at `socket`. `root` is what it calls its root directory.
  FakeEngine(std::string socket, std::string root);
  ~FakeEngine();

  // "127.77.1.": what its functions' addresses begin with; N is 1 to 250.
  const std::string& network() const { return network_; }

  // Everything below may be changed at any time.
  void set_hook(Hook hook);
  // A function that is started does not listen until listen() is called for it.
  void set_silent(bool silent);
  void add_image(const std::string& name);
  void remove_image(const std::string& name);
  void listen(const std::string& id);

  // The engine goes away (connections cut, nobody listens) and comes back with what it had.
  void go_away();
  void come_back();
  // Its events go, nothing else.
  void send_event(const std::string& action, const std::string& id, int exit_code = -1);
  // A container ends: state, listener, event.
  void end(const std::string& id, int exit_code, bool oom = false);
  // Takes a container away without a word.
  void take_away(const std::string& id);
  // Puts one in as if it had always been there.
  void put(Container container);

  std::optional<Container> find(const std::string& id_or_name) const;
  std::vector<Container> containers() const;
  // Requests so far that begin with e.g. "POST /images/create".
  std::size_t count(const std::string& prefix) const;
  std::vector<ServerRequest> requests(const std::string& prefix) const;
  // The events streams that are open.
  std::size_t streams() const;

 private:
  void serve(const ServerRequest& request, ServerReply& reply);
  void serve_containers(const ServerRequest& request, const std::string& path, ServerReply& reply);
  void create(const ServerRequest& request, ServerReply& reply);
  void events(ServerReply& reply);
  boost::json::object inspect(const Container& container) const;
  void open_listener(Container& container);
  static void close_listener(Container& container);

  // Other tests may run beside this one: the network is held by a socket in it.
  void claim_network();

  const std::string socket_;
  const std::string root_;
  std::string network_;
  int claim_ = -1;
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  Hook hook_;
  bool silent_ = false;
  bool away_ = false;
  std::uint64_t epoch_ = 0;  // of the streams: an older one ends
  std::size_t streams_ = 0;
  int next_ = 1;
  std::map<std::string, Container> containers_;
  std::set<std::string> images_;
  std::vector<std::string> events_;
  std::vector<ServerRequest> requests_;
  std::unique_ptr<HttpServer> server_;
};

}  // namespace berth::testing
