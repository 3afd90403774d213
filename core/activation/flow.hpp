// SPDX-License-Identifier: Apache-2.0
// One sequence or composition on its way through the Composer: what both have in common. Private to
// it; not thread-safe.
#pragma once

#include <boost/asio/steady_timer.hpp>
#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "activation/composer.hpp"
#include "activation/outcome.hpp"
#include "entity/arguments.hpp"

namespace berth::activation {

// What flows within one another use up together.
struct FlowAccount {
  std::size_t actions = 0;     // of a sequence and the sequences in it
  std::size_t components = 0;  // of a composition and the compositions in it
  std::size_t conductors = 0;
};

class Flow : public boost::intrusive::list_base_hook<>, public std::enable_shared_from_this<Flow> {
 public:
  // One that nothing caused: `handler` gets its outcome.
  Flow(std::shared_ptr<FlowContext> context, Invocation invocation, OutcomeHandler handler);
  // A step of `parent`. `account` null: its own.
  Flow(std::shared_ptr<Flow> parent, Invocation invocation, std::shared_ptr<FlowAccount> account);
  virtual ~Flow();

  // Tells that it is taken, marks its row if it has one, and begins.
  void start();
  // Ends it now as interrupted.
  void interrupt();
  // Forgets it, without outcome: the Composer is being destroyed, or the next start runs it.
  void drop();
  // Its caller stops waiting: what it starts from now on is to be durable, too.
  void set_durable(bool durable) { durable_ = durable; }

  const Invocation& invocation() const { return invocation_; }
  // Whether the next start would run it: its row does not say "started".
  bool can_be_left() const { return invocation_.durable && !marked_; }
  // The same, and none is being written that does.
  bool waits_for_room() const { return can_be_left() && !marking_; }

 protected:
  // What a step came to.
  struct Step {
    entity::Outcome outcome = entity::Outcome::kSuccess;
    std::string result;  // JSON text, an object or an array
    std::uint64_t size = 0;
  };

  virtual void begin() = 0;
  virtual void step_ended(Step step) = 0;
  // Told a step's action, or why there is none.
  virtual void resolved(Result<entity::ActionPtr> action) = 0;

  // Asks for the action of the next step, for resolved().
  void resolve(std::string path);
  // Runs `action` in a container, whatever it is, with `payload` over its parameters; then
  // step_ended().
  void run_action(const entity::ActionPtr& action, std::string_view payload);
  // Runs `action` as what it is. `account`: what a flow of its own kind shares.
  void run_step(const entity::ActionPtr& action, std::string payload,
                std::shared_ptr<FlowAccount> account);
  void finish(Response response);

  const entity::Action& action() const { return *invocation_.action; }
  FlowContext& context() const { return *context_; }
  const std::shared_ptr<FlowAccount>& account() const { return account_; }
  // The most memory that a step had, in MB; 0: none was there yet.
  std::int64_t memory_mb_ = 0;

 private:
  void link();
  void leave();
  void mark();
  void marked(const Result<void>& result);
  void invoke_step(Invocation step);
  void run_flow(const entity::ActionPtr& action, std::string payload,
                std::shared_ptr<FlowAccount> account);
  Invocation make_step(const entity::ActionPtr& action, std::string arguments);
  // Calls `run` when the step's row is on disk, if it is to have one.
  void keep_step(Invocation step, std::function<void(Invocation)> run);
  void took_step(Step step, std::int64_t duration_ms, std::int64_t memory_mb);
  entity::Activation make_record(Response response) const;

  const std::shared_ptr<FlowContext> context_;
  Invocation invocation_;
  OutcomeHandler handler_;
  const std::shared_ptr<Flow> parent_;
  const std::shared_ptr<FlowAccount> account_;
  const std::size_t depth_;
  std::shared_ptr<Flow> self_;  // while it has no outcome
  boost::asio::steady_timer retry_;
  std::chrono::milliseconds retry_after_;
  std::vector<std::string> steps_;  // activation ids
  std::int64_t start_ms_ = 0;
  std::int64_t duration_ms_ = 0;
  bool durable_ = false;
  bool marking_ = false;  // the store is asked
  bool marked_ = false;
  bool finished_ = false;
};

// A flow by what its action is.
std::shared_ptr<Flow> make_flow(std::shared_ptr<FlowContext> context, Invocation invocation,
                                OutcomeHandler handler);
std::shared_ptr<Flow> make_inner_flow(std::shared_ptr<Flow> parent, Invocation invocation,
                                      std::shared_ptr<FlowAccount> account);

// What a Flow uses; outlives it.
struct FlowContext {
  FlowContext(ComposerDependencies the_dependencies, ComposerOptions the_options);

  // Whether another flow of that namespace is taken.
  bool has_room(const std::string& namespace_name) const;

  const ComposerDependencies with;
  const ComposerOptions options;
  entity::DefaultsCache defaults;
  Counter* outcomes[4];
  Counter& steps;
  Gauge& in_flight;
  bool stopping = false;
  boost::intrusive::list<Flow> flows;  // without an outcome; inner ones after outer ones
  std::unordered_map<std::string, std::size_t> by_namespace;  // how many of them; none is not there
  std::size_t writing = 0;  // records on their way to the disk before their reply
};

// The annotations of a flow's record as JSON text.
std::string flow_annotations(const entity::Action& action, bool topmost, std::int64_t wait_ms,
                             std::int64_t memory_mb);

}  // namespace berth::activation
