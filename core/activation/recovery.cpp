// SPDX-License-Identifier: Apache-2.0
#include "activation/recovery.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "activation/flow.hpp"
#include "activation/outcome.hpp"
#include "base/log.hpp"

namespace berth::activation {
namespace {

// The record of one that ends here. `action` may be null: it was deleted meanwhile.
entity::Activation make_record(const store::Work& work, const entity::ActionPtr& action,
                               std::int64_t now_ms) {
  entity::Activation record;
  record.activation_id = work.activation_id;
  record.namespace_name = work.namespace_name;
  record.namespace_uuid = work.namespace_uuid;
  record.subject = work.subject;
  record.path = work.path;
  record.name = work.path.substr(work.path.rfind('/') + 1);
  record.version = action ? action->version : "0.0.1";
  record.cause = work.cause;
  // When it ended nobody knows: it is told as having ended where it was last seen.
  record.start_ms = record.end_ms = work.started_ms != 0 ? work.started_ms : now_ms;
  Timing timing;
  timing.wait_ms = std::max<std::int64_t>(0, record.start_ms - work.received_ms);
  Trace trace;
  trace.transaction_id = work.transaction_id;
  trace.queue_us = timing.wait_ms * 1000;
  timing.trace = trace_json(trace);
  entity::Action unknown;
  if (!action) {
    const std::size_t slash = work.path.find('/');
    unknown.namespace_name = work.path.substr(0, slash);
    unknown.name = record.name;
    const std::string_view rest = std::string_view(work.path).substr(slash + 1);
    if (const std::size_t inner = rest.find('/'); inner != std::string_view::npos) {
      unknown.package = rest.substr(0, inner);
    }
    unknown.exec.kind = "unknown";
  }
  if (action && action->flow != entity::Flow::kNone) {
    record.annotations = flow_annotations(*action, work.cause.empty(), timing.wait_ms, 0);
  } else {
    record.annotations = annotations_json(action ? *action : unknown, timing, !work.cause.empty());
  }
  return record;
}

Counter& recovered(Metrics& metrics, const char* as) {
  return metrics.counter("berth_activations_recovered_total",
                         "Activations that an earlier berthd left, by what became of them",
                         {{"as", as}});
}

void set_response(entity::Activation& record, entity::Outcome outcome, std::string_view text) {
  Response response = whisk_error(text);
  record.outcome = outcome;
  record.result = std::move(response.result);
  record.size = response.size;
}

// Whether asking again may help.
bool is_passing(const Status& why) {
  return why.code() == StatusCode::kUnavailable || why.code() == StatusCode::kResourceExhausted ||
         why.code() == StatusCode::kDeadlineExceeded;
}

}  // namespace

Recovery::Recovery(const DurableDependencies& dependencies, const DurableOptions& options)
    : with_(dependencies),
      options_(options),
      resolver_(with_.entities),
      timer_(with_.io),
      store_retry_(options.store_retry),
      counters_{&recovered(with_.metrics, "run"), &recovered(with_.metrics, "interrupted"),
                &recovered(with_.metrics, "dropped")} {}

void Recovery::start() {
  if (with_.work.size() > 0) {
    log::info("invoker", "taking up what an earlier berthd left",
              {{"activations", fmt::to_string(with_.work.size())}});
  }
  read_page();
}

void Recovery::stop() {
  stopped_ = true;
  timer_.cancel();
  waiting_.clear();
}

void Recovery::read_page() {
  if (stopped_ || reading_ || at_end_) return;
  reading_ = true;
  with_.work.left_over(with_.io.get_executor(), after_,
                       [weak = weak_from_this()](Result<std::vector<store::Work>> page) {
                         if (const auto self = weak.lock()) self->got_page(std::move(page));
                       });
}

void Recovery::got_page(Result<std::vector<store::Work>> page) {
  reading_ = false;
  if (stopped_) return;
  if (!page) {
    log::error("invoker", "what an earlier berthd left could not be read; trying again",
               {{"reason", page.error().to_string()}});
    return try_later(store_retry());
  }
  store_retry_ = options_.store_retry;
  at_end_ = page->empty();
  for (store::Work& work : *page) {
    after_ = work.sequence;
    waiting_.push_back(std::make_shared<store::Work>(std::move(work)));
  }
  pump();
}

void Recovery::pump() {
  while (!stopped_ && !resting_ && !waiting_.empty() && under_way_ < options_.max_recovering) {
    std::shared_ptr<store::Work> work = std::move(waiting_.front());
    waiting_.pop_front();
    ++under_way_;
    resume(std::move(work));
  }
  if (stopped_ || resting_ || !waiting_.empty()) return;
  if (!at_end_) return read_page();
  if (under_way_ == 0) report();
}

void Recovery::resume(std::shared_ptr<store::Work> work) {
  std::optional<entity::Identity> user = with_.auth.find_namespace(work->namespace_name);
  if (!user || user->namespace_uuid != work->namespace_uuid) {
    // A namespace goes with all that is its own.
    with_.work.withdraw(work->activation_id);
    return finished(kDropped);
  }
  if (!work->subject.empty()) user->subject = work->subject;
  // By the way it was reached, for the parameters that are given to /init.
  ActionName name = split_action_path(work->path);
  if (!work->binding.empty()) {
    const ActionName binding = split_action_path(work->binding);
    name.namespace_name = binding.namespace_name;
    name.package = binding.name;
  }
  resolver_.resolve(
      with_.io.get_executor(), name, work->namespace_name,
      [weak = weak_from_this(), work, user = std::move(*user)](Result<entity::ActionPtr> action) {
        const auto self = weak.lock();
        if (!self || self->stopped_) return;
        if (!action && is_passing(action.error())) {
          // The store may answer later.
          log::warn("invoker", "an action could not be read; trying again",
                    {{"action", work->path}, {"reason", action.error().to_string()}});
          self->waiting_.push_front(work);
          --self->under_way_;
          return self->try_later(self->store_retry());
        }
        self->store_retry_ = self->options_.store_retry;
        const entity::ActionPtr found = action ? *action : nullptr;
        if (work->started_ms != 0) return self->interrupt(work, found);
        if (found && !work->unreadable) return self->run(work, found, user);
        entity::Activation record = make_record(*work, found, self->with_.clock.wall_ms());
        if (found) {
          set_response(record, entity::Outcome::kWhiskError, kArgumentsUnreadable);
        } else if (action.error().code() == StatusCode::kNotFound ||
                   action.error().code() == StatusCode::kPermissionDenied) {
          set_response(record, entity::Outcome::kApplicationError, kActionGone);
        } else {
          // It will be as unreadable the next time: who waits for a record gets one.
          log::error("invoker", "an action cannot be read: what was to run of it does not",
                     {{"action", work->path},
                      {"activation", work->activation_id},
                      {"reason", action.error().to_string()}});
          set_response(record, entity::Outcome::kWhiskError, kActionUnreadable);
        }
        self->record(std::move(record), kDropped);
      });
}

void Recovery::run(const std::shared_ptr<store::Work>& work, const entity::ActionPtr& action,
                   const entity::Identity& user) {
  Invocation invocation;
  invocation.transaction_id = work->transaction_id;
  invocation.activation_id = work->activation_id;
  invocation.user = user;
  invocation.action = action;
  invocation.arguments = work->arguments;
  invocation.cause = work->cause;
  invocation.received_ms = work->received_ms;
  invocation.durable = true;
  const Status status =
      with_.next.invoke(std::move(invocation), [weak = weak_from_this()](const auto&) {
        const auto self = weak.lock();
        if (self) self->finished(kRun);
      });
  if (status.ok()) return;
  // Full: in its turn again. Stopping: stop() has been called, or will be.
  waiting_.push_front(work);
  --under_way_;
  try_later(options_.retry);
}

void Recovery::interrupt(const std::shared_ptr<store::Work>& work,
                         const entity::ActionPtr& action) {
  entity::Activation record = make_record(*work, action, with_.clock.wall_ms());
  set_response(record, entity::Outcome::kWhiskError, kInterruptedByCrash);
  log::warn("invoker", "activation was interrupted by the end of an earlier berthd",
            {{"transaction", work->transaction_id},
             {"activation", work->activation_id},
             {"action", work->path}});
  this->record(std::move(record), kInterrupted);
}

void Recovery::record(entity::Activation record, As as) {
  // Without waiting: what the store cannot take now it takes later, and the row stays until then.
  with_.activations.put_later(std::move(record));
  finished(as);
}

void Recovery::finished(As as) {
  ++count_[as];
  counters_[as]->add();
  --under_way_;
  // Not from inside pump(): a long page would nest deeply.
  boost::asio::post(with_.io, [weak = weak_from_this()] {
    if (const auto self = weak.lock()) self->pump();
  });
}

std::chrono::milliseconds Recovery::store_retry() {
  return std::exchange(store_retry_, std::min(store_retry_ * 2, options_.store_retry_max));
}

void Recovery::try_later(std::chrono::milliseconds after) {
  if (stopped_ || std::exchange(resting_, true)) return;
  timer_.expires_after(after);
  timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& error) {
    const auto self = weak.lock();
    if (error || !self) return;
    self->resting_ = false;
    self->pump();
  });
}

void Recovery::report() {
  if (std::exchange(done_, true)) return;
  if (count_[kRun] + count_[kInterrupted] + count_[kDropped] == 0) return;
  log::info("invoker", "took up what an earlier berthd left",
            {{"ran", fmt::to_string(count_[kRun])},
             {"interrupted", fmt::to_string(count_[kInterrupted])},
             {"dropped", fmt::to_string(count_[kDropped])}});
}

}  // namespace berth::activation
