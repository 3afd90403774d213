// SPDX-License-Identifier: Apache-2.0
// The steps of a create on the engine: network, the engine's create and start, and the wait for the
// function's proxy. A create is over as soon as the proxy accepts connections, which may be before
// the engine has answered `start`.
#include <algorithm>
#include <arpa/inet.h>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "docker/create_body.hpp"
#include "docker/docker_factory.hpp"
#include "docker/starting.hpp"
#include "support/connect_probe.hpp"
#include "support/unique_fd.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using asio::ip::tcp;
using Clock = std::chrono::steady_clock;

constexpr std::chrono::milliseconds kProxySettles{50};

// A call of a create that took too long is the engine's fault, and may go better next time.
sdk::Status too_slow_is_unavailable(const sdk::Status& status) {
  if (status.code() != sdk::StatusCode::kDeadlineExceeded) return status;
  return sdk::unavailable(status.message());
}

// What the engine says of an image whose command is not there or cannot be run.
// Its own failures have some of the same words, but not these: "container process", "exec: ".
bool is_missing_command(const Answer& answer) {
  const auto says = [&answer](std::string_view sign) {
    return answer.body.find(sign) != std::string::npos;
  };
  if (says("No command specified") || says("no command specified")) return true;
  if (!says("container process") && !says("exec: ")) return false;
  return says("executable file not found") || says("no such file or directory") ||
         says("permission denied") || says("exec format error") || says("is a directory");
}

// The namespace that was to be joined has ended meanwhile: another one may be taken.
bool is_lost_network(const Answer& answer) {
  return answer.body.find("cannot join network") != std::string::npos ||
         answer.body.find("No such container") != std::string::npos;
}

// A port that nobody uses at the moment, for a function in the host's network; 0 if there is none.
std::uint16_t free_port() {
  const support::UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_ANY);
  socklen_t size = sizeof name;
  if (!fd || ::bind(fd.get(), reinterpret_cast<sockaddr*>(&name), size) != 0 ||
      ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&name), &size) != 0) {
    return 0;
  }
  return ntohs(name.sin_port);
}

std::optional<tcp::endpoint> endpoint_of(const std::string& address) {
  const std::size_t colon = address.rfind(':');
  if (!address.starts_with("tcp://") || colon < 6) return std::nullopt;
  boost::system::error_code error;
  const auto ip = asio::ip::make_address(address.substr(6, colon - 6), error);
  if (error) return std::nullopt;
  return tcp::endpoint(ip, static_cast<std::uint16_t>(std::atoi(address.c_str() + colon + 1)));
}

std::string tcp_address(const std::string& host, std::uint16_t port) {
  return "tcp://" + host + ":" + std::to_string(port);
}

}  // namespace

asio::awaitable<Result<DockerFactory::ContainerPtr>> DockerFactory::make_container(
    const sdk::CreateRequest& request, std::shared_ptr<Starting> starting) {
  FunctionSpec spec;
  spec.owner = owner_;
  spec.token = random_hex(16);
  spec.network_mode = config_.network;
  spec.publish = config_.published;
  auto container = std::make_shared<Container>();
  if (pool_.enabled()) {
    Result<PooledNetwork> network = co_await pool_.take();
    if (!network) co_return network.error();
    container->network = std::move(*network);
    spec.network_mode = "container:" + container->network.pause_id;
    spec.joined = true;
    container->address = tcp_address(container->network.address, kProxyPort);
  } else if (config_.network == "host") {
    spec.port = free_port();
    if (spec.port == 0) co_return sdk::resource_exhausted("no free port on the host");
    const std::string host = config_.engine_host.empty() ? "127.0.0.1" : config_.engine_host;
    container->address = tcp_address(host, spec.port);
  }
  Result<FunctionBody> body = function_body(config_, request, spec);
  Result<std::string> id = body ? Result<std::string>(std::string()) : body.error();
  if (body) {
    container->log_driver = body->log_driver == "engine" ? info_.logging_driver : body->log_driver;
    id = co_await create_in_engine(request, json::serialize(body->body), starting);
  }
  if (!id) {
    if (container->network.valid()) pool_.give_back(std::move(container->network));
    co_return id.error();
  }
  container->id = *id;
  container->name = request.name;
  container->labels = request.labels;
  container->memory_bytes = request.memory_bytes;
  containers_.emplace(container->id, container);
  metrics_.containers.record(static_cast<double>(containers_.size()));
  co_return container;
}

