// SPDX-License-Identifier: Apache-2.0
// The Invoker of actions that Berth brings along: their kind is "builtin", and they are functions
// of berthd's own, which need no container. All others go to the next Invoker.
//
//   BuiltinInvoker builtins({.io = io, .next = pooled, ...});
//   builtins.add("whisk.system/utils/echo", [](const Invocation&, const json::object& arguments,
//                                              BuiltinDone done) { done(result_of(arguments)); });
//
// A durable one is marked before it runs, as one that goes to a container is. Belongs to one
// io_context that one thread runs; not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "activation/invoker.hpp"
#include "activation/outcome.hpp"
#include "base/clock.hpp"
#include "store/stores.hpp"
#include "store/work_store.hpp"

namespace berth::activation {

inline constexpr std::string_view kBuiltinKind = "builtin";

// Called once, on the io_context's thread, now or later.
using BuiltinDone = std::function<void(Response)>;
// Must not block.
using Builtin = std::function<void(const Invocation& invocation,
                                   const boost::json::object& arguments, BuiltinDone done)>;

// A result that is no error.
Response builtin_result(const boost::json::object& result);

// All must outlive it.
struct BuiltinDependencies {
  boost::asio::io_context& io;
  const Clock& clock;
  Invoker& next;
  store::ActivationStore& activations;
  store::WorkStore& work;
  // As those of the PooledInvoker; 0: as long as it likes.
  std::uint64_t max_response_bytes = 0;
  bool record_before_reply = false;
};

class BuiltinInvoker final : public Invoker {
 public:
  explicit BuiltinInvoker(BuiltinDependencies dependencies) : with_(dependencies) {}

  // Before the first invocation. `path` is that of the action.
  void add(std::string path, Builtin builtin) { builtins_[std::move(path)] = std::move(builtin); }

  Status invoke(Invocation invocation, OutcomeHandler handler) override;
  const Invocation* set_durable(std::string_view activation_id, bool durable) override {
    return with_.next.set_durable(activation_id, durable);
  }
  std::chrono::seconds retry_after() const override { return with_.next.retry_after(); }
  bool logs_pending(std::string_view activation_id) const override {
    return with_.next.logs_pending(activation_id);
  }
  void leave_waiting() override { with_.next.leave_waiting(); }
  boost::asio::awaitable<void> shut_down(SteadyTime deadline) override;

 private:
  struct Task;
  void run(const std::shared_ptr<Task>& task);
  void finish(const std::shared_ptr<Task>& task, Response response);

  const BuiltinDependencies with_;
  std::map<std::string, Builtin, std::less<>> builtins_;
  std::size_t running_ = 0;
  bool stopping_ = false;
};

}  // namespace berth::activation
