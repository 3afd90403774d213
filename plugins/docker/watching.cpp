// SPDX-License-Identifier: Apache-2.0
// What the engine tells by itself: deaths, and that it is gone; and what it has, compared with what
// we know.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>

#include "docker/create_body.hpp"
#include "docker/docker_factory.hpp"
#include "docker/starting.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{50};
constexpr milliseconds kLongestPause{1'000};
// When it is looked whether something is left over, each time after thrice the time.
constexpr milliseconds kFirstLook{1'000};
constexpr int kLooks = 5;

std::string text_at(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

std::int64_t number_in(const json::object& labels, std::string_view key, std::int64_t otherwise) {
  const std::string text = text_at(labels, key);
  std::int64_t number = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), number);
  return number;
}

std::int64_t wall_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

}  // namespace

void DockerFactory::watch_events(std::int64_t since_ns, std::shared_ptr<Signal> opened) {
  event_stream_ = open_events(
      engine_, std::string(kOwner) + "=" + owner_, since_ns,
      [this, opened] {
        up_ = true;
        metrics_.engine_up.record(1);
        opened->raise();
      },
      [this](const Event& event) { on_event(event); },
      [this, opened](const sdk::Status& why) {
        opened->raise();
        on_events_ended(why);
      });
}

void DockerFactory::on_event(const Event& event) {
  last_event_ns_ = std::max(last_event_ns_, event.time_ns);
  const ContainerPtr container = find(event.id);
  if (container == nullptr) {
    if (event.kind == Event::Kind::kDie) pool_.lost(event.id);
    return;
  }
  if (event.kind == Event::Kind::kOom) {
    container->oom = true;
    if (container->dying != nullptr) {
      container->dying->raise();
    } else {
      spawn(kill_for_memory(container));
    }
  } else if (event.kind == Event::Kind::kDie) {
    spawn(on_die(container, event.exit_code));
  }
}

void DockerFactory::on_events_ended(const sdk::Status& why) {
  const bool was_up = std::exchange(up_, false);
  event_stream_ = 0;
  if (stopped_ || !started_) return;
  metrics_.engine_up.record(0);
  if (!was_up) return;  // a try to reconnect that failed
  ++losses_;
  // An engine that starts ends what its predecessor left running, and waits for what it cannot end.
  for (const auto& [id, container] : containers_) {
    if (container->frozen && container->freezer && container->freezer->thaw().ok()) {
      container->frozen = false;
    }
  }
  pool_.doubt();
  metrics_.reconnects.record(1);
  log_.warn("the Docker engine is gone; its containers are looked after when it is back",
            {{"engine", config_.host}, {"reason", why.to_string()}});
  if (!reconnecting_) spawn(reconnect());
}

asio::awaitable<void> DockerFactory::reconnect() {
  reconnecting_ = true;
  // What happened a moment before the stream broke may not have been told.
  const std::int64_t since = (last_event_ns_ > 0 ? last_event_ns_ : wall_ns()) - 1'000'000'000;
  milliseconds pause = kFirstPause;
  while (!stopped_) {
    Signal wait(loop_.context());
    co_await wait.wait(Clock::now() + pause);
    pause = std::min(pause * 2, kLongestPause);
    if (stopped_) co_return;
    if (!(co_await engine_.negotiate()).ok()) continue;
    const auto opened = std::make_shared<Signal>(loop_.context());
    watch_events(since, opened);
    if (!co_await opened->wait(Clock::now() + config_.call_timeout) || !up_) {
      // One that neither opened nor ended is not waited for twice.
      if (event_stream_ != 0) engine_.client().cancel(event_stream_);
      continue;
    }
    const auto listed = co_await reconcile(false);
    if (!up_) continue;  // gone again
    if (!listed) {
      log_.warn("the Docker engine is back but cannot list its containers",
                {{"reason", listed.error().to_string()}});
      up_ = false;
      if (event_stream_ != 0) engine_.client().cancel(event_stream_);
      continue;
    }
    log_.info("the Docker engine is back",
              {{"engine", config_.host}, {"containers", std::to_string(listed->size())}});
    pool_.refill();
    for (const auto& waiting : waiting_for_engine_) waiting->changed.raise();
    break;
  }
  reconnecting_ = false;
}

