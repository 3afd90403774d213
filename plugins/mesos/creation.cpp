// SPDX-License-Identifier: Apache-2.0
// MesosFactory::create: a task is launched, its proxy listens, and its logs' beginnings are known.
#include "mesos/creation.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <utility>

namespace berth::mesos {
namespace {

using boost::asio::ip::tcp;
using Clock = std::chrono::steady_clock;

// So long before the host's deadline we fail by ourselves: with the reason.
constexpr milliseconds kFailAhead{100};

// A port that nobody forwards yet may swallow the attempt to connect.
constexpr milliseconds kConnectPatience{1'000};

std::string text_of(const tcp::endpoint& endpoint) {
  const std::string host = endpoint.address().to_string();
  return (endpoint.address().is_v6() ? "[" + host + "]" : host) + ":" +
         std::to_string(endpoint.port());
}

}  // namespace

void MesosFactory::create(const sdk::CreateRequestView& request,
                          sdk::Promise<sdk::ContainerInfo> done) {
  loop_.post([this, request = request.clone(), done = std::move(done)]() mutable {
    run_create(std::move(request), std::move(done));
  });
}

void MesosFactory::run_create(sdk::CreateRequest request, sdk::Promise<sdk::ContainerInfo> done) {
  if (drained_) return done.fail(sdk::unavailable("the plugin takes no new containers"));
  const auto creation = std::make_shared<Creation>(std::move(done));
  const std::uint64_t operation = creation->done.id();
  creation->begun = Clock::now();
  creation->deadline =
      std::min(creation->done.deadline() - kFailAhead, creation->begun + config_.launch_timeout);
  creation->image = request.image;
  creation->user_image = request.user_provided_image;
  creation->stored.set_memory_bytes(request.memory_bytes);
  for (const auto& [key, value] : request.labels) {
    v1::Label& label = *creation->stored.add_labels();
    label.set_key(key);
    label.set_value(value);
  }
  creations_.emplace(operation, creation);
  creation->launch = scheduler_.launch(
      builder_->build(request), creation->deadline,
      [this, creation](const sdk::Status& status, const Task* task) {
        if (!status.ok()) return fail_create(creation, status);
        if (creation->done.pending()) return on_launched(creation, *task);
        // Given up meanwhile; not from inside the scheduler's call.
        loop_.post([this, id = task->id] { scheduler_.kill(id, [](const sdk::Status&) {}); });
      });
}

void MesosFactory::on_launched(std::shared_ptr<Creation> creation, const Task& task) {
  creation->task = task.id;
  by_task_[task.id] = creation;
  const std::string address = builder_->address(task);
  if (address.empty()) {
    return fail_create(creation, sdk::unavailable("the task has no address that Mesos tells: is "
                                                  "its network '" +
                                                  config_.tasks.network + "' one?"));
  }
  support::ConnectProbeOptions options;
  options.patience = kConnectPatience;
  const std::size_t colon = address.rfind(':');
  creation->probe = std::make_unique<support::ConnectProbe>(
      loop_.context(), address.substr(0, colon),
      static_cast<std::uint16_t>(std::stoi(address.substr(colon + 1))),
      [this, weak = std::weak_ptr<Creation>(creation)](const tcp::endpoint& reached) {
        const std::shared_ptr<Creation> held = weak.lock();
        if (held == nullptr || !held->done.pending()) return;
        held->listening = true;
        held->stored.set_address(text_of(reached));
        maybe_created(held);
      },
      std::move(options));
  creation->timer = std::make_unique<boost::asio::steady_timer>(loop_.context());
  creation->timer->expires_at(creation->deadline);
  creation->timer->async_wait([this, address, weak = std::weak_ptr<Creation>(creation)](
                                  const boost::system::error_code& error) {
    const std::shared_ptr<Creation> held = weak.lock();
    if (error || held == nullptr) return;
    const std::uint32_t theirs = held->user_image ? sdk::kUserError : 0;
    fail_create(held, sdk::deadline_exceeded("image '" + held->image + "': nothing listened at " +
                                             address + " in time")
                          .with_flags(theirs));
  });
  if (config_.read_logs) learn_log_starts(creation, task);
}

// What the executor wrote before the function is not the function's.
void MesosFactory::learn_log_starts(std::shared_ptr<Creation> creation, const Task& task) {
  if (task.agent_url.empty()) return;
  v1::StoredTask where;
  where.set_executor_id(task.executor_id);
  where.set_container_id(task.container_id);
  where.set_nested(task.nested);
  const std::string sandbox = AgentFiles::sandbox(scheduler_.framework_id(), task.id, where);
  creation->sizes_wanted = 2;
  for (const bool err : {false, true}) {
    files_.size(task.agent_url, sandbox + (err ? "/stderr" : "/stdout"),
                [this, err, creation](AgentFiles::Piece piece) {
                  --creation->sizes_wanted;
                  // Not told: read from the beginning.
                  const std::uint64_t size = piece.status.ok() ? piece.size : 0;
                  err ? creation->stored.set_stderr_start(size)
                      : creation->stored.set_stdout_start(size);
                  maybe_created(creation);
                });
  }
}

void MesosFactory::maybe_created(std::shared_ptr<Creation> creation) {
  if (!creation->done.pending() || !creation->listening || creation->sizes_wanted > 0) return;
  const std::string id = creation->task;
  scheduler_.remember(id, creation->stored);
  const Task* task = scheduler_.find(id);
  if (task == nullptr) return;  // its end fails the create
  metrics_.create_seconds.record(
      std::chrono::duration<double>(Clock::now() - creation->begun).count());
  sdk::ContainerInfo info = info_of(id, task->stored);
  create_ended(creation);
  creation->done.ok(std::move(info));
}

void MesosFactory::fail_create(const std::shared_ptr<Creation>& creation, const sdk::Status& why) {
  if (!creation->done.pending()) return;
  const std::shared_ptr<Creation> held = creation;
  create_ended(held);
  held->done.fail(why);
  // Nothing is left behind. From the loop: this may be inside a call of the scheduler's.
  loop_.post([this, launch = held->launch, task = held->task] {
    if (task.empty()) return scheduler_.cancel(launch);
    scheduler_.kill(task, [](const sdk::Status&) {});
  });
}

void MesosFactory::create_ended(const std::shared_ptr<Creation>& creation) {
  creations_.erase(creation->done.id());
  if (!creation->task.empty()) by_task_.erase(creation->task);
  // Not from inside the probe's own call.
  if (creation->probe != nullptr) {
    boost::asio::post(loop_.context(), [probe = std::shared_ptr<support::ConnectProbe>(std::move(
                                            creation->probe))]() mutable { probe.reset(); });
  }
  if (creation->timer != nullptr) creation->timer->cancel();
  if (!creations_.empty()) return;
  for (sdk::Promise<void>& drained : std::exchange(draining_, {})) drained.ok();
}

}  // namespace berth::mesos
