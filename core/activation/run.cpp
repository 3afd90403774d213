// SPDX-License-Identifier: Apache-2.0
#include "activation/run.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <utility>

#include "activation/record.hpp"
#include "base/log.hpp"
#include "entity/namespace_limits.hpp"

namespace berth::activation {
namespace {

using container::Reply;
using container::StartKind;

constexpr int kShuttingDown = 503;

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

std::int64_t milliseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(time).count();
}

Histogram& phase(Metrics& metrics, const char* name) {
  return metrics.histogram("berth_activation_phase_seconds", "Time of activations by phase",
                           {{"phase", name}});
}

}  // namespace

RunMetrics::RunMetrics(Metrics& metrics)
    : queue_seconds(phase(metrics, "queue")),
      mark_seconds(phase(metrics, "mark")),
      init_seconds(phase(metrics, "init")),
      run_seconds(phase(metrics, "run")),
      rescheduled(metrics.counter("berth_activation_rescheduled_total",
                                  "Activations given another container before anything was sent")),
      lost_records(metrics.counter("berth_activation_lost_records_total",
                                   "Activation records that could not be stored")),
      in_flight(
          metrics.gauge("berth_activations_in_flight", "Accepted activations without outcome")) {
  for (int i = 0; i < 4; ++i) {
    std::string outcome(entity::to_string(static_cast<entity::Outcome>(i)));
    for (char& c : outcome) {
      if (c == ' ') c = '_';
    }
    outcomes[i] = &metrics.counter("berth_activations_total", "Finished activations by outcome",
                                   {{"outcome", outcome}});
  }
}

RunContext::RunContext(const InvokerDependencies& the_dependencies,
                       const InvokerOptions& the_options)
    : with(the_dependencies),
      options(the_options),
      pool(container::ContainerPool::make(
          {with.io, with.clock, with.metrics, with.factory, with.manifest, with.ledger, with.wires},
          options.pool)),
      logs({with.io, with.clock, with.metrics, with.factory, with.logs}, options.logs),
      metrics(with.metrics),
      no_room(with.io, options.mark_retry, options.mark_retry_max) {}

Run::Run(std::shared_ptr<RunContext> context, Invocation invocation, OutcomeHandler handler)
    : context_(std::move(context)),
      invocation_(std::move(invocation)),
      handler_(std::move(handler)) {
  action = invocation_.action;
  user = &invocation_.user;
  transaction_id = invocation_.transaction_id;
}

Run::~Run() = default;

Status Run::start() {
  accepted_at_ = context_->with.clock.steady_now();
  self_ = shared_from_this();
  context_->runs.push_back(*this);
  ++context_->running;
  context_->metrics.in_flight.add(1);
  if (const Status within = check_limits(); !within.ok()) {
    taken();
    boost::asio::post(context_->with.io, [run = self_, within] { run->refuse(within); });
    return {};
  }
  const Status status =
      invocation_.step ? context_->pool->acquire_again(*this) : context_->pool->acquire(*this);
  if (status.ok()) {
    taken();
    return status;
  }
  if (status.code() == StatusCode::kResourceExhausted ||
      status.code() == StatusCode::kUnavailable) {
    leave();
    return status;
  }
  // It was accepted all the same: what is wrong is the record's to tell.
  taken();
  boost::asio::post(context_->with.io, [run = self_, status] {
    if (!run->finished_) run->on_start_failed(status);
  });
  return {};
}

Status Run::check_limits() const {
  const std::optional<entity::LimitBounds>& bounds = context_->options.bounds;
  if (!bounds) return {};
  const entity::Limits& wanted = invocation_.action->limits;
  const entity::NamespaceLimits* own = invocation_.user.limits.get();
  return own == nullptr ? entity::check_limits(wanted, *bounds)
                        : entity::check_limits(wanted, entity::narrow(*bounds, own));
}

void Run::refuse(const Status& why) {
  if (finished_) return;
  wait_until_ms_ = context_->with.clock.wall_ms();
  finish(application_error(why.message()));
}

void Run::taken() {
  const auto tell = std::exchange(invocation_.on_taken, nullptr);
  if (!tell) return;
  tell(invocation_, [weak = weak_from_this()] {
    if (const auto run = weak.lock()) run->take_back();
  });
}

void Run::take_back() {
  if (!finished_ && !sent_) drop();
}

bool Run::set_durable(bool durable) {
  if (finished_ || sent_ || context_->with.work == nullptr) return false;
  invocation_.durable = durable;
  return true;
}

