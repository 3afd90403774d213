// SPDX-License-Identifier: Apache-2.0
#include "docker/network_pool.hpp"

#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "docker/create_body.hpp"
#include "docker/pause_image.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr milliseconds kQuiet{50};
constexpr milliseconds kAfterFailure{5'000};
// Namespaces of a burst are not all kept.
constexpr std::size_t kSpareFactor = 4;

const json::object* object_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr ? nullptr : value->if_object();
}

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

}  // namespace

std::string address_in(const json::object& container, const std::string& network) {
  const json::object* settings = object_at(container, "NetworkSettings");
  const json::object* networks = settings == nullptr ? nullptr : object_at(*settings, "Networks");
  if (networks == nullptr) return "";
  if (const json::object* one = object_at(*networks, network)) return text_at(*one, "IPAddress");
  // The engine may know it under another name: "default" for bridge.
  if (networks->size() == 1 && networks->begin()->value().is_object()) {
    return text_at(networks->begin()->value().get_object(), "IPAddress");
  }
  return "";
}

NetworkPool::NetworkPool(asio::io_context& context, Engine& engine, Images& images,
                         const Config& config, const sdk::Host& host, std::function<bool()> busy,
                         std::function<void()> lost_track)
    : context_(context),
      engine_(engine),
      images_(images),
      config_(config),
      log_(host.log()),
      ready_gauge_(
          host.metrics().gauge("pooled_networks", "Network namespaces ready to be joined")),
      misses_(host.metrics().counter("pooled_network_misses_total",
                                     "Starts for which no namespace was ready")),
      busy_(std::move(busy)),
      lost_track_(std::move(lost_track)) {}

asio::awaitable<sdk::Status> NetworkPool::start(std::string owner) {
  owner_ = std::move(owner);
  if (!enabled()) co_return sdk::Status();
  image_ = config_.pause_image;
  if (image_.empty()) {
    const Result<EngineInfo> info = co_await engine_.info();
    if (!info) co_return info.error();
    if (info->architecture != pause_image_architecture()) {
      co_return sdk::failed_precondition(
          "the engine runs on " + info->architecture + ", berthd on " + pause_image_architecture() +
          ": set plugin.docker.pause_image to an image that sleeps, or another network");
    }
    image_ = pause_image_name();
    const sdk::Status imported = co_await images_.import(image_, pause_image_tar());
    if (!imported.ok()) co_return imported;
  }
  refill();
  co_return sdk::Status();
}

asio::awaitable<Result<PooledNetwork>> NetworkPool::take() {
  if (!ready_.empty()) {
    PooledNetwork network = std::move(ready_.back());
    ready_.pop_back();
    taken_.insert(network.pause_id);
    ready_gauge_.record(static_cast<double>(ready_.size()));
    refill();
    co_return network;
  }
  misses_.record(1);
  co_return co_await make();
}

void NetworkPool::add_ready(PooledNetwork network) {
  ready_.push_back(std::move(network));
  ready_gauge_.record(static_cast<double>(ready_.size()));
}

void NetworkPool::give_back(PooledNetwork network) {
  if (stopped_ || !network.valid()) return;
  taken_.erase(network.pause_id);
  const bool dead = dead_.erase(network.pause_id) > 0;
  const bool enough = ready_.size() >= kSpareFactor * std::max(1u, config_.pool_size);
  if (dead || enough || network.address.empty() || !enabled()) {
    asio::co_spawn(context_, remove(std::move(network.pause_id)), asio::detached);
    return;
  }
  add_ready(std::move(network));
}

void NetworkPool::retire(PooledNetwork network) {
  if (stopped_ || !network.valid()) return;
  taken_.erase(network.pause_id);
  dead_.erase(network.pause_id);
  asio::co_spawn(context_, remove(std::move(network.pause_id)), asio::detached);
}

void NetworkPool::lost(const std::string& pause_id) {
  if (taken_.count(pause_id) != 0) {
    dead_.insert(pause_id);
    return;
  }
  const auto gone = std::remove_if(ready_.begin(), ready_.end(),
                                   [&](const PooledNetwork& n) { return n.pause_id == pause_id; });
  if (gone == ready_.end()) return;
  ready_.erase(gone, ready_.end());
  ready_gauge_.record(static_cast<double>(ready_.size()));
  asio::co_spawn(context_, remove(pause_id), asio::detached);
  refill();
}

