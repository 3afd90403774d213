// SPDX-License-Identifier: Apache-2.0
// NetworkPool: network namespaces made ahead, each held by a pause container, for functions to
// join. To make a namespace is the dearest part of a container's start; one that is ready, with its
// address known, costs the start nothing. A namespace that a function was in is not used again:
// with it goes what the engine mounts for it, hosts and resolv.conf, which the function may have
// written.
//
// Belongs to the loop's thread.
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <string>
#include <unordered_set>
#include <vector>

#include "berth/sdk/host.hpp"
#include "docker/config.hpp"
#include "docker/engine.hpp"
#include "docker/images.hpp"
#include "docker/signal.hpp"

namespace berth::docker {

struct PooledNetwork {
  std::string pause_id;
  std::string address;  // IPv4

  bool valid() const { return !pause_id.empty(); }
};

class NetworkPool {
 public:
  // `busy` tells whether containers are being started: the pool is not filled meanwhile.
  // `lost_track` is called when a pause container may be in the engine that nobody knows.
  NetworkPool(boost::asio::io_context& context, Engine& engine, Images& images,
              const Config& config, const sdk::Host& host, std::function<bool()> busy,
              std::function<void()> lost_track);

  // Gives the engine the image and begins to fill the pool.
  boost::asio::awaitable<sdk::Status> start(std::string owner);
  // Nothing is made any more.
  void stop() { stopped_ = true; }

  boost::asio::awaitable<Result<PooledNetwork>> take();
  // One that a function of an earlier life of berthd is in.
  void adopt_taken(const std::string& pause_id) { taken_.insert(pause_id); }
  // A namespace that was taken and that no function was in.
  void give_back(PooledNetwork network);
  // One that a function was in: it is removed.
  void retire(PooledNetwork network);
  // A pause container has ended, of whatever; one that a function is in is not used again.
  void lost(const std::string& pause_id);
  // The engine is gone: none counts as ready until it was seen again.
  void doubt();
  // The engine has this pause container, in which no function is; `address` is empty unless it is
  // running. Keeps or adopts it, or has it removed.
  void seen(const std::string& pause_id, const std::string& address);
  // Those of which doubt() said so and that were not seen are gone.
  void all_seen() { doubtful_.clear(); }
  // Begins to fill it up, if that is not going on.
  void refill();
  // One is being made, or removed.
  bool making() const { return !making_.empty() || removing_ > 0; }
  // The pause container of this token is being made: its id is not known yet.
  bool is_making(const std::string& token) const { return making_.count(token) != 0; }
  bool enabled() const { return config_.network == "pooled"; }

 private:
  boost::asio::awaitable<Result<PooledNetwork>> make();
  boost::asio::awaitable<Result<PooledNetwork>> make_in_engine(std::string token);
  boost::asio::awaitable<void> remove(std::string id);
  void add_ready(PooledNetwork network);
  boost::asio::awaitable<void> run_refill();

  boost::asio::io_context& context_;
  Engine& engine_;
  Images& images_;
  const Config& config_;
  const sdk::Log log_;
  const sdk::Series ready_gauge_;
  const sdk::Series misses_;
  const std::function<bool()> busy_;
  const std::function<void()> lost_track_;
  std::string owner_;
  std::string image_;
  std::vector<PooledNetwork> ready_;
  std::unordered_set<std::string> doubtful_;
  std::unordered_set<std::string> taken_;   // being made, or given out
  std::unordered_set<std::string> dead_;    // of the taken ones
  std::unordered_set<std::string> making_;  // tokens
  std::size_t removing_ = 0;
  bool refilling_ = false;
  bool stopped_ = false;
};

// The address of a container in a network, from its inspect's or list's NetworkSettings; "" if it
// has none.
std::string address_in(const boost::json::object& container, const std::string& network);

}  // namespace berth::docker