void Run::leave() {
  finished_ = true;
  if (is_linked()) {
    context_->runs.erase(context_->runs.iterator_to(*this));
    --context_->running;
    context_->metrics.in_flight.add(-1);
  }
  const std::shared_ptr<Run> last = std::move(self_);
}

container::Caller Run::caller() const {
  return {*invocation_.action, invocation_.user, invocation_.activation_id,
          invocation_.transaction_id};
}

std::chrono::milliseconds Run::timeout() const {
  return std::chrono::milliseconds(invocation_.action->limits.timeout_ms);
}

void Run::on_lease(container::Lease lease) {
  taken();
  lease_ = std::move(lease);
  leased_at_ = context_->with.clock.steady_now();
  container_name_ = lease_.container_name();
  start_kind_ = lease_.kind();
  if (!std::exchange(waited_, true)) {
    context_->metrics.queue_seconds.observe(seconds(leased_at_ - accepted_at_));
  }
  wait_until_ms_ = context_->with.clock.wall_ms();
  if (can_be_left() && context_->with.work != nullptr) {
    mark_started();
  } else {
    proceed();
  }
}

void Run::mark_started() {
  context_->with.work->start(
      context_->with.io.get_executor(), invocation_.activation_id, wait_until_ms_,
      [run = shared_from_this()](Result<void> result) { run->marked(std::move(result)); });
}

void Run::marked(Result<void> result) {
  if (finished_) return;
  if (result) {
    marking_ = context_->with.clock.steady_now() - leased_at_;
    context_->metrics.mark_seconds.observe(seconds(*marking_));
    context_->no_room.marked();
    return proceed();
  }
  const bool no_row = result.error().code() == StatusCode::kNotFound;
  if (no_row && invocation_.blocking) {
    // It was to be kept for a caller who stops waiting, and could not be: he waits on.
    invocation_.durable = false;
    return proceed();
  }
  log::debug("invoker", "activation not started",
             {{"transaction", invocation_.transaction_id},
              {"activation", invocation_.activation_id},
              {"reason", result.error().to_string()}});
  // It was not accepted, or the store is closing and the next start runs it.
  if (no_row || context_->leaving) return drop();
  lease_.give_back();
  context_->no_room.rest(shared_from_this());
}

void Run::wait_again() {
  if (finished_ || lease_) return;
  const Status status = context_->pool->acquire_again(*this);
  if (status.ok()) return;
  if (can_be_left()) return drop();
  on_start_failed(status);
}

void Run::proceed() {
  sent_ = true;
  if (lease_.client() == nullptr) {
    // It died while the mark was written: nothing was sent, so another one may take over.
    Reply gone;
    gone.exchange = http::Exchange::kConnectFailed;
    gone.start_ms = gone.end_ms = context_->with.clock.wall_ms();
    if (reschedule(gone, true)) return;
    run_ = std::move(gone);
    return finish(run_response(*run_, reply_context()));
  }
  begin_logs();
  if (lease_.needs_init()) {
    send_init();
  } else {
    send_run();
  }
}

void Run::begin_logs() {
  const entity::Action& what = *invocation_.action;
  plugin::ActivationRef ref;
  ref.activation_id = invocation_.activation_id;
  ref.namespace_name = invocation_.user.namespace_name;
  ref.namespace_id = invocation_.user.namespace_uuid;
  ref.action = what.path();
  ref.container_id = lease_.container_id();
  ref.start_ms = wait_until_ms_;
  logs_ = context_->logs.begin(std::move(ref),
                               static_cast<std::uint64_t>(what.limits.logs_mb) * 1024 * 1024,
                               lease_.sentinelled(), lease_.hold());
}

void Run::on_start_failed(const Status& why) {
  wait_until_ms_ = context_->with.clock.wall_ms();
  log::info("invoker", "activation without a container",
            {{"transaction", invocation_.transaction_id},
             {"activation", invocation_.activation_id},
             {"action", invocation_.action->path()},
             {"reason", why.to_string()}});
  finish(start_failed_response(why, invocation_.action->exec.image));
}

void Run::send_init() {
  // A container made for this activation may not listen yet; one that stood prewarmed has listened.
  const bool fresh = lease_.kind() != StartKind::kPrewarmed;
  lease_.client()->init(caller(), timeout(), fresh, [run = shared_from_this()](Reply reply) {
    run->got_init(std::move(reply));
  });
}

