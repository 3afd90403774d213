// SPDX-License-Identifier: Apache-2.0
// How a container goes: thawed, killed and removed by the engine, and then its pooled namespace is
// free again.
#include <algorithm>

#include "docker/docker_factory.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{200};
constexpr milliseconds kLongestPause{10'000};

}  // namespace

asio::awaitable<sdk::Status> DockerFactory::remove_id(std::string id) {
  const Result<Answer> answer =
      co_await engine_.call("DELETE", "/containers/" + id + "?force=1&v=1");
  if (!answer) co_return answer.error();
  if (answer->ok() || answer->code == 404) co_return sdk::Status();
  // "removal is already in progress": who asks again learns when it is over.
  if (answer->code == 409) co_return sdk::unavailable(answer->message());
  co_return status_of(*answer, "removing a container");
}

asio::awaitable<sdk::Status> DockerFactory::remove_container(ContainerPtr container) {
  container->destroying = true;
  if (container->frozen && container->freezer) {
    // What is frozen behind the engine's back it cannot kill.
    (void)container->freezer->thaw();
    container->frozen = false;
  }
  const sdk::Status status = co_await remove_id(container->id);
  if (!status.ok()) co_return status;
  if (containers_.count(container->id) != 0) {
    forget(container);
    if (container->network.valid()) pool_.retire(std::move(container->network));
  }
  co_return status;
}

asio::awaitable<void> DockerFactory::remove_until_gone(ContainerPtr container) {
  milliseconds pause = kFirstPause;
  while (!stopped_) {
    const sdk::Status status = co_await remove_container(container);
    if (status.ok()) co_return;
    if (pause == kFirstPause) {
      log_.warn("a container could not be removed and will be tried again",
                {{"container", container->name}, {"reason", status.to_string()}});
    }
    Signal wait(loop_.context());
    co_await wait.wait(Clock::now() + pause);
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace berth::docker