void NetworkPool::doubt() {
  for (const PooledNetwork& network : ready_) doubtful_.insert(network.pause_id);
  ready_.clear();
  ready_gauge_.record(0);
}

void NetworkPool::seen(const std::string& pause_id, const std::string& address) {
  const bool is_ready = std::any_of(ready_.begin(), ready_.end(),
                                    [&](const PooledNetwork& n) { return n.pause_id == pause_id; });
  if (taken_.count(pause_id) != 0) {
    return;  // being made, or a create that has not told its container yet
  }
  if (is_ready) {
    if (address.empty()) lost(pause_id);
    return;
  }
  PooledNetwork network{pause_id, address};
  // Of one of an earlier life nobody knows whether a function was in it.
  if (doubtful_.erase(pause_id) == 0) return retire(std::move(network));
  give_back(std::move(network));
}

asio::awaitable<Result<PooledNetwork>> NetworkPool::make() {
  const std::string token = random_hex(16);
  making_.insert(token);
  Result<PooledNetwork> made = co_await make_in_engine(token);
  making_.erase(token);
  co_return made;
}

asio::awaitable<Result<PooledNetwork>> NetworkPool::make_in_engine(std::string token) {
  const json::object body = pause_body(config_, owner_, image_, token);
  const Result<Answer> created = co_await engine_.call(
      "POST", "/containers/create", json::serialize(body), config_.create_timeout);
  if (!created) {
    lost_track_();
    co_return created.error();
  }
  if (!created->ok()) co_return status_of(*created, "creating a pooled network");
  const json::value answer = created->json();
  PooledNetwork network;
  if (answer.is_object()) network.pause_id = text_at(answer.get_object(), "Id");
  if (!network.valid()) co_return sdk::internal("the engine created a container without an id");
  taken_.insert(network.pause_id);
  const std::string path = "/containers/" + network.pause_id;
  const Result<Answer> started =
      co_await engine_.call("POST", path + "/start", "", config_.create_timeout);
  sdk::Status status = !started        ? started.error()
                       : started->ok() ? sdk::Status()
                                       : status_of(*started, "starting a pooled network");
  if (status.ok()) {
    const Result<Answer> inspected = co_await engine_.call("GET", path + "/json");
    const json::value container = inspected ? inspected->json() : json::value();
    if (container.is_object()) {
      network.address = address_in(container.get_object(), config_.pool_network);
    }
    if (network.address.empty()) {
      status = !inspected ? inspected.error()
                          : sdk::unavailable("a pooled network got no address in '" +
                                             config_.pool_network + "'");
    }
  }
  if (status.ok() && stopped_) status = sdk::cancelled("the docker plugin stops");
  if (status.ok()) co_return network;
  co_await remove(network.pause_id);
  co_return status;
}

asio::awaitable<void> NetworkPool::remove(std::string id) {
  taken_.erase(id);
  ++removing_;
  const Result<Answer> answer =
      co_await engine_.call("DELETE", "/containers/" + id + "?force=1&v=1");
  --removing_;
  if (!answer || (!answer->ok() && answer->code != 404)) lost_track_();
}

void NetworkPool::refill() {
  if (!enabled() || stopped_ || refilling_ || ready_.size() >= config_.pool_size) return;
  refilling_ = true;
  asio::co_spawn(context_, run_refill(), asio::detached);
}

asio::awaitable<void> NetworkPool::run_refill() {
  while (!stopped_ && ready_.size() < config_.pool_size) {
    Signal pause(context_);
    if (busy_()) {
      co_await pause.wait(Clock::now() + kQuiet);
      continue;
    }
    Result<PooledNetwork> made = co_await make();
    if (made && !stopped_) {
      give_back(std::move(*made));
    } else if (!made && !stopped_) {
      log_.warn("a pooled network could not be made", {{"reason", made.error().to_string()}});
      co_await pause.wait(Clock::now() + kAfterFailure);
    }
  }
  refilling_ = false;
}

}  // namespace berth::docker