void Run::got_init(Reply reply) {
  if (finished_) return;
  context_->metrics.init_seconds.observe(seconds(reply.interval));
  if (reply.ok()) {
    reply.body.clear();
    init_ = std::move(reply);
    lease_.initialised();
    if (lease_.client() != nullptr) {
      send_run();
      return;
    }
    // It died after its answer.
    Reply gone;
    gone.start_ms = gone.end_ms = context_->with.clock.wall_ms();
    got_run(std::move(gone));
    return;
  }
  const bool stale = lease_.kind() == StartKind::kPrewarmed;
  if (reschedule(reply, stale)) return;
  init_ = std::move(reply);
  learn_of_death([this] { finish(init_response(*init_, reply_context())); });
}

void Run::send_run() {
  lease_.client()->run(caller(), invocation_.arguments, timeout(),
                       [run = shared_from_this()](Reply reply) { run->got_run(std::move(reply)); });
}

void Run::got_run(Reply reply) {
  if (finished_) return;
  context_->metrics.run_seconds.observe(seconds(reply.interval));
  if (reschedule(reply, lease_.kind() == StartKind::kWarm)) return;
  run_ = std::move(reply);
  if (run_->exchange == http::Exchange::kResponse || run_->timed_out) {
    finish(run_response(*run_, reply_context()));
    return;
  }
  learn_of_death([this] { finish(run_response(*run_, reply_context())); });
}

bool Run::reschedule(const Reply& reply, bool connect_counts) {
  const bool refused = reply.nothing_sent() && connect_counts;
  const bool leaving = reply.exchange == http::Exchange::kResponse && !reply.timed_out &&
                       reply.status == kShuttingDown;
  if ((!refused && !leaving) || reschedules_ >= context_->options.max_reschedules ||
      context_->stopping) {
    return false;
  }
  ++reschedules_;
  context_->metrics.rescheduled.add();
  log::debug("invoker", "the container was gone; trying another one",
             {{"transaction", invocation_.transaction_id},
              {"activation", invocation_.activation_id},
              {"container", lease_.container_name()},
              {"reason", reply.error}});
  context_->logs.cancel(logs_);
  logs_.reset();
  lease_.release(false);
  init_.reset();
  const Status status = context_->pool->acquire_again(*this);
  if (!status.ok()) on_start_failed(status);
  return true;
}

void Run::learn_of_death(std::function<void()> then) {
  const bool broken = (run_ ? *run_ : *init_).exchange == http::Exchange::kBroken ||
                      (run_ ? *run_ : *init_).exchange == http::Exchange::kConnectFailed;
  if (!broken || lease_.death()) return then();
  learning_ = true;
  const auto timer = std::make_shared<boost::asio::steady_timer>(context_->with.io);
  const auto go_on = [run = shared_from_this(), then = std::move(then)] {
    if (!std::exchange(run->learning_, false) || run->finished_) return;
    then();
  };
  lease_.on_death([go_on, timer] {
    timer->cancel();
    go_on();
  });
  timer->expires_after(context_->options.death_wait);
  timer->async_wait([go_on, timer](const boost::system::error_code& error) {
    if (!error) go_on();
  });
}

ReplyContext Run::reply_context() const {
  ReplyContext known;
  known.timeout_ms = invocation_.action->limits.timeout_ms;
  known.max_response_bytes = context_->options.pool.max_response_bytes;
  known.out_of_memory = lease_ && lease_.death() && lease_.death()->oom;
  known.memory_mb = invocation_.action->limits.memory_mb;
  return known;
}

entity::Activation Run::make_record(Response response) {
  const entity::Action& what = *invocation_.action;
  entity::Activation record = record_of(invocation_);

  Timing timing;
  const std::int64_t init_ms = init_ ? milliseconds(init_->interval) : 0;
  if (run_) {
    record.start_ms = run_->start_ms - init_ms;
    record.end_ms = run_->end_ms;
    record.duration_ms = init_ms + milliseconds(run_->interval);
    timing.timed_out = run_->timed_out;
  } else if (init_) {
    record.start_ms = init_->start_ms;
    record.end_ms = init_->end_ms;
    record.duration_ms = init_ms;
    timing.timed_out = init_->timed_out;
  } else {
    record.start_ms = record.end_ms = context_->with.clock.wall_ms();
    // Interrupted in the middle.
    if (lease_) record.start_ms = wait_until_ms_;
    record.duration_ms = record.end_ms - record.start_ms;
  }
  if (init_) timing.init_ms = init_ms;
  const std::int64_t waited_until = wait_until_ms_ != 0 ? wait_until_ms_ : record.start_ms;
  timing.wait_ms = std::max<std::int64_t>(0, waited_until - invocation_.received_ms);
  timing.trace = trace();
  record.annotations = annotations_json(what, timing, !invocation_.cause.empty());
  record.outcome = response.outcome;
  record.result = std::move(response.result);
  record.size = response.size;
  return record;
}