asio::awaitable<Result<std::string>> DockerFactory::create_in_engine(
    const sdk::CreateRequest& request, std::string body, std::shared_ptr<Starting> starting) {
  bool fetched = false;
  std::string name = request.name;
  bool renamed = false;
  while (true) {
    engine_names_.insert(name);
    const Result<Answer> answer =
        co_await engine_.call("POST", "/containers/create?name=" + support::http::escape(name),
                              body, config_.create_timeout);
    engine_names_.erase(name);
    if (!answer) {
      // Nobody knows whether it made one.
      suspect();
      co_return too_slow_is_unavailable(answer.error());
    }
    if (answer->ok()) {
      const json::value value = answer->json();
      const json::object* object = value.if_object();
      const json::value* id = object == nullptr ? nullptr : object->if_contains("Id");
      if (id == nullptr || !id->is_string()) {
        suspect();
        co_return sdk::internal("the engine created a container without an id");
      }
      co_return std::string(id->get_string());
    }
    const std::string what = "creating a container of image '" + request.image + "'";
    if (answer->code == 404 && !fetched && answer->body.find("image") != std::string::npos) {
      // A managed image is fetched when it turns out to be missing; a user's was there a moment ago
      // and somebody has removed it.
      fetched = true;
      const sdk::Status status = co_await fetch_missing(request, starting);
      if (!status.ok()) co_return status;
      continue;
    }
    if (answer->code == 409 && !renamed && answer->body.find("name") != std::string::npos) {
      // Another berthd of the same instance name uses this engine: ours are told by their labels.
      renamed = true;
      name += "-" + owner_.substr(0, 8);
      continue;
    }
    sdk::Status status = status_of(*answer, what);
    if (answer->code == 400 && is_missing_command(*answer)) {
      status = sdk::failed_precondition(status.message());
    }
    const bool theirs = status.code() == sdk::StatusCode::kFailedPrecondition ||
                        status.code() == sdk::StatusCode::kNotFound;
    co_return request.user_provided_image&& theirs ? status.with_flags(sdk::kUserError) : status;
  }
}

// Others may use the place among the creates meanwhile: a pull can take minutes.
asio::awaitable<sdk::Status> DockerFactory::fetch_missing(const sdk::CreateRequest& request,
                                                          std::shared_ptr<Starting> starting) {
  starting->place = Limiter::Place();
  starting->stage = Stage::kPull;
  sdk::Status status;
  if (request.user_provided_image) {
    images_.forget(request.image);
    status = co_await images_.provide_user_image(request.image, starting);
  } else {
    status = co_await images_.pull_managed(request.image, starting);
  }
  if (status.ok()) {
    starting->stage = Stage::kPlace;
    starting->place = co_await creates_->acquire(starting);
    starting->stage = Stage::kCreate;
  }
  co_return starting->cancelled ? sdk::cancelled("the create was cancelled") : status;
}

asio::awaitable<void> DockerFactory::run_engine_start(ContainerPtr container,
                                                      std::shared_ptr<Starting> starting,
                                                      Limiter::Place place) {
  const Limiter::Place held = std::move(place);
  const Result<Answer> answer = co_await engine_.call(
      "POST", "/containers/" + container->id + "/start", "", config_.create_timeout);
  sdk::Status status;
  if (!answer) {
    status = too_slow_is_unavailable(answer.error());
  } else if (!answer->ok() && answer->code != 304) {
    status = status_of(*answer, "starting a container");
    if (is_missing_command(*answer)) status = sdk::failed_precondition(status.message());
    if (container->network.valid() && is_lost_network(*answer)) {
      pool_.lost(container->network.pause_id);
      status = sdk::unavailable(status.message());
    }
  }
  starting->engine_said = status;
  starting->changed.raise();
}

asio::awaitable<Result<std::string>> DockerFactory::inspect_address(ContainerPtr container) {
  const Result<Answer> answer =
      co_await engine_.call("GET", "/containers/" + container->id + "/json");
  if (!answer) co_return answer.error();
  if (!answer->ok()) co_return status_of(*answer, "looking for a container's address");
  const json::value value = answer->json();
  const json::object* object = value.if_object();
  if (object == nullptr) co_return sdk::internal("the engine's inspect is no JSON object");
  if (!config_.published) {
    const std::string ip = address_in(*object, config_.network);
    if (ip.empty()) {
      co_return sdk::unavailable("the container got no address in the network '" + config_.network +
                                 "'");
    }
    co_return tcp_address(ip, kProxyPort);
  }
  boost::system::error_code error;
  const json::value* port =
      value.find_pointer("/NetworkSettings/Ports/8080~1tcp/0/HostPort", error);
  if (error || port == nullptr || !port->is_string()) {
    co_return sdk::unavailable("the engine published no port");
  }
  const std::string host = config_.engine_host.empty() ? "127.0.0.1" : config_.engine_host;
  co_return tcp_address(host, static_cast<std::uint16_t>(std::atoi(port->get_string().c_str())));
}

