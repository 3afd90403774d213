// SPDX-License-Identifier: Apache-2.0
// The clock behind the feeds of /whisk.system/alarms: it keeps what they are told in the AlarmStore
// and has triggers fired when their time has come.
//
// Each ring is on disk as done before its trigger is fired: a crash in between loses one ring and
// repeats none. What should have rung while Berth was not running rings once, when it starts.
//
//   AlarmClock clock({.io = io, .alarms = store.alarms(), .fire = ...});
//   builtins.add("whisk.system/alarms/alarm", clock.feed(AlarmKind::kCron));
//   clock.start();
//
// Belongs to one io_context that one thread runs; not thread-safe.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/json/object.hpp>
#include <functional>
#include <memory>
#include <string>

#include "activation/alarm_schedule.hpp"
#include "activation/builtin_invoker.hpp"
#include "base/clock.hpp"
#include "store/alarm_store.hpp"

namespace berth::activation {

// Fires the trigger "ns/name" with a JSON object. NOT_FOUND: there is no such trigger any more.
using FireTrigger = std::function<void(const std::string& trigger, std::string payload,
                                       std::function<void(const Status&)> done)>;

// All must outlive it.
struct AlarmDependencies {
  boost::asio::io_context& io;
  const Clock& clock;
  store::AlarmStore& alarms;
  FireTrigger fire;
};

class AlarmClock {
 public:
  explicit AlarmClock(AlarmDependencies dependencies);
  ~AlarmClock();
  AlarmClock(const AlarmClock&) = delete;
  AlarmClock& operator=(const AlarmClock&) = delete;

  // Reads what was kept and begins to ring.
  void start();
  // Rings no more; feeds are answered on.
  void stop();

  // The action of a feed: CREATE, READ, UPDATE, PAUSE, UNPAUSE and DELETE of the alarm of a trigger
  // of the caller's own namespace.
  Builtin feed(AlarmKind kind);

 private:
  class Impl;
  const std::shared_ptr<Impl> impl_;
};

}  // namespace berth::activation
