// SPDX-License-Identifier: Apache-2.0
#include "plugin/log_store_set.hpp"

#include <algorithm>
#include <atomic>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <charconv>
#include <chrono>
#include <deque>
#include <mutex>
#include <unordered_map>
#include <utility>

#include "base/log.hpp"
#include "plugin/one_shot.hpp"

namespace berth::plugin {
namespace {

constexpr std::string_view kLogDriver = "log-driver";
constexpr std::chrono::seconds kLogEvery{10};
constexpr std::chrono::milliseconds kLookAgain{5};

using Lines = std::shared_ptr<const std::vector<LogLine>>;

// The outcome of one append over several stores: the first success or the last failure decides.
struct Vote {
  explicit Vote(int voters) : left(voters) {}

  void cast(const Status& status) {
    {
      const std::lock_guard lock(mutex);
      --left;
      if (decided) return;
      if (!status.ok() && error.ok()) error = status;
      if (!status.ok() && left > 0) return;
      decided = true;
      succeeded = status.ok();
    }
    shot.set();
  }

  OneShot shot;
  std::mutex mutex;
  int left;
  bool decided = false;
  bool succeeded = false;
  Status error;
};

// Several coroutines end; one waits for the last.
struct Join {
  explicit Join(std::size_t count) : results(count), left(count) {}

  void done(std::size_t index, Status status) {
    results[index] = std::move(status);
    if (left.fetch_sub(1, std::memory_order_acq_rel) == 1) shot.set();
  }

  std::vector<Status> results;
  std::atomic<std::size_t> left;
  OneShot shot;
};

struct Part {
  ActivationRef activation;
  Lines lines;
  bool final;
  SteadyTime deadline;
  std::size_t bytes;
  std::shared_ptr<Vote> vote;
};

std::size_t bytes_of(const std::vector<LogLine>& lines) {
  std::size_t bytes = 0;
  for (const LogLine& line : lines) bytes += sizeof(LogLine) + line.text.size();
  return bytes;
}

}  // namespace

// One store and what waits for it.
class LogStoreSet::Lane : public std::enable_shared_from_this<Lane> {
 public:
  Lane(Member member, Metrics& metrics, const Clock& clock)
      : name_(std::move(member.name)),
        store_(*member.store),
        clock_(clock),
        failures_(metrics.counter("berth_log_store_append_failures_total",
                                  "Parts of logs that a log store did not keep",
                                  {{"store", name_}})) {}

  LogStore& store() { return store_; }
  const std::string& name() const { return name_; }
  bool up() const { return up_.load(std::memory_order_relaxed); }
  void leave_out() { up_.store(false, std::memory_order_relaxed); }

  // Parts of one activation go to the store one after another.
  void push(Part part, const boost::asio::any_io_executor& background) {
    {
      const std::lock_guard lock(mutex_);
      if (backlog_ == 0 || backlog_ + part.bytes <= kMaxBacklog) {
        backlog_ += part.bytes;
        const auto [queue, fresh] = waiting_.try_emplace(part.activation.activation_id);
        if (!fresh) {
          queue->second.push_back(std::move(part));
          return;
        }
      } else {
        lost(sdk::resource_exhausted("too much is waiting for the log store '" + name_ + "'"));
        part.lines = nullptr;
      }
    }
    if (part.lines == nullptr) {
      part.vote->cast(
          sdk::resource_exhausted("too much is waiting for the log store '" + name_ + "'"));
      return;
    }
    boost::asio::co_spawn(background, run(shared_from_this(), std::move(part)),
                          boost::asio::detached);
  }

  // For a store that is alone: nobody else needs to be spared its delays.
  boost::asio::awaitable<Result<void>> append_directly(ActivationRef activation,
                                                       std::vector<LogLine> lines, bool final,
                                                       SteadyTime deadline) {
    Result<void> kept =
        co_await store_.append(std::move(activation), std::move(lines), final, deadline);
    if (!kept) {
      const std::lock_guard lock(mutex_);
      lost(kept.error());
    }
    co_return kept;
  }

  bool idle() {
    const std::lock_guard lock(mutex_);
    return waiting_.empty();
  }

  void complain(const std::string& what, const Status& why) {
    log::warn("logs", what, {{"store", name_}, {"error", why.to_string()}});
  }

 private:
  static boost::asio::awaitable<void> run(std::shared_ptr<Lane> self, Part part) {
    for (;;) {
      const std::string key = part.activation.activation_id;
      const std::size_t bytes = part.bytes;
      const std::shared_ptr<Vote> vote = part.vote;
      const Result<void> kept = co_await self->store_.append(
          std::move(part.activation), *part.lines, part.final, part.deadline);
      vote->cast(kept ? Status() : kept.error());
      const std::lock_guard lock(self->mutex_);
      if (!kept) self->lost(kept.error());
      self->backlog_ -= bytes;
      const auto queue = self->waiting_.find(key);
      if (queue->second.empty()) {
        self->waiting_.erase(queue);
        co_return;
      }
      part = std::move(queue->second.front());
      queue->second.pop_front();
    }
  }

