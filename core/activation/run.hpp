// SPDX-License-Identifier: Apache-2.0
// One activation on its way through the Invoker. Private to it; not thread-safe.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <memory>
#include <optional>

#include "activation/no_room.hpp"
#include "activation/outcome.hpp"
#include "activation/pooled_invoker.hpp"
#include "container/container_pool.hpp"

namespace berth::activation {

struct RunMetrics {
  explicit RunMetrics(Metrics& metrics);
  Histogram& queue_seconds;
  Histogram& mark_seconds;
  Histogram& init_seconds;
  Histogram& run_seconds;
  Counter* outcomes[4];
  Counter& rescheduled;
  Counter& lost_records;
  Gauge& in_flight;
};

struct RunContext;

class Run final : public container::Waiter,
                  public boost::intrusive::list_base_hook<>,
                  public std::enable_shared_from_this<Run> {
 public:
  Run(std::shared_ptr<RunContext> context, Invocation invocation, OutcomeHandler handler);
  ~Run();

  // Asks the pool. Not OK: it was not accepted.
  Status start();
  // Ends it now as interrupted, wherever it stands.
  void interrupt();
  // Forgets it, without outcome: the Invoker is being destroyed, or the next start runs it.
  void drop();
  const Invocation& invocation() const { return invocation_; }
  // False: something may have been sent.
  bool set_durable(bool durable);
  // Takes its place in the pool's queue again, after its row could not be marked.
  void wait_again();
  // Whether the next start would run it: nothing was sent, and its row says so.
  bool can_be_left() const { return invocation_.durable && !sent_; }
  // The same, and it has no container: its row does not say "started", and none is being written
  // that does.
  bool waits_durably() const { return can_be_left() && !lease_; }

  void on_lease(container::Lease lease) override;
  void on_start_failed(const Status& why) override;

 private:
  container::Caller caller() const;
  std::chrono::milliseconds timeout() const;
  Status check_limits() const;
  void refuse(const Status& why);
  void taken();
  void take_back();
  void mark_started();
  void marked(Result<void> result);
  void proceed();
  void begin_logs();
  void send_init();
  void got_init(container::Reply reply);
  void send_run();
  void got_run(container::Reply reply);
  // Whether the work may go to another container, and if so, sends it there.
  bool reschedule(const container::Reply& reply, bool connect_counts);
  // Calls `then` when it is known whether the container died and of what, or nobody will say.
  void learn_of_death(std::function<void()> then);
  ReplyContext reply_context() const;
  void finish(Response response, LogEnd logs_end = LogEnd::kNormal);
  entity::Activation make_record(Response response);
  void leave();

  const std::shared_ptr<RunContext> context_;
  Invocation invocation_;
  OutcomeHandler handler_;
  container::Lease lease_;
  LogCollector::Ticket logs_;
  std::shared_ptr<Run> self_;  // while it has no outcome
  std::string trace() const;
  void log_outcome(const entity::Activation& record) const;

  SteadyTime accepted_at_;
  SteadyTime leased_at_;  // of the last lease
  std::optional<std::chrono::nanoseconds> marking_;
  std::string container_name_;
  container::StartKind start_kind_ = container::StartKind::kCold;
  std::optional<container::Reply> init_;  // without its body
  std::optional<container::Reply> run_;
  std::int64_t wait_until_ms_ = 0;  // wall time at which the waiting ended
  bool waited_ = false;
  bool finished_ = false;
  bool learning_ = false;
  bool sent_ = false;  // something may have been sent to a container
  std::uint32_t reschedules_ = 0;
};

// What a Run uses; outlives it.
struct RunContext {
  RunContext(const InvokerDependencies& the_dependencies, const InvokerOptions& the_options);

  const InvokerDependencies with;
  const InvokerOptions options;
  std::shared_ptr<container::ContainerPool> pool;
  LogCollector logs;
  RunMetrics metrics;
  bool stopping = false;
  bool leaving = false;  // nothing durable waits for another chance any more

  boost::intrusive::list<Run> runs;  // in the order of acceptance; those without an outcome
  std::size_t running = 0;
  std::size_t writing = 0;  // records on their way to the disk before their reply
  NoRoom no_room;           // durable ones while rows cannot be marked
};

}  // namespace berth::activation
