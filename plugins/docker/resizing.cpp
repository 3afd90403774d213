// SPDX-License-Identifier: Apache-2.0
// Other limits for a living container, and what one uses: both by the engine.
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>

#include "docker/create_body.hpp"
#include "docker/docker_factory.hpp"

namespace berth::docker {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

// -1 if it is not there.
std::int64_t number_at(const json::value& value, const char* pointer) {
  boost::system::error_code error;
  const json::value* found = value.find_pointer(pointer, error);
  if (found == nullptr || !found->is_number()) return -1;
  const std::int64_t number = found->to_number<std::int64_t>(error);
  return error ? -1 : number;
}

}  // namespace

void DockerFactory::resize(std::string_view id, const sdk::ResizeRequest& request,
                           sdk::Promise<void> done) {
  loop_.post([this, id = std::string(id), request, done = std::move(done)]() mutable {
    const ContainerPtr container = find(id);
    if (container == nullptr) return done.fail(sdk::not_found("no container " + id));
    spawn(run_resize(container, request, std::move(done)));
  });
}

asio::awaitable<void> DockerFactory::run_resize(ContainerPtr container, sdk::ResizeRequest request,
                                                sdk::Promise<void> done) {
  if (container->destroying || container->death) {
    co_return done.fail(sdk::failed_precondition("the container has ended"));
  }
  const Result<Answer> answer =
      co_await engine_.call("POST", "/containers/" + container->id + "/update",
                            json::serialize(limits_body(request)), config_.call_timeout);
  if (!answer) co_return done.fail(answer.error());
  // An engine that knows no such call answers 404, too, but not because of the container.
  if (answer->code == 404 && answer->message().find(container->id) == std::string::npos) {
    co_return done.fail(sdk::unimplemented("the engine cannot resize: " + answer->message()));
  }
  if (!answer->ok()) co_return done.fail(status_of(*answer, "resizing a container"));
  container->memory_bytes = request.memory_bytes;
  done.ok();
}

void DockerFactory::stats(std::string_view id, sdk::Promise<sdk::ContainerStats> done) {
  loop_.post([this, id = std::string(id), done = std::move(done)]() mutable {
    const ContainerPtr container = find(id);
    if (container == nullptr || container->death) {
      return done.fail(sdk::not_found("no living container " + id));
    }
    spawn(run_stats(container, std::move(done)));
  });
}

// An engine older than API 1.41 takes a second to answer: it measures twice.
asio::awaitable<void> DockerFactory::run_stats(ContainerPtr container,
                                               sdk::Promise<sdk::ContainerStats> done) {
  const Result<Answer> answer = co_await engine_.call(
      "GET", "/containers/" + container->id + "/stats?stream=false&one-shot=true");
  if (!answer) co_return done.fail(answer.error());
  if (!answer->ok()) co_return done.fail(status_of(*answer, "what a container uses"));
  const json::value value = answer->json();
  // Of one that has just ended the engine tells an object without numbers.
  if (number_at(value, "/memory_stats/usage") < 0 && number_at(value, "/pids_stats/current") < 0) {
    co_return done.fail(sdk::not_found("the container has ended"));
  }
  sdk::ContainerStats stats;
  stats.memory_bytes = number_at(value, "/memory_stats/usage");
  // By the kernel's version 1 and 2: what it drops before it kills anybody.
  for (const char* cached :
       {"/memory_stats/stats/total_inactive_file", "/memory_stats/stats/inactive_file"}) {
    const std::int64_t bytes = number_at(value, cached);
    if (bytes < 0) continue;
    if (bytes < stats.memory_bytes) stats.memory_bytes -= bytes;
    break;
  }
  if (container->memory_bytes > 0) {
    stats.memory_limit_bytes = number_at(value, "/memory_stats/limit");
  }
  stats.cpu_ns = number_at(value, "/cpu_stats/cpu_usage/total_usage");
  stats.pids = number_at(value, "/pids_stats/current");
  done.ok(stats);
}

}  // namespace berth::docker
