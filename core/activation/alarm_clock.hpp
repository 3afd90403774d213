// SPDX-License-Identifier: Apache-2.0
// The clock behind the feeds of /whisk.system/alarms: it keeps what they are told in the AlarmStore
// and has triggers fired when their time has come.
//
// Each ring is on disk as done before its trigger is fired: a crash in between loses one ring and
// repeats none. A trigger that is to go with its alarm is deleted once it has been fired, also
// after a crash in between. What should have rung while Berth was not running rings once, when it
// starts.
//
//   AlarmClock clock({.io = io, .alarms = store.alarms(), .fire = ...});
//   builtins.add("whisk.system/alarms/alarm", clock.feed(AlarmKind::kCron));
//   clock.start();
//
// Belongs to one io_context that one thread runs; not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "activation/alarm_schedule.hpp"
#include "activation/builtin_invoker.hpp"
#include "base/clock.hpp"
#include "store/alarm_store.hpp"

namespace berth::activation {

// Fires the trigger "ns/name" with a JSON object. NOT_FOUND, FAILED_PRECONDITION: there is no such
// trigger any more, or something else has its name; its alarm is taken away then.
using FireTrigger = std::function<void(const std::string& trigger, std::string payload,
                                       std::function<void(const Status&)> done)>;

// Whether there is a trigger "ns/name": OK, NOT_FOUND, FAILED_PRECONDITION as above.
using FindTrigger =
    std::function<void(const std::string& trigger, std::function<void(const Status&)> done)>;
// Deletes the trigger "ns/name", if it is there; with the rules that it has if `and_rules`.
using DeleteTrigger = std::function<void(const std::string& trigger, bool and_rules,
                                         std::function<void(const Status&)> done)>;
// The uuid of the namespace that has the name now; empty: none. Alarms of one with another uuid are
// those of a deleted namespace: they ring no more and nobody is shown them.
using FindOwner = std::function<std::string(const std::string& namespace_name)>;

// All must outlive it; the functions are called on the io_context's thread.
struct AlarmDependencies {
  boost::asio::io_context& io;
  const Clock& clock;
  store::AlarmStore& alarms;
  FireTrigger fire;
  FindTrigger find_trigger;
  DeleteTrigger delete_trigger;
  FindOwner owner;
  std::size_t max_per_namespace = 1000;
};

class AlarmClock {
 public:
  explicit AlarmClock(AlarmDependencies dependencies);
  ~AlarmClock();
  AlarmClock(const AlarmClock&) = delete;
  AlarmClock& operator=(const AlarmClock&) = delete;

  // Reads what was kept and begins to ring.
  void start();
  // Rings no more, but for what is on disk as rung already; feeds are answered on.
  void stop();

  // The action of a feed: CREATE, READ, UPDATE, PAUSE, UNPAUSE and DELETE of the alarm of a trigger
  // of the caller's own namespace. Before what was kept is read all of them fail as by our fault.
  Builtin feed(AlarmKind kind);

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace berth::activation