asio::awaitable<Result<std::shared_ptr<const NetworkNamespace>>> DockerFactory::open_relay(
    ContainerPtr container) {
  const Result<Answer> answer =
      co_await engine_.call("GET", "/containers/" + container->id + "/json");
  if (!answer) co_return answer.error();
  const json::value value = answer->json();
  boost::system::error_code error;
  const json::value* pid = value.is_object() ? value.find_pointer("/State/Pid", error) : nullptr;
  if (pid == nullptr || !pid->is_int64()) {
    co_return sdk::unavailable("the engine does not tell the container's process");
  }
  auto network = NetworkNamespace::of_process(static_cast<int>(pid->get_int64()));
  if (!network) co_return network.error();
  const auto shared = std::make_shared<const NetworkNamespace>(std::move(*network));
  const std::string path = runtime_directory_ + "/" + container->id.substr(0, 16);
  auto relay = Relay::open(loop_.context(), shared, path, kProxyPort);
  if (!relay) co_return relay.error();
  container->relay = std::move(*relay);
  container->address = "unix:" + path;
  co_return shared;
}

sdk::Status DockerFactory::never_listened(const sdk::CreateRequest& request) {
  return sdk::deadline_exceeded("image '" + request.image +
                                "': nothing listened on port 8080 in time")
      .with_flags(request.user_provided_image ? sdk::kUserError : 0);
}

asio::awaitable<sdk::Status> DockerFactory::start_container(const sdk::CreateRequest& request,
                                                            ContainerPtr container,
                                                            std::shared_ptr<Starting> starting) {
  // The function's time begins when the engine has started it: how long that takes is not its
  // fault.
  SteadyTime deadline = SteadyTime::max();
  const std::uint32_t theirs = request.user_provided_image ? sdk::kUserError : 0;
  container->on_death = [starting] { starting->changed.raise(); };
  spawn(run_engine_start(container, starting, std::move(starting->place)));
  const auto accepted = [starting](const tcp::endpoint&) {
    starting->accepted = true;
    starting->changed.raise();
  };
  std::unique_ptr<support::ConnectProbe> probe;
  bool inspected = !container->address.empty();
  while (true) {
    if (probe == nullptr && container->address.starts_with("tcp:")) {
      const auto endpoint = endpoint_of(container->address);
      if (!endpoint) co_return sdk::internal("no address: " + container->address);
      // The engine's own proxy for published ports accepts before the function does.
      support::ConnectProbeOptions options;
      if (config_.published) options.settle = kProxySettles;
      probe = std::make_unique<support::ConnectProbe>(loop_.context(), *endpoint, accepted,
                                                      std::move(options));
    }
    if (starting->accepted && !container->death) co_return sdk::Status();
    if (starting->cancelled) co_return sdk::cancelled("the create was cancelled");
    if (starting->engine_said && !starting->engine_said->ok()) {
      const sdk::Status& said = *starting->engine_said;
      co_return said.code() == sdk::StatusCode::kFailedPrecondition ? said.with_flags(theirs)
                                                                    : said;
    }
    if (container->death) {
      co_return sdk::aborted("image '" + request.image + "': the container " +
                             container->death->reason + " before it listened on port 8080")
          .with_flags(theirs);
    }
    if (starting->engine_said && deadline == SteadyTime::max()) {
      deadline = Clock::now() + config_.start_timeout;
      starting->stage = Stage::kListen;
    }
    if (starting->engine_said && !inspected) {
      inspected = true;
      if (config_.network == "none") {
        const auto network = co_await open_relay(container);
        if (!network) {
          if (co_await has_ended(container, deadline)) continue;
          co_return network.error();
        }
        support::ConnectProbeOptions options;
        options.make_socket = [inside = *network] { return inside->socket(); };
        probe = std::make_unique<support::ConnectProbe>(
            loop_.context(), tcp::endpoint(asio::ip::address_v4::loopback(), kProxyPort), accepted,
            std::move(options));
        continue;
      }
      Result<std::string> address = co_await inspect_address(container);
      if (!address) {
        // A dead one has none: its death is the reason.
        if (co_await has_ended(container, deadline)) continue;
        co_return address.error();
      }
      container->address = std::move(*address);
      continue;
    }
    if (Clock::now() >= deadline) {
      co_return never_listened(request);
    }
    co_await starting->changed.wait(deadline);
  }
}

}  // namespace berth::docker
