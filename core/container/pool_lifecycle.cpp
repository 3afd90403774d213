// SPDX-License-Identifier: Apache-2.0
// What the pool asks of the factory, the answers, and the work of every tick.
#include <algorithm>
#include <boost/asio/post.hpp>
#include <fmt/format.h>

#include "base/log.hpp"
#include "container/async_call.hpp"
#include "container/container_pool.hpp"
#include "container/pool_gauges.hpp"
#include "container/slot_hold.hpp"
#include "container/smooth.hpp"

namespace berth::container {
namespace {
constexpr std::size_t kEarlyDeaths = 1024;
constexpr std::chrono::seconds kDestroyAgain{1};
}  // namespace

bool ContainerPool::step(Container& container, Event event) {
  const State before = container.state;
  if (!container.apply(event)) return false;
  --counts_[static_cast<std::size_t>(before)];
  ++counts_[static_cast<std::size_t>(container.state)];
  return true;
}

void ContainerPool::issue_create(Container& container) {
  const SizeClass& size_class = *container.size_class;
  container.accounted = true;
  used_ += container.memory_bytes;
  container.created_at = with_.clock.steady_now();

  plugin::CreateRequest request;
  request.transaction_id = "prewarm";
  request.name = container.name;
  request.kind = size_class.kind;
  request.image = size_class.image;
  request.user_provided_image = size_class.user_provided;
  request.memory_bytes = container.memory_bytes;
  const plugin::ResizeRequest limits = limits_of(container.memory_bytes);
  request.cpu_shares = limits.cpu_shares;
  request.cpu_quota_millis = limits.cpu_quota_millis;
  request.pids_limit = options_.pids_limit;
  request.environment = options_.environment;
  request.log_parameters = options_.log_parameters;
  request.labels = {{"instance", options_.instance}, {"kind", size_class.kind}};
  if (!options_.owner.empty()) request.labels.emplace_back("owner", options_.owner);
  if (const ActionSlot* slot = container.started_for) {
    request.labels.emplace_back("action", slot->action->path());
    request.labels.emplace_back("namespace", slot->namespace_name);
    request.concurrency = slot->concurrency;
    if (!slot->waiters.empty()) {
      request.transaction_id = static_cast<const Waiter&>(slot->waiters.front()).transaction_id;
    }
  }
  if (size_class.concurrent) request.environment.emplace_back("__OW_ALLOW_CONCURRENT", "true");
  log::debug("pool", "creating a container",
             {{"container", container.name},
              {"transaction", request.transaction_id},
              {"kind", request.kind},
              {"image", request.image}});
  start_call(
      with_.io,
      with_.factory.create(std::move(request), container.created_at + options_.create_timeout),
      [pool = weak_from_this(),
       container = ContainerPtr(&container)](Result<plugin::ContainerInfo> info) {
        if (const auto alive = pool.lock()) alive->created(*container, std::move(info));
      });
}

void ContainerPool::uncount_start(Container& container) {
  if (container.prewarm) {
    container.prewarm = false;
    --container.size_class->starting;
  }
  if (container.started_for == nullptr) return;
  ActionSlot& slot = *std::exchange(container.started_for, nullptr);
  --slot.starts;
  if (container.slot == nullptr) charge(container, nullptr);
  update_needy(slot);
}

void ContainerPool::created(Container& container, Result<plugin::ContainerInfo> info) {
  gauges_->create_seconds.observe(
      std::chrono::duration<double>(with_.clock.steady_now() - container.created_at).count());
  if (!info) {
    create_failed(container, info.error());
    return;
  }
  if (info->id.empty() || by_id_.count(info->id) != 0) {
    // Nothing is destroyed for it: the id may be that of a container in use.
    create_failed(container, sdk::internal("the container factory gave the id '" + info->id +
                                           "', which is empty or another container's"));
    return;
  }
  smooth(container.size_class->create_ms, with_.clock.steady_now() - container.created_at);
  learn_cost(*container.size_class);
  container.id = info->id;
  by_id_[container.id] = &container;
  if (const auto early = early_deaths_.find(container.id); early != early_deaths_.end()) {
    container.death = std::make_unique<plugin::ContainerDied>(std::move(early->second));
    early_deaths_.erase(early);
  }
  if (container.state == State::kRemoving) {
    destroy_if_unused(container);
    return;
  }
  Status broken;
  if (container.death) {
    broken = sdk::unavailable("the container ended at once: " + container.death->reason);
  } else {
    auto client = ActionClient::open(with_.io, with_.clock, info->address,
                                     options_.max_response_bytes, with_.wires);
    if (client)
      container.client = std::move(*client);
    else
      broken = client.error().with_context("address of the container");
  }
  if (!broken.ok()) {
    create_failed(container, broken);
    return;
  }
  ActionSlot* slot = container.started_for;
  if (container.prewarm) container.size_class->failures = 0;
  if (slot != nullptr) slot->start_failures = 0;
  step(container, Event::kCreated);
  log::debug("pool", "container started",
             {{"container", container.name}, {"id", container.id}, {"address", info->address}});
  {
    const SlotHold hold(*this, slot);
    uncount_start(container);
    offer_fresh(container, slot);
  }
  dispatch();
}

void ContainerPool::create_failed(Container& container, const Status& why) {
  gauges_->create_failures.add();
  const ContainerPtr keep(&container);
  SizeClass& size_class = *container.size_class;
  ActionSlot* slot = container.started_for;
  const bool prewarm = container.prewarm;
  {
    const SlotHold hold(*this, slot);
    uncount_start(container);
    if (container.id.empty()) {
      step(container, container.state == State::kRemoving ? Event::kDestroyed : Event::kFailed);
      gone(container);
    } else {
      remove(container, Event::kRemove, "it could not be used");
    }
    if (prewarm) prewarm_failed(size_class, why.to_string());
    if (slot != nullptr && slot->waiting > 0) start_failed(*slot, why);
  }
  issue_planned();
  dispatch();
}

// Tells who waits for a start of that slot, or has it tried again. The caller holds the slot.
void ContainerPool::start_failed(ActionSlot& slot, const Status& why) {
  Waiter& waiter = front(slot);
  log::info("pool", "a container could not be started",
            {{"transaction", waiter.transaction_id},
             {"action", slot.action->path()},
             {"image", slot.size_class->image},
             {"reason", why.to_string()}});
  if (why.retryable() && !stopping_) return retry_later(slot, why);
  leave_queue(waiter);
  waiter.on_start_failed(why);
}

void ContainerPool::retry_later(ActionSlot& slot, const Status& why) {
  const SteadyTime now = with_.clock.steady_now();
  while (!slot.waiters.empty() && front(slot).since + options_.max_wait <= now) {
    Waiter& waiter = front(slot);
    leave_queue(waiter);
    waiter.on_start_failed(why);
  }
  if (slot.waiting > 0 && !slot.retry_hook.is_linked()) {
    const auto shift = std::min<std::uint32_t>(slot.start_failures++, 16);
    slot.retry_at = now + std::min(options_.start_retry_max, options_.start_retry * (1 << shift));
    retrying_.push_back(slot);
  }
  update_needy(slot);
}

void ContainerPool::pause(Container& container) {
  container.unpaused_hook.unlink();
  container.free_hook.unlink();
  if (!step(container, Event::kPause)) return;
  container.slot->resting.push_front(container);
  if (container.client) container.client->close_idle();
  start_call(with_.io,
             with_.factory.pause(container.id, with_.clock.steady_now() + options_.pause_timeout),
             [pool = weak_from_this(), container = ContainerPtr(&container)](Result<void> result) {
               if (const auto alive = pool.lock()) alive->paused(*container, std::move(result));
             });
}

void ContainerPool::paused(Container& container, Result<void> result) {
  if (container.state != State::kPausing) return;
  const bool wanted = std::exchange(container.resume_wanted, false);
  if (result) {
    step(container, Event::kPaused);
    if (!wanted) return;
    uncount_start(container);
    resume(container);
    return;
  }
  if (result.error().code() != StatusCode::kUnimplemented) {
    log::warn("pool", "a container could not be paused",
              {{"container", container.name}, {"reason", result.error().to_string()}});
    remove(container, Event::kFailed, "it could not be paused");
    dispatch();
    return;
  }
  log::warn("pool", "the container factory cannot pause; idle containers stay as they are",
            {{"reason", result.error().message()}});
  can_pause_ = false;
  step(container, Event::kPauseRefused);
  container.free_hook.unlink();
  ActionSlot& slot = *container.slot;
  slot.free.push_back(container);
  uncount_start(container);
  serve(slot);
  if (container.state == State::kReady && !container.idle_hook.is_linked())
    make_idle(container, with_.clock.steady_now());
}

void ContainerPool::resume(Container& container) {
  ActionSlot& slot = *container.slot;
  container.started_for = &slot;
  ++slot.starts;
  update_needy(slot);
  container.free_hook.unlink();
  unlink_idle(container);
  if (container.state == State::kPausing) {
    container.resume_wanted = true;
    return;
  }
  if (!step(container, Event::kResume)) return;
  start_call(with_.io,
             with_.factory.resume(container.id, with_.clock.steady_now() + options_.pause_timeout),
             [pool = weak_from_this(), container = ContainerPtr(&container)](Result<void> result) {
               if (const auto alive = pool.lock()) alive->resumed(*container, std::move(result));
             });
}

void ContainerPool::resumed(Container& container, Result<void> result) {
  if (container.state != State::kResuming) return;
  ActionSlot& slot = *container.slot;
  if (!result) {
    log::warn("pool", "a container could not be resumed",
              {{"container", container.name}, {"reason", result.error().to_string()}});
    remove(container, Event::kFailed, "it could not be resumed");
    dispatch();
    return;
  }
  uncount_start(container);
  step(container, Event::kResumed);
  slot.free.push_front(container);
  if (slot.waiting > 0) {
    serve(slot);
  } else {
    make_idle(container, with_.clock.steady_now());
  }
}

void ContainerPool::remove(Container& container, Event event, std::string_view reason) {
  if (container.state == State::kRemoving || container.state == State::kGone) return;
  unlink_idle(container);
  container.free_hook.unlink();
  container.work_hook.unlink();
  ActionSlot* const started_for = container.started_for;
  uncount_start(container);
  strike(container);
  charge(container, nullptr);
  step(container, event);
  if (container.accounted) {
    container.leaving = true;
    leaving_ += container.memory_bytes;
  }
  log::debug("pool", "removing a container",
             {{"container", container.name}, {"id", container.id}, {"reason", reason}});
  destroy_if_unused(container);
  if (started_for != nullptr) forget_slot_if_unused(*started_for);
}

void ContainerPool::destroy_if_unused(Container& container) {
  if (container.state != State::kRemoving || container.active > 0 || container.holds > 0 ||
      container.destroying || container.id.empty() || closed_) {
    return;
  }
  container.destroying = true;
  container.work_hook.unlink();
  start_call(
      with_.io,
      with_.factory.destroy(container.id, with_.clock.steady_now() + options_.destroy_timeout),
      [pool = weak_from_this(), container = ContainerPtr(&container)](Result<void> result) {
        if (const auto alive = pool.lock()) alive->destroyed(*container, std::move(result));
      });
}

void ContainerPool::destroyed(Container& container, Result<void> result) {
  container.destroying = false;
  if (!result && result.error().code() != StatusCode::kNotFound) {
    // Its memory stays counted: it may well still be there.
    gauges_->destroy_failures.add();
    log::warn("pool", "a container could not be destroyed; trying again",
              {{"container", container.name}, {"reason", result.error().to_string()}});
    container.destroy_again_at = with_.clock.steady_now() + kDestroyAgain;
    undestroyed_.push_back(container);
    return;
  }
  step(container, Event::kDestroyed);
  gone(container);
  issue_planned();
  dispatch();
}

void ContainerPool::gone(Container& container) {
  const ContainerPtr last = std::move(container.self);
  container.all_hook.unlink();
  --counts_[static_cast<std::size_t>(State::kGone)];
  if (container.accounted) used_ -= container.memory_bytes;
  if (container.leaving) leaving_ -= container.memory_bytes;
  container.accounted = container.leaving = false;
  container.client.reset();
  charge(container, nullptr);
  if (!container.id.empty()) {
    by_id_.erase(container.id);
    if (gone_) gone_(container.id);
  }
  if (container.slot != nullptr) {
    ActionSlot& slot = *std::exchange(container.slot, nullptr);
    count_container(slot, -1);
    forget_slot_if_unused(slot);
  }
  forget_class(std::exchange(container.size_class, nullptr));
}

plugin::ContainerFactory::DiedHandler ContainerPool::died_handler() {
  return [pool = weak_from_this(), &io = with_.io](plugin::ContainerDied death) {
    boost::asio::post(io, [pool, death = std::move(death)]() mutable {
      if (const auto alive = pool.lock()) alive->died(std::move(death));
    });
  };
}

void ContainerPool::died(plugin::ContainerDied death) {
  const auto found = by_id_.find(death.id);
  if (found == by_id_.end()) {
    if (early_deaths_.size() >= kEarlyDeaths) early_deaths_.clear();
    std::string id = death.id;
    early_deaths_.insert_or_assign(std::move(id), std::move(death));
    return;
  }
  const ContainerPtr container(found->second);
  gauges_->deaths.add();
  log::info("pool", "a container ended by itself",
            {{"container", container->name},
             {"state", to_string(container->state)},
             {"exit_code", fmt::to_string(death.exit_code)},
             {"oom", death.oom ? "true" : "false"},
             {"reason", death.reason}});
  container->death = std::make_unique<plugin::ContainerDied>(std::move(death));
  ActionClient::end_soon(std::move(container->client), options_.last_answer);
  if (container->state == State::kPrewarmed) {
    prewarm_failed(*container->size_class, "it ended by itself");
  }
  remove(*container, Event::kDied, "it ended by itself");
  for (const auto& handler : std::exchange(container->on_death, {})) handler();
  dispatch();
}

void ContainerPool::arm_timer() {
  if (stopping_) return;
  timer_.expires_after(options_.tick);
  timer_.async_wait([pool = weak_from_this()](const boost::system::error_code& error) {
    const auto alive = pool.lock();
    if (error || !alive) return;
    alive->tick();
    alive->arm_timer();
  });
}

void ContainerPool::tick() {
  const SteadyTime now = with_.clock.steady_now();
  while (can_pause_ && !stopping_ && !unpaused_.empty() &&
         unpaused_.front().last_used + options_.pause_grace <= now) {
    pause(unpaused_.front());
  }
  while (!idle_.empty() && idle_.front().last_used + options_.idle_timeout <= now) {
    Container& oldest = idle_.front();
    if (oldest.slot->idle > options_.keep || stopping_) {
      remove(oldest, Event::kRemove, "idle for too long");
    } else {
      kept_.splice(kept_.end(), idle_, idle_.begin());
    }
  }
  while (!kept_.empty() && kept_.front().last_used + options_.keep_timeout <= now) {
    remove(kept_.front(), Event::kRemove, "kept for long enough");
  }
  follow_demand(now);
  expire_stock(now);
  for (auto next = retrying_.begin(); next != retrying_.end();) {
    ActionSlot& slot = *next++;
    if (slot.retry_at > now) continue;
    slot.retry_hook.unlink();
    update_needy(slot);
  }
  while (!undestroyed_.empty() && undestroyed_.front().destroy_again_at <= now) {
    destroy_if_unused(undestroyed_.front());
  }
  measure_queue(now);
  if (balance() < 0) settle_deficit();
  issue_planned();
  dispatch();
  for (SizeClass* size_class : prewarmed_classes_) ensure_prewarmed(*size_class);
  publish();
}

void ContainerPool::measure_queue(SteadyTime now) {
  const double passed = std::chrono::duration<double>(now - rate_at_).count();
  if (passed < 1) return;
  const auto moved = static_cast<double>(left_queue_ - left_before_);
  queue_rate_ = rate_at_ == SteadyTime() ? 0 : 0.5 * queue_rate_ + 0.5 * moved / passed;
  left_before_ = left_queue_;
  rate_at_ = now;
}

void ContainerPool::stop() {
  stopping_ = true;
  timer_.cancel();
}

void ContainerPool::close() {
  stop();
  closed_ = true;
  // What waits for an answer or a death may own, in the end, this pool: let go of it.
  for (Container& container : all_) {
    container.client.reset();
    container.on_death.clear();
  }
}

}  // namespace berth::container