  // With mutex_ held.
  void lost(const Status& why) {
    failures_.add();
    const SteadyTime now = clock_.steady_now();
    if (last_logged_ != SteadyTime() && now - last_logged_ < kLogEvery) return;
    last_logged_ = now;
    complain("a log store did not keep lines", why);
  }

  const std::string name_;
  LogStore& store_;
  const Clock& clock_;
  Counter& failures_;
  std::atomic<bool> up_{true};
  std::mutex mutex_;
  std::size_t backlog_ = 0;
  SteadyTime last_logged_{};
  // By activation; a key is there while a part of it is with the store.
  std::unordered_map<std::string, std::deque<Part>> waiting_;
};

LogStoreSet::LogStoreSet(std::vector<Member> members, boost::asio::any_io_executor background,
                         Metrics& metrics, const Clock& clock)
    : background_(std::move(background)), clock_(clock) {
  for (Member& member : members) {
    lanes_.push_back(std::make_shared<Lane>(std::move(member), metrics, clock));
  }
}

LogStoreSet::~LogStoreSet() = default;

boost::asio::awaitable<std::vector<Status>> LogStoreSet::on_all(Step step, SteadyTime deadline) {
  const auto join = std::make_shared<Join>(lanes_.size());
  for (std::size_t i = 0; i < lanes_.size(); ++i) {
    const auto run = [](Step to_run, std::shared_ptr<Lane> lane, SteadyTime until,
                        std::shared_ptr<Join> joined,
                        std::size_t index) -> boost::asio::awaitable<void> {
      const Result<void> result = co_await to_run(std::move(lane), until);
      joined->done(index, result ? Status() : result.error());
    };
    boost::asio::co_spawn(background_, run(step, lanes_[i], deadline, join, i),
                          boost::asio::detached);
  }
  if (!lanes_.empty()) co_await join->shot.wait();
  co_return join->results;
}

Awaitable<void> LogStoreSet::start(SteadyTime deadline) {
  const Step step = [](std::shared_ptr<Lane> lane, SteadyTime until) -> Awaitable<void> {
    co_return co_await lane->store().start(until);
  };
  const std::vector<Status> results = co_await on_all(step, deadline);
  Status first_error;
  bool any = results.empty();
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (results[i].ok()) {
      any = true;
      continue;
    }
    lanes_[i]->leave_out();
    lanes_[i]->complain("a log store did not start and is left out", results[i]);
    if (first_error.ok()) first_error = results[i].with_context(lanes_[i]->name());
  }
  if (!any) co_return first_error;
  co_return Result<void>();
}

bool LogStoreSet::out_of_band() const {
  return std::all_of(lanes_.begin(), lanes_.end(),
                     [](const auto& lane) { return lane->store().out_of_band(); });
}

Awaitable<Pairs> LogStoreSet::container_parameters(SteadyTime deadline) {
  Pairs all;
  std::string driver_of;
  for (const auto& lane : lanes_) {
    if (!lane->up()) continue;
    Result<Pairs> one = co_await lane->store().container_parameters(deadline);
    if (!one) {
      lane->complain("a log store did not tell its container parameters", one.error());
      continue;
    }
    const bool names_driver = std::any_of(
        one->begin(), one->end(), [](const auto& pair) { return pair.first == kLogDriver; });
    if (names_driver && !driver_of.empty()) {
      co_return sdk::failed_precondition("the log stores '" + driver_of + "' and '" + lane->name() +
                                         "' both want a log driver of their own, and a container "
                                         "has only one: leave one of them out of logs.plugins");
    }
    if (names_driver) driver_of = lane->name();
    std::move(one->begin(), one->end(), std::back_inserter(all));
  }
  co_return all;
}

Awaitable<void> LogStoreSet::append(ActivationRef activation, std::vector<LogLine> lines,
                                    bool final, SteadyTime deadline) {
  std::vector<std::shared_ptr<Lane>> to;
  for (const auto& lane : lanes_) {
    if (lane->up() && !lane->store().out_of_band()) to.push_back(lane);
  }
  if (to.empty()) co_return sdk::unavailable("no log store is up");

  if (lanes_.size() == 1) {
    co_return co_await to[0]->append_directly(std::move(activation), std::move(lines), final,
                                              deadline);
  }
  const auto vote = std::make_shared<Vote>(static_cast<int>(to.size()));
  const std::size_t bytes = bytes_of(lines);
  const Lines shared = std::make_shared<const std::vector<LogLine>>(std::move(lines));
  for (const auto& lane : to) {
    lane->push(Part{activation, shared, final, deadline, bytes, vote}, background_);
  }
  co_await vote->shot.wait();
  const std::lock_guard lock(vote->mutex);
  if (!vote->succeeded) co_return vote->error;
  co_return Result<void>();
}