void DockerFactory::suspect() {
  looks_left_ = kLooks;
  next_look_ = kFirstLook;
  if (looking_ || stopped_) return;
  looking_ = true;
  spawn(look_again());
}

asio::awaitable<void> DockerFactory::look_again() {
  while (looks_left_ > 0 && !stopped_) {
    Signal wait(loop_.context());
    const milliseconds pause = next_look_;
    next_look_ *= 3;
    co_await wait.wait(Clock::now() + pause);
    --looks_left_;
    // One that is gone is looked at when it is back.
    if (up_ && !stopped_) (void)co_await reconcile(false);
  }
  looking_ = false;
}

DockerFactory::ContainerPtr DockerFactory::adopt(const json::object& listed) {
  const json::value* labels_value = listed.if_contains("Labels");
  const json::object none;
  const json::object& labels =
      labels_value != nullptr && labels_value->is_object() ? labels_value->get_object() : none;
  auto container = std::make_shared<Container>();
  container->id = text_at(listed, "Id");
  container->name = text_at(labels, kName);
  container->labels = core_labels(labels);
  container->memory_bytes = static_cast<std::uint64_t>(number_in(labels, kMemory, 0));
  container->log_driver = text_at(labels, kLogDriver);
  if (container->log_driver == "engine") container->log_driver = info_.logging_driver;
  const auto port = static_cast<std::uint16_t>(number_in(labels, kPort, kProxyPort));
  const json::value* host_value = listed.if_contains("HostConfig");
  const std::string mode = host_value != nullptr && host_value->is_object()
                               ? text_at(host_value->get_object(), "NetworkMode")
                               : "";
  std::string ip;
  if (mode.starts_with("container:")) {
    container->network.pause_id = mode.substr(10);  // its address is looked up by the caller
  } else if (mode == "host") {
    ip = config_.engine_host.empty() ? "127.0.0.1" : config_.engine_host;
  } else if (config_.published) {
    const json::value* ports = listed.if_contains("Ports");
    if (ports != nullptr && ports->is_array()) {
      for (const json::value& one : ports->get_array()) {
        const json::value* open =
            one.is_object() ? one.get_object().if_contains("PublicPort") : nullptr;
        if (open == nullptr || !open->is_int64()) continue;
        const std::string host = config_.engine_host.empty() ? "127.0.0.1" : config_.engine_host;
        container->address = "tcp://" + host + ":" + std::to_string(open->get_int64());
      }
    }
  } else {
    ip = address_in(listed, mode == "default" ? "bridge" : mode);
  }
  if (!ip.empty()) container->address = "tcp://" + ip + ":" + std::to_string(port);
  container->paused_by_engine = text_at(listed, "State") == "paused";
  container->freezer = Freezer::find(container->id, 0);
  container->frozen =
      !container->paused_by_engine && container->freezer && container->freezer->frozen();
  return container;
}

