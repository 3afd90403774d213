// SPDX-License-Identifier: Apache-2.0
// Pause and resume: by the container's cgroup where that can be written, which costs microseconds,
// else by the engine.
#include <boost/json/value.hpp>

#include "docker/docker_factory.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// The kernel stops processes one by one; nearly always that is over when the write returns.
constexpr milliseconds kFreezePoll{1};
constexpr milliseconds kFreezeLimit{5'000};

}  // namespace

void DockerFactory::pause(std::string_view id, sdk::Promise<void> done) {
  loop_.post([this, id = std::string(id), done = std::move(done)]() mutable {
    const ContainerPtr container = find(id);
    if (container == nullptr) return done.fail(sdk::not_found("no container " + id));
    spawn(run_pause(container, std::move(done)));
  });
}

void DockerFactory::resume(std::string_view id, sdk::Promise<void> done) {
  loop_.post([this, id = std::string(id), done = std::move(done)]() mutable {
    const ContainerPtr container = find(id);
    if (container == nullptr) return done.fail(sdk::not_found("no container " + id));
    spawn(run_resume(container, std::move(done)));
  });
}

asio::awaitable<void> DockerFactory::seek_freezer(ContainerPtr container) {
  container->freezer_sought = true;
  container->freezer = Freezer::find(container->id, 0);
  if (container->freezer || !config_.engine_host.empty()) co_return;
  // Its group has a name of the operator's: its first process tells.
  const Result<Answer> answer =
      co_await engine_.call("GET", "/containers/" + container->id + "/json");
  const boost::json::value value = answer ? answer->json() : boost::json::value();
  boost::system::error_code error;
  const boost::json::value* pid =
      value.is_object() ? value.find_pointer("/State/Pid", error) : nullptr;
  if (pid == nullptr || !pid->is_int64()) co_return;
  container->freezer = Freezer::find(container->id, static_cast<int>(pid->get_int64()));
}

asio::awaitable<sdk::Status> DockerFactory::set_frozen(ContainerPtr container, bool frozen) {
  Freezer& freezer = *container->freezer;
  const sdk::Status begun = frozen ? freezer.freeze() : freezer.thaw();
  if (!begun.ok()) co_return begun;
  const auto limit = Clock::now() + kFreezeLimit;
  while (frozen ? !freezer.frozen() : !freezer.thawed()) {
    if (container->death || container->destroying) {
      // Nobody else knows that it is half frozen: the engine could not kill it.
      (void)freezer.thaw();
      co_return sdk::not_found("it has ended");
    }
    if (Clock::now() >= limit) {
      if (frozen) (void)freezer.thaw();
      co_return sdk::unavailable("the cgroup does not change its state");
    }
    Signal wait(loop_.context());
    co_await wait.wait(Clock::now() + kFreezePoll);
  }
  container->frozen = frozen;
  co_return sdk::Status();
}

asio::awaitable<void> DockerFactory::run_pause(ContainerPtr container, sdk::Promise<void> done) {
  if (container->destroying) co_return done.fail(sdk::not_found("it is being destroyed"));
  if (container->frozen || container->paused_by_engine) co_return done.ok();
  // It goes on, idle: while there is no engine nothing is frozen behind the next one's back.
  if (!up_) co_return done.ok();
  if (config_.pause_by != PauseBy::kEngine) {
    if (!container->freezer_sought) co_await seek_freezer(container);
    if (container->destroying) co_return done.fail(sdk::not_found("it is being destroyed"));
    if (container->freezer) {
      const sdk::Status status = co_await set_frozen(container, true);
      if (status.ok()) co_return done.ok();
      if (config_.pause_by == PauseBy::kCgroup) co_return done.fail(status);
    } else if (config_.pause_by == PauseBy::kCgroup) {
      co_return done.fail(sdk::unimplemented(
          "no cgroup of the container may be written here: set plugin.docker.pause_by"));
    }
  }
  const Result<Answer> answer =
      co_await engine_.call("POST", "/containers/" + container->id + "/pause");
  if (!answer) co_return done.fail(answer.error());
  if (!answer->ok()) co_return done.fail(status_of(*answer, "pausing a container"));
  container->paused_by_engine = true;
  done.ok();
}

asio::awaitable<void> DockerFactory::run_resume(ContainerPtr container, sdk::Promise<void> done) {
  if (container->frozen && container->freezer) {
    const sdk::Status status = co_await set_frozen(container, false);
    co_return status.ok() ? done.ok() : done.fail(status);
  }
  if (!container->paused_by_engine) co_return done.ok();
  const Result<Answer> answer =
      co_await engine_.call("POST", "/containers/" + container->id + "/unpause");
  if (!answer) co_return done.fail(answer.error());
  if (!answer->ok()) co_return done.fail(status_of(*answer, "resuming a container"));
  container->paused_by_engine = false;
  done.ok();
}

}  // namespace berth::docker