std::string Run::trace() const {
  const auto microseconds = [](std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
  };
  Trace trace;
  trace.transaction_id = invocation_.transaction_id;
  trace.container = container_name_;
  trace.start = container::to_string(start_kind_);
  const bool leased = leased_at_ != SteadyTime();
  trace.queue_us =
      microseconds((leased ? leased_at_ : context_->with.clock.steady_now()) - accepted_at_);
  if (marking_) trace.mark_us = microseconds(*marking_);
  if (init_) trace.init_us = microseconds(init_->interval);
  if (run_) trace.run_us = microseconds(run_->interval);
  trace.reschedules = reschedules_;
  return trace_json(trace);
}

void Run::log_outcome(const entity::Activation& record) const {
  const bool ours = record.outcome == entity::Outcome::kWhiskError;
  if (!ours && !log::enabled(log::Level::kDebug)) return;
  const std::string milliseconds_text = fmt::to_string(record.duration_ms);
  const std::initializer_list<log::Field> fields = {
      {"transaction", invocation_.transaction_id},
      {"activation", record.activation_id},
      {"namespace", record.namespace_name},
      {"action", record.path},
      {"outcome", to_string(record.outcome)},
      {"container", container_name_},
      {"ms", milliseconds_text},
      {"result", ours ? std::string_view(record.result) : std::string_view()}};
  if (ours) {
    log::warn("invoker", "activation ended by an error of ours", fields);
  } else {
    log::debug("invoker", "activation ended", fields);
  }
}

void Run::finish(Response response, LogEnd logs_end) {
  const std::shared_ptr<Run> keep = shared_from_this();
  if (finished_) return;
  const entity::Outcome outcome = response.outcome;
  entity::Activation record = make_record(std::move(response));
  const std::int64_t start_ms = record.start_ms;
  const std::int64_t end_ms = record.end_ms;
  const bool fit =
      outcome == entity::Outcome::kSuccess || outcome == entity::Outcome::kApplicationError;
  RunContext& context = *context_;
  context.metrics.outcomes[static_cast<int>(outcome)]->add();
  log_outcome(record);
  leave();

  OutcomeHandler handler = std::move(handler_);
  store::ActivationStore& store = context.with.activations;
  if (context.options.record_before_reply && invocation_.blocking) {
    ++context.writing;
    auto shared = std::make_shared<const entity::Activation>(record);
    store.put(context.with.io.get_executor(), std::move(record),
              [context = context_, handler = std::move(handler), shared](Result<void> stored) {
                --context->writing;
                if (!stored && stored.error().code() == StatusCode::kResourceExhausted) {
                  // There may be room later, and the caller need not wait for it.
                  context->with.activations.put_later(*shared);
                } else if (!stored) {
                  context->metrics.lost_records.add();
                  log::error("invoker", "an activation's record could not be stored",
                             {{"activation", shared->activation_id},
                              {"reason", stored.error().to_string()}});
                }
                if (handler) handler(*shared);
              });
  } else {
    if (handler) handler(record);
    store.put_later(std::move(record));
  }
  if (outcome == entity::Outcome::kDeveloperError) logs_end = LogEnd::kDeveloperError;
  context.logs.end(logs_, start_ms, end_ms, logs_end);
  logs_.reset();
  lease_.release(fit);
}

void Run::interrupt() {
  if (finished_) return;
  context_->pool->cancel(*this);
  if (wait_until_ms_ == 0) wait_until_ms_ = context_->with.clock.wall_ms();
  finish(whisk_error(kInterrupted), LogEnd::kInterrupted);
}

void Run::drop() {
  const std::shared_ptr<Run> keep = shared_from_this();
  handler_ = nullptr;
  context_->pool->cancel(*this);
  leave();
  if (!lease_) return;
  if (sent_) {
    lease_.release(false);
  } else {
    lease_.give_back();
  }
}

}  // namespace berth::activation
