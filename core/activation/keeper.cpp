// SPDX-License-Identifier: Apache-2.0
#include "activation/keeper.hpp"

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>

#include "base/log.hpp"

namespace berth::activation {
namespace {
constexpr std::chrono::nanoseconds kReportEvery = std::chrono::seconds(10);
}

store::Work work_of(const Invocation& invocation) {
  store::Work work;
  work.activation_id = invocation.activation_id;
  work.transaction_id = invocation.transaction_id;
  work.namespace_name = invocation.user.namespace_name;
  work.namespace_uuid = invocation.user.namespace_uuid;
  work.subject = invocation.user.subject;
  work.path = invocation.action->path();
  work.binding = invocation.action->binding;
  work.cause = invocation.cause;
  work.received_ms = invocation.received_ms;
  work.arguments = invocation.arguments;
  return work;
}

Status not_kept(const Status& why) {
  // The reason is the operator's to know; but whoever asks thousands of times must not fill what is
  // left of the disk with it.
  static std::atomic<std::int64_t> next_report_ns{0};
  const std::int64_t now =
      std::chrono::steady_clock::now().time_since_epoch() / std::chrono::nanoseconds(1);
  std::int64_t due = next_report_ns;
  if (now >= due && next_report_ns.compare_exchange_strong(due, now + kReportEvery.count())) {
    log::error("invoker", "activations are not accepted: they cannot be made durable",
               {{"reason", why.to_string()}});
  }
  const bool no_room = why.code() == StatusCode::kResourceExhausted;
  return sdk::unavailable(std::string("The activation could not be accepted durably: ") +
                          (no_room ? "there is no room for it on the disk or in its queue."
                                   : "the store does not take it now."));
}

void Keeper::keep(store::Work work, AcceptHandler done) {
  try_to_keep(
      std::make_shared<Kept>(Kept{std::move(work), std::move(done),
                                  boost::asio::steady_timer(with_.io), options_.store_retry}));
}

void Keeper::try_to_keep(const std::shared_ptr<Kept>& kept) {
  store::Work work = kept->work;
  if (const Invocation* waits = with_.next.set_durable(work.activation_id, true)) {
    work = work_of(*waits);
  } else {
    work.started_ms = with_.clock.wall_ms();
  }
  with_.work.enqueue(with_.io.get_executor(), std::move(work),
                     [weak = weak_from_this(), kept](const Result<void>& result) {
                       if (result) return kept->done(Status());
                       if (const auto self = weak.lock()) self->not_stored(kept, result.error());
                     });
}

void Keeper::not_stored(const std::shared_ptr<Kept>& kept, const Status& why) {
  // Without a row it must not wait for a mark.
  with_.next.set_durable(kept->work.activation_id, false);
  if (stopped_) return;
  log::debug("invoker", "a caller waits on: its activation cannot be made durable",
             {{"activation", kept->work.activation_id}, {"reason", why.to_string()}});
  waiting_.insert(kept);
  kept->timer.expires_after(kept->retry);
  kept->retry = std::min(kept->retry * 2, options_.store_retry_max);
  kept->timer.async_wait([weak = weak_from_this(), kept](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self || self->stopped_) return;
    self->waiting_.erase(kept);
    self->try_to_keep(kept);
  });
}

void Keeper::stop() {
  stopped_ = true;
  for (const auto& kept : std::exchange(waiting_, {})) kept->timer.cancel();
}

}  // namespace berth::activation
