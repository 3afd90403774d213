// SPDX-License-Identifier: Apache-2.0
// How a container goes: thawed, killed and removed by the engine, and then its pooled namespace is
// free again.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "docker/create_body.hpp"
#include "docker/docker_factory.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kFirstPause{200};
constexpr milliseconds kLongestPause{10'000};
constexpr milliseconds kRestPoll{10};

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
  if (const auto joined = container->removal; joined != nullptr && !joined->done) {
    const auto over = std::make_shared<Signal>(loop_.context());
    joined->waiting.push_back(over);
    co_await over->wait(SteadyTime::max());
    co_return joined->status;
  }
  const auto removal = std::make_shared<Removal>();
  container->removal = removal;
  ++removing_;
  {
    const Limiter::Place place = co_await removals_->acquire();
    if (container->freezer) {
      // What is frozen behind the engine's back, or about to be, it cannot kill.
      (void)container->freezer->thaw();
      container->frozen = false;
    }
    removal->status = co_await remove_id(container->id);
  }
  --removing_;
  removal->done = true;
  if (removal->status.ok() && containers_.count(container->id) != 0) {
    forget(container);
    if (container->network.valid()) pool_.retire(std::move(container->network));
  }
  for (const auto& waiting : removal->waiting) waiting->raise();
  co_return removal->status;
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

struct DockerFactory::Sweep {
  explicit Sweep(asio::io_context& context) : over(context) {}
  std::size_t left = 0;
  std::size_t failed = 0;
  sdk::Status why;  // of a failure
  Signal over;
};

asio::awaitable<void> DockerFactory::sweep_one(std::string id, std::shared_ptr<Sweep> sweep) {
  {
    const Limiter::Place place = co_await removals_->acquire();
    const ContainerPtr known = find(id);
    std::optional<Freezer> freezer =
        known != nullptr && known->freezer ? known->freezer : Freezer::find(id, 0);
    if (freezer) (void)freezer->thaw();
    const sdk::Status removed = co_await remove_id(id);
    if (!removed.ok()) {
      ++sweep->failed;
      sweep->why = removed;
      log_.warn("a container could not be removed",
                {{"id", id.substr(0, 12)}, {"reason", removed.to_string()}});
    }
  }
  if (--sweep->left == 0) sweep->over.raise();
}

asio::awaitable<void> DockerFactory::wait_for_rest(SteadyTime deadline) {
  while (!at_rest() && Clock::now() < deadline) {
    Signal wait(loop_.context());
    co_await wait.wait(Clock::now() + kRestPoll);
  }
}

asio::awaitable<sdk::Status> DockerFactory::remove_all(SteadyTime deadline) {
  for (const auto& [id, container] : containers_) container->destroying = true;
  const json::object filters{
      {"label", json::array{json::value(std::string(kOwner) + "=" + owner_)}}};
  const std::string path =
      "/containers/json?all=1&filters=" + support::http::escape(json::serialize(filters));
  milliseconds pause = kRestPoll;
  while (true) {
    const bool rested = at_rest();  // before the look: what comes to be during it is not missed
    const Result<Answer> listed = co_await engine_.call("GET", path);
    if (!listed) co_return listed.error();
    const json::value all = listed->json();
    if (!listed->ok() || !all.is_array()) co_return status_of(*listed, "listing containers");
    std::vector<std::string> ids;
    for (const json::value& one : all.get_array()) {
      const json::value* id = one.is_object() ? one.get_object().if_contains("Id") : nullptr;
      if (id != nullptr && id->is_string()) ids.emplace_back(id->get_string());
    }
    if (ids.empty() && rested) co_return sdk::Status();
    const auto sweep = std::make_shared<Sweep>(loop_.context());
    sweep->left = ids.size();
    for (std::string& id : ids) spawn(sweep_one(std::move(id), sweep));
    if (sweep->left > 0) co_await sweep->over.wait(deadline);
    if (Clock::now() >= deadline) {
      co_return sweep->failed > 0 ? sweep->why
                                  : sdk::deadline_exceeded("containers are still being removed");
    }
    Signal wait(loop_.context());
    co_await wait.wait(std::min(deadline, Clock::now() + pause));
    pause = std::min(pause * 2, kLongestPause);
  }
}

}  // namespace berth::docker