// Compares what the engine has with what we know: adopts ours if `adopt_all`, else removes what
// nobody knows (left by a create whose answer was lost), and tells of what has died. The containers
// of functions that are known afterwards.
asio::awaitable<Result<std::vector<DockerFactory::ContainerPtr>>> DockerFactory::reconcile(
    bool adopt_all) {
  const json::object filters{
      {"label", json::array{json::value(std::string(kOwner) + "=" + owner_)}}};
  // Those that are known before the list is made and are not in it are gone.
  std::vector<ContainerPtr> known;
  for (const auto& [id, container] : containers_) known.push_back(container);
  const Result<Answer> answer = co_await engine_.call(
      "GET", "/containers/json?all=1&filters=" + support::http::escape(json::serialize(filters)));
  if (!answer) co_return answer.error();
  const json::value all = answer->json();
  if (!answer->ok() || !all.is_array()) co_return status_of(*answer, "listing containers");

  std::unordered_set<std::string> there;
  std::unordered_map<std::string, std::string> pauses;  // id: address; "" if it is not running
  for (const json::value& one : all.get_array()) {
    if (!one.is_object()) continue;
    const json::object& listed = one.get_object();
    const std::string id = text_at(listed, "Id");
    there.insert(id);
    const json::value* labels = listed.if_contains("Labels");
    const bool is_pause = labels != nullptr && labels->is_object() &&
                          text_at(labels->get_object(), kRole) == kRolePause;
    const bool running = text_at(listed, "State") == "running";
    if (is_pause) {
      if (pool_.is_making(text_at(labels->get_object(), kToken))) continue;
      pauses[id] = running ? address_in(listed, config_.pool_network) : "";
      continue;
    }
    const ContainerPtr mine = find(id);
    if (mine != nullptr) {
      const bool alive = running || text_at(listed, "State") == "paused" ||
                         text_at(listed, "State") == "created" ||
                         text_at(listed, "State") == "restarting";
      if (!alive && !mine->death) spawn(recheck(mine));
      continue;
    }
    if (!adopt_all) {
      // A create that is under way has not told us its id yet.
      bool expected = false;
      const json::value* names = listed.if_contains("Names");
      if (names != nullptr && names->is_array()) {
        for (const json::value& name : names->get_array()) {
          expected =
              expected || (name.is_string() &&
                           engine_names_.count(std::string(name.get_string()).substr(1)) > 0);
        }
      }
      if (!expected) {
        log_.warn("removing a container that nobody knows", {{"id", id.substr(0, 12)}});
        spawn([](DockerFactory* self, std::string orphan) -> asio::awaitable<void> {
          if (!(co_await self->remove_id(orphan)).ok()) self->suspect();
        }(this, id));
      }
      continue;
    }
    const ContainerPtr adopted = adopt(listed);
    containers_.emplace(id, adopted);
    const std::string state = text_at(listed, "State");
    if (state == "running" && config_.pause_by != PauseBy::kEngine) {
      // What an earlier berthd froze is running for the engine.
      co_await seek_freezer(adopted);
      adopted->frozen = adopted->freezer && adopted->freezer->frozen();
    }
    if (adopted->address.empty() && !adopted->network.valid() && state == "running") {
      (void)co_await open_relay(adopted);  // has no network
    }
    if (state != "running" && state != "paused") {
      adopted->death = Death{-1, false, "ended while berthd was away"};
    }
  }
  for (const ContainerPtr& container : known) {
    if (there.count(container->id) == 0 && !container->death && !container->destroying) {
      report(container, Death{-1, false, "removed by somebody else"});
    }
  }
  // Namespaces: in use, ready, or nobody's.
  std::unordered_set<std::string> used;
  for (const auto& [id, container] : containers_) {
    if (!container->network.valid()) continue;
    const std::string& pause_id = container->network.pause_id;
    used.insert(pause_id);
    const auto it = pauses.find(pause_id);
    const bool running = it != pauses.end() && !it->second.empty();
    if (container->network.address.empty() && running) {
      pool_.adopt_taken(pause_id);
      container->network.address = it->second;
      container->address = "tcp://" + it->second + ":" + std::to_string(kProxyPort);
    }
    if (!running) pool_.lost(pause_id);
  }
  for (const auto& [id, address] : pauses) {
    if (used.count(id) == 0) pool_.seen(id, address);
  }
  pool_.all_seen();
  metrics_.containers.record(static_cast<double>(containers_.size()));
  std::vector<ContainerPtr> functions;
  for (const auto& [id, container] : containers_) functions.push_back(container);
  co_return functions;
}

}  // namespace berth::docker
