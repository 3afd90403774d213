// SPDX-License-Identifier: Apache-2.0
// A create from the host's side: it is answered before the host gives up on it, with the reason
// that fits what was waited for, while what was begun on the engine is brought to its end.
#include <algorithm>

#include "docker/docker_factory.hpp"
#include "docker/starting.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

// How long a failure may come before the end of the engine that caused it.
constexpr std::chrono::milliseconds kLeaving{2'000};
constexpr std::chrono::milliseconds kLeavingPoll{50};
constexpr int kKilled = 137;  // the exit code
constexpr std::chrono::milliseconds kProgressEvery{250};

}  // namespace

void DockerFactory::create(const sdk::CreateRequestView& request,
                           sdk::Promise<sdk::ContainerInfo> done) {
  loop_.post([this, request = request.clone(), done = std::move(done)]() mutable {
    if (drained_ || stopped_) {
      return done.fail({sdk::StatusCode::kUnavailable, "the docker plugin is draining"});
    }
    ++creating_;
    spawn(run_create(std::move(request), std::move(done)));
  });
}

void DockerFactory::create_ended() {
  if (--creating_ != 0) return;
  for (auto& done : std::exchange(draining_, {})) done.ok();
}

asio::awaitable<void> DockerFactory::run_create(sdk::CreateRequest request,
                                                sdk::Promise<sdk::ContainerInfo> done) {
  const auto begun = Clock::now();
  const SteadyTime limit = ahead_of(done.deadline());
  const auto starting = std::make_shared<Starting>(loop_.context());
  const std::uint64_t operation = done.id();
  starting_.emplace(operation, starting);
  spawn(run_attempt(request, starting));
  std::string told;
  while (!starting->result && !starting->cancelled && Clock::now() < limit) {
    if (co_await starting->answer.wait(std::min(limit, Clock::now() + kProgressEvery))) continue;
    std::string waits = progress_of(request, *starting);
    if (waits != told) events_.progress(request.name, waits);
    told = std::move(waits);
  }
  starting_.erase(operation);
  if (!starting->result) {
    const sdk::Status status = starting->cancelled ? sdk::cancelled("the create was cancelled")
                                                   : too_late(request, *starting);
    starting->cancel();
    co_return done.fail(status);
  }
  if (!starting->result->ok()) co_return done.fail(*starting->result);
  const ContainerPtr container = starting->container;
  sdk::ContainerInfo info;
  info.id = container->id;
  info.token = container->id;
  info.address = container->address;
  info.name = container->name;
  info.labels = container->labels;
  done.ok(std::move(info));
  metrics_.created.record(1);
  metrics_.create_seconds.record(std::chrono::duration<double>(Clock::now() - begun).count());
}

// For people who ask what a create does all the time.
std::string DockerFactory::progress_of(const sdk::CreateRequest& request,
                                       const Starting& starting) const {
  switch (starting.stage) {
    case Stage::kEngine: return "waits for the Docker engine";
    case Stage::kPull:
      return "pulling image " + request.image + ": " + images_.progress(request.image);
    case Stage::kPlace: return "waits for other creates";
    case Stage::kCreate: return "the engine makes the container";
    case Stage::kStart: return "the engine starts the container";
    case Stage::kListen: break;
  }
  return "waits until the function listens";
}

// Whose fault it is that there is no container yet.
sdk::Status DockerFactory::too_late(const sdk::CreateRequest& request, const Starting& starting) {
  const auto slow = [](std::string_view what) {
    return sdk::unavailable("the Docker engine is slow: " + std::string(what) + " in time");
  };
  switch (starting.stage) {
    case Stage::kEngine: return down();
    case Stage::kPull:
      return sdk::unavailable("image '" + request.image + "' is still being pulled: " +
                              images_.progress(request.image) + "; try again later")
          .with_flags(request.user_provided_image ? sdk::kUserError : 0);
    case Stage::kPlace: return slow("earlier creates did not end");
    case Stage::kCreate: return slow("it made no container");
    case Stage::kStart: return slow("it did not start the container");
    case Stage::kListen: break;
  }
  return never_listened(request);
}

asio::awaitable<void> DockerFactory::run_attempt(sdk::CreateRequest request,
                                                 std::shared_ptr<Starting> starting) {
  ContainerPtr container;
  std::uint64_t losses = losses_;
  sdk::Status status = co_await prepare(request, starting);
  if (status.ok()) {
    losses = losses_;
    Result<ContainerPtr> made = co_await make_container(request, starting);
    if (made) {
      container = std::move(*made);
      starting->stage = Stage::kStart;
      status = co_await start_container(request, container, starting);
    } else {
      status = made.error();
    }
  }
  if (!status.ok() && !starting->cancelled &&
      co_await engine_was_leaving(status, container, losses)) {
    status = sdk::unavailable("the Docker engine went away: " + status.message());
  }
  if (status.ok() && starting->cancelled) status = sdk::cancelled("the create was cancelled");
  if (container != nullptr) container->on_death = nullptr;
  const bool failed = !status.ok();
  if (!failed) {
    container->handed_out = true;
    starting->container = container;
  }
  starting->place = Limiter::Place();
  starting->result = std::move(status);
  starting->answer.raise();
  if (failed && container != nullptr && !(co_await remove_container(container)).ok()) {
    spawn(remove_until_gone(container));
  }
  create_ended();
}

// Up to where the engine may be asked for a container: it is there, has the image, and it is this
// create's turn.
asio::awaitable<sdk::Status> DockerFactory::prepare(const sdk::CreateRequest& request,
                                                    std::shared_ptr<Starting> starting) {
  sdk::Status status = co_await wait_for_engine(starting);
  if (status.ok() && request.user_provided_image) {
    starting->stage = Stage::kPull;
    status = co_await images_.provide_user_image(request.image, starting);
  }
  if (status.ok() && !starting->cancelled) {
    starting->stage = Stage::kPlace;
    starting->place = co_await creates_->acquire(starting);
    starting->stage = Stage::kCreate;
  }
  co_return starting->cancelled ? sdk::cancelled("the create was cancelled") : status;
}

// An engine that stops first kills what runs and refuses what it is asked, and only then goes: what
// failed a moment before that failed for it.
asio::awaitable<bool> DockerFactory::engine_was_leaving(sdk::Status why, ContainerPtr container,
                                                        std::uint64_t losses) {
  const bool killed = why.code() == sdk::StatusCode::kAborted && container != nullptr &&
                      container->death && container->death->exit_code == kKilled &&
                      !container->death->oom;
  if (!killed && why.code() != sdk::StatusCode::kInternal) co_return false;
  const auto limit = Clock::now() + kLeaving;
  while (losses_ == losses && !stopped_ && Clock::now() < limit) {
    Signal wait(loop_.context());
    co_await wait.wait(Clock::now() + kLeavingPoll);
  }
  co_return losses_ != losses;
}

// An engine that is restarted is back in a moment: who comes meanwhile need not fail.
asio::awaitable<sdk::Status> DockerFactory::wait_for_engine(std::shared_ptr<Starting> starting) {
  if (up_) co_return sdk::Status();
  const auto limit = Clock::now() + config_.engine_wait;
  waiting_for_engine_.insert(starting);
  while (!up_ && !starting->cancelled && Clock::now() < limit) {
    co_await starting->changed.wait(limit);
  }
  waiting_for_engine_.erase(starting);
  co_return up_ ? sdk::Status() : down();
}

}  // namespace berth::docker
