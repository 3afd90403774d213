// SPDX-License-Identifier: Apache-2.0
#include "plugin/timer_service.hpp"

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <chrono>
#include <condition_variable>
#include <map>
#include <mutex>
#include <unordered_map>
#include <utility>

namespace berth::plugin {
namespace {

using Steady = std::chrono::steady_clock;

SteadyTime time_of(std::uint64_t ns) {
  constexpr auto kMax = static_cast<std::uint64_t>(INT64_MAX);
  return SteadyTime(std::chrono::nanoseconds(static_cast<std::int64_t>(ns < kMax ? ns : kMax)));
}

}  // namespace

struct TimerService::Impl {
  struct Entry {
    berth_timer_fired fired;
    void* context;
  };

  Impl(HouseThread& house_thread, CallStats& call_stats)
      : house(house_thread), stats(call_stats), wake(house_thread.executor()) {}

  HouseThread& house;
  CallStats& stats;
  boost::asio::steady_timer wake;  // used on the house thread only

  std::mutex mutex;
  std::condition_variable changed;
  std::map<std::pair<std::uint64_t, std::uint64_t>, Entry> timers;  // by (due, id)
  std::unordered_map<std::uint64_t, std::uint64_t> due_of;
  std::uint64_t last_id = 0;
  std::uint64_t firing = 0;  // the id whose function runs now
  bool stopped = false;

  void arm() {
    const std::lock_guard lock(mutex);
    if (stopped || timers.empty()) {
      wake.cancel();
      return;
    }
    wake.expires_at(time_of(timers.begin()->first.first));
    wake.async_wait([this](const boost::system::error_code& error) {
      if (!error) fire_due();
    });
  }

  void fire_due() {
    for (;;) {
      std::unique_lock lock(mutex);
      const auto now = Steady::now();
      const auto first = timers.begin();
      if (stopped || first == timers.end() || time_of(first->first.first) > now) break;
      const Entry entry = first->second;
      firing = first->first.second;
      due_of.erase(firing);
      timers.erase(first);
      lock.unlock();
      try {
        entry.fired(entry.context);
      } catch (...) {
        stats.threw("timer");
      }
      stats.returned("timer", Steady::now() - now);
      lock.lock();
      firing = 0;
      changed.notify_all();
    }
    arm();
  }
};

TimerService::TimerService(HouseThread& house, CallStats& stats)
    : impl_(std::make_unique<Impl>(house, stats)) {}

TimerService::~TimerService() = default;

std::uint64_t TimerService::start(std::uint64_t due_ns, berth_timer_fired fired, void* context) {
  if (fired == nullptr) return 0;
  bool first = false;
  std::uint64_t id = 0;
  {
    const std::lock_guard lock(impl_->mutex);
    if (impl_->stopped) return 0;
    id = ++impl_->last_id;
    const auto [place, _] =
        impl_->timers.emplace(std::pair(due_ns, id), Impl::Entry{fired, context});
    impl_->due_of.emplace(id, due_ns);
    first = place == impl_->timers.begin();
  }
  if (first) boost::asio::post(impl_->house.executor(), [impl = impl_.get()] { impl->arm(); });
  return id;
}

bool TimerService::cancel(std::uint64_t id) {
  std::unique_lock lock(impl_->mutex);
  const auto known = impl_->due_of.find(id);
  if (known != impl_->due_of.end()) {
    impl_->timers.erase(std::pair(known->second, id));
    impl_->due_of.erase(known);
    return true;
  }
  if (!impl_->house.here()) {
    impl_->changed.wait(lock, [&] { return impl_->firing != id || id == 0; });
  }
  return false;
}

void TimerService::stop() {
  {
    const std::lock_guard lock(impl_->mutex);
    impl_->stopped = true;
    impl_->timers.clear();
    impl_->due_of.clear();
  }
  boost::asio::post(impl_->house.executor(), [impl = impl_.get()] { impl->wake.cancel(); });
}

}  // namespace berth::plugin
