// SPDX-License-Identifier: Apache-2.0
// How a container's end becomes known, from the engine's events or from a look at it, and what is
// told of it.
#include <algorithm>
#include <boost/json/value.hpp>

#include "docker/docker_factory.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;
using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// The engine may tell of the kill for memory after the death it caused.
constexpr milliseconds kOomWait{300};
// A function whose child was killed for memory gets so long to die of it by itself.
constexpr milliseconds kOomGrace{100};
constexpr int kKilled = 137;
// How long a function's end may be unknown to the engine itself, and how often that is looked up.
constexpr milliseconds kUnnoticed{2'000};
constexpr milliseconds kLookAgain{50};

}  // namespace

std::string death_reason(int exit_code, bool oom, std::uint64_t memory_bytes) {
  if (oom) return "exhausted its memory: limit " + std::to_string(memory_bytes >> 20) + " MB";
  if (exit_code < 0) return "ended, nobody knows how";
  if (exit_code > 128) return "killed by signal " + std::to_string(exit_code - 128);
  return "exited with code " + std::to_string(exit_code);
}

// The kernel kills one process, perhaps not the first: a function without it would answer nonsense
// or nothing. It is ended, so that the activation gets its real reason.
asio::awaitable<void> DockerFactory::kill_for_memory(ContainerPtr container) {
  Signal wait(loop_.context());
  co_await wait.wait(Clock::now() + kOomGrace);
  if (container->dying || container->death || container->destroying || stopped_) co_return;
  (void)co_await engine_.call("POST", "/containers/" + container->id + "/kill");
}

asio::awaitable<void> DockerFactory::on_die(ContainerPtr container, int exit_code) {
  if (container->dying != nullptr || container->death) co_return;
  container->dying = std::make_shared<Signal>(loop_.context());
  if (exit_code == kKilled && !container->oom && !container->destroying) {
    const Result<Answer> answer =
        co_await engine_.call("GET", "/containers/" + container->id + "/json");
    const json::value value = answer ? answer->json() : json::value();
    boost::system::error_code error;
    const json::value* oom =
        value.is_object() ? value.find_pointer("/State/OOMKilled", error) : nullptr;
    if (oom != nullptr && oom->is_bool() && oom->get_bool()) container->oom = true;
    if (!container->oom && !container->destroying) {
      co_await container->dying->wait(Clock::now() + kOomWait);
    }
  }
  Death death;
  death.oom = container->oom;
  death.exit_code = exit_code;
  death.reason = death_reason(exit_code, death.oom, container->memory_bytes);
  report(container, std::move(death));
}

void DockerFactory::report(const ContainerPtr& container, Death death) {
  if (container->death) return;
  container->death = std::move(death);
  container->frozen = false;
  for (auto& [id, reader] : container->readers) reader->raise();
  if (container->on_death) container->on_death();
  if (!container->handed_out || container->destroying || stopped_) return;
  events_.died(container->id, container->death->exit_code, container->death->oom,
               container->death->reason);
}

// Learns how one died that the engine has as ended though no event said so.
asio::awaitable<void> DockerFactory::recheck(ContainerPtr container) {
  const Result<Answer> answer =
      co_await engine_.call("GET", "/containers/" + container->id + "/json");
  if (!answer) co_return;
  int exit_code = -1;
  const json::value value = answer->json();
  boost::system::error_code error;
  if (answer->ok() && value.is_object()) {
    const json::value* running = value.find_pointer("/State/Running", error);
    if (running == nullptr || !running->is_bool() || running->get_bool()) co_return;
    const json::value* oom = value.find_pointer("/State/OOMKilled", error);
    if (oom != nullptr && oom->is_bool() && oom->get_bool()) container->oom = true;
    const json::value* code = value.find_pointer("/State/ExitCode", error);
    if (code != nullptr && code->is_int64()) exit_code = static_cast<int>(code->get_int64() & 255);
  } else if (answer->code != 404) {
    co_return;
  }
  co_await on_die(container, exit_code);
}

// A function that is found without a network or a process has probably ended a moment before: the
// event that tells so may be under way, or the engine may not have noticed yet.
asio::awaitable<bool> DockerFactory::has_ended(ContainerPtr container, SteadyTime deadline) {
  const auto limit = std::min(deadline, Clock::now() + kUnnoticed);
  while (!container->death && !stopped_) {
    if (container->dying == nullptr) co_await recheck(container);
    if (container->death || (container->dying == nullptr && Clock::now() >= limit)) break;
    Signal wait(loop_.context());
    co_await wait.wait(Clock::now() + kLookAgain);
  }
  co_return container->death.has_value();
}

}  // namespace berth::docker
