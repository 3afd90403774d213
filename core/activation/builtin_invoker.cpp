// SPDX-License-Identifier: Apache-2.0
#include "activation/builtin_invoker.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/json/serialize.hpp>
#include <utility>

#include "activation/record.hpp"
#include "base/json.hpp"

namespace berth::activation {
namespace {

constexpr std::chrono::milliseconds kPoll{5};
constexpr std::size_t kMaxDepth = 1024;  // what was accepted is never too deep

}  // namespace

struct BuiltinInvoker::Task {
  Invocation invocation;
  OutcomeHandler handler;
  std::int64_t start_ms = 0;
};

Response builtin_result(const boost::json::object& result) {
  Response response;
  response.result = boost::json::serialize(result);
  response.size = response.result.size();
  return response;
}

Status BuiltinInvoker::invoke(Invocation invocation, OutcomeHandler handler) {
  if (invocation.action->exec.kind != kBuiltinKind) {
    return with_.next.invoke(std::move(invocation), std::move(handler));
  }
  if (stopping_) return sdk::unavailable("Berth is shutting down");
  const auto task = std::make_shared<Task>();
  task->invocation = std::move(invocation);
  task->handler = std::move(handler);
  ++running_;
  // A row that could not be written cannot be marked below: nothing is to be taken back.
  if (task->invocation.on_taken) task->invocation.on_taken(task->invocation, [] {});
  if (!task->invocation.durable) {
    boost::asio::post(with_.io, [this, task] { run(task); });
    return {};
  }
  with_.work.start(with_.io.get_executor(), task->invocation.activation_id, with_.clock.wall_ms(),
                   [this, task](const Result<void>& marked) {
                     if (marked) return run(task);
                     if (marked.error().code() == StatusCode::kNotFound) {
                       --running_;  // it was not accepted
                       return;
                     }
                     finish(task, whisk_error("The activation could not be marked as started."));
                   });
  return {};
}

void BuiltinInvoker::run(const std::shared_ptr<Task>& task) {
  task->start_ms = with_.clock.wall_ms();
  const auto builtin = builtins_.find(task->invocation.action->path());
  if (builtin == builtins_.end()) {
    return finish(task, whisk_error("This version of Berth has no such action of its own."));
  }
  const auto arguments = parse_json(task->invocation.arguments, kMaxDepth);
  if (!arguments || !arguments->is_object()) {
    return finish(task, application_error("An object is expected as argument."));
  }
  builtin->second(task->invocation, arguments->get_object(),
                  [this, task](Response response) { finish(task, std::move(response)); });
}

void BuiltinInvoker::finish(const std::shared_ptr<Task>& task, Response response) {
  const Invocation& invocation = task->invocation;
  if (with_.max_response_bytes != 0 && response.result.size() > with_.max_response_bytes) {
    response = too_long_response(std::move(response.result), with_.max_response_bytes);
  }
  entity::Activation record = record_of(invocation);
  record.end_ms = with_.clock.wall_ms();
  record.start_ms = task->start_ms != 0 ? task->start_ms : record.end_ms;
  record.duration_ms = record.end_ms - record.start_ms;
  record.outcome = response.outcome;
  record.result = std::move(response.result);
  record.size = response.size;
  Timing timing;
  timing.wait_ms = std::max<std::int64_t>(0, record.start_ms - invocation.received_ms);
  record.annotations = annotations_json(*invocation.action, timing, !record.cause.empty());
  OutcomeHandler handler = std::move(task->handler);
  if (!with_.record_before_reply || !invocation.blocking) {
    --running_;
    if (handler) handler(record);
    return with_.activations.put_later(std::move(record));
  }
  auto shared = std::make_shared<const entity::Activation>(record);
  with_.activations.put(with_.io.get_executor(), std::move(record),
                        [this, handler = std::move(handler), shared](const Result<void>& stored) {
                          --running_;
                          // There may be room later, and the caller need not wait for it.
                          if (!stored) with_.activations.put_later(*shared);
                          if (handler) handler(*shared);
                        });
}

boost::asio::awaitable<void> BuiltinInvoker::shut_down(SteadyTime deadline) {
  stopping_ = true;
  boost::asio::steady_timer timer(with_.io);
  while (running_ > 0 && with_.clock.steady_now() < deadline) {
    timer.expires_after(kPoll);
    co_await timer.async_wait(boost::asio::use_awaitable);
  }
  co_await with_.next.shut_down(deadline);
}

}  // namespace berth::activation