Result<std::string> LogStoreSet::take_cursor(std::string cursor, std::size_t& index) const {
  // "<index of the store>:<its cursor>"
  const char* end = cursor.data() + cursor.size();
  const auto [colon, error] = std::from_chars(cursor.data(), end, index);
  if (error != std::errc() || colon == end || *colon != ':' || index >= lanes_.size()) {
    return sdk::invalid_argument("'" + cursor + "' is no cursor of these logs");
  }
  return cursor.substr(static_cast<std::size_t>(colon - cursor.data()) + 1);
}

bool LogStoreSet::can_follow() const {
  return std::any_of(lanes_.begin(), lanes_.end(),
                     [](const auto& lane) { return lane->up() && lane->store().can_follow(); });
}

Awaitable<LogPage> LogStoreSet::follow(ActivationRef activation, std::string cursor,
                                       std::uint64_t max_bytes, SteadyTime deadline) {
  std::size_t first = 0;
  std::size_t last = lanes_.size();
  if (!cursor.empty()) {
    Result<std::string> own = take_cursor(std::move(cursor), first);
    if (!own) co_return own.error();
    cursor = std::move(*own);
    last = first + 1;
  }
  Status refusal = sdk::unimplemented("no log store can follow logs");
  for (std::size_t index = first; index < last; ++index) {
    if (!lanes_[index]->up() || !lanes_[index]->store().can_follow()) continue;
    Result<LogPage> page =
        co_await lanes_[index]->store().follow(activation, cursor, max_bytes, deadline);
    if (!page && page.error().code() == StatusCode::kUnimplemented) {
      refusal = page.error();  // as it is configured
      continue;
    }
    if (page && !page->next_cursor.empty()) {
      page->next_cursor.insert(0, std::to_string(index) + ":");
    }
    co_return page;
  }
  co_return refusal;
}

Awaitable<LogPage> LogStoreSet::fetch(ActivationRef activation, std::string cursor,
                                      std::uint64_t max_bytes, SteadyTime deadline) {
  std::size_t first = 0;
  std::size_t last = lanes_.size();
  if (!cursor.empty()) {
    Result<std::string> own = take_cursor(std::move(cursor), first);
    if (!own) co_return own.error();
    cursor = std::move(*own);
    last = first + 1;
  }

  Status error = sdk::unavailable("no log store is up");
  bool all_unknown = true;
  for (std::size_t i = first; i < last; ++i) {
    if (!lanes_[i]->up()) continue;
    SteadyTime until = deadline;
    if (deadline != SteadyTime::max()) {
      const SteadyTime now = clock_.steady_now();
      until = now + (deadline - now) / static_cast<int>(last - i);
    }
    Result<LogPage> page = co_await lanes_[i]->store().fetch(activation, cursor, max_bytes, until);
    if (page) {
      if (!page->next_cursor.empty()) {
        page->next_cursor.insert(0, std::to_string(i) + ":");
      }
      co_return page;
    }
    // Of several errors one that another store's answer may mend says more than NOT_FOUND.
    const bool unknown = page.error().code() == StatusCode::kNotFound;
    if (all_unknown) error = page.error();
    all_unknown = all_unknown && unknown;
  }
  co_return error;
}

Awaitable<void> LogStoreSet::drain(SteadyTime deadline) {
  const Step step = [](std::shared_ptr<Lane> lane, SteadyTime until) -> Awaitable<void> {
    if (!lane->up()) co_return Result<void>();
    boost::asio::steady_timer pause(co_await boost::asio::this_coro::executor);
    while (!lane->idle()) {
      if (std::chrono::steady_clock::now() >= until) {
        co_return sdk::deadline_exceeded("log store '" + lane->name() +
                                         "' still has lines to take");
      }
      pause.expires_after(kLookAgain);
      co_await pause.async_wait(boost::asio::use_awaitable);
    }
    co_return co_await lane->store().drain(until);
  };
  const std::vector<Status> results = co_await on_all(step, deadline);
  for (const Status& status : results) {
    if (!status.ok()) co_return status;
  }
  co_return Result<void>();
}

Awaitable<void> LogStoreSet::stop(SteadyTime deadline) {
  const Step step = [](std::shared_ptr<Lane> lane, SteadyTime until) -> Awaitable<void> {
    if (!lane->up()) co_return Result<void>();
    co_return co_await lane->store().stop(until);
  };
  const std::vector<Status> results = co_await on_all(step, deadline);
  for (const Status& status : results) {
    if (!status.ok()) co_return status;
  }
  co_return Result<void>();
}

}  // namespace berth::plugin
