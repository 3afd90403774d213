// SPDX-License-Identifier: Apache-2.0
// `Host`: what berthd offers to a plugin, as small handles that may be copied.
//
// A Host is valid until the plugin's destructor has returned. Every function is [any-thread] and
// does not block, but for Timer's cancellation. A service that the host lacks (impossible for those
// the plugin named in BERTH_NEEDS) does nothing and answers UNIMPLEMENTED.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "berth/plugin/host.h"
#include "berth/sdk/status.hpp"
#include "berth/sdk/strings.hpp"

namespace berth::sdk {

using Field = std::pair<std::string_view, std::string_view>;

namespace detail {

template <typename Table>
const Table* service(const berth_host* host, std::string_view id) {
  return static_cast<const Table*>(host->query(host->context, str(id)));
}

inline Status status_from(const berth_status* status) {
  if (status == nullptr) return Status();
  return Status(static_cast<StatusCode>(status->code), std::string(view(status->message)),
                status->flags);
}

}  // namespace detail

// Lines of berthd's own log, tagged with the plugin's name. Never put a secret into one.
class Log {
 public:
  Log() = default;
  explicit Log(const berth_host* host)
      : host_(host), table_(detail::service<berth_log_service>(host, BERTH_SERVICE_LOG)) {}

  // True if lines of this level (BERTH_LOG_...) are kept: check before costly formatting.
  bool enabled(std::int32_t level) const {
    return table_ != nullptr && level >= table_->minimum_level;
  }
  void write(std::int32_t level, std::string_view message,
             std::initializer_list<Field> fields = {}) const noexcept {
    if (!enabled(level)) return;
    try {
      const PairArray array(fields);
      table_->write(host_->context, level, str(message), array.get());
    } catch (...) {  // no memory: the line without its fields
      table_->write(host_->context, level, str(message), berth_pairs{nullptr, 0});
    }
  }
  void debug(std::string_view m, std::initializer_list<Field> f = {}) const noexcept {
    write(BERTH_LOG_DEBUG, m, f);
  }
  void info(std::string_view m, std::initializer_list<Field> f = {}) const noexcept {
    write(BERTH_LOG_INFO, m, f);
  }
  void warn(std::string_view m, std::initializer_list<Field> f = {}) const noexcept {
    write(BERTH_LOG_WARN, m, f);
  }
  void error(std::string_view m, std::initializer_list<Field> f = {}) const noexcept {
    write(BERTH_LOG_ERROR, m, f);
  }

 private:
  const berth_host* host_ = nullptr;
  const berth_log_service* table_ = nullptr;
};

// What the state service answered.
struct StateEntry {
  std::string key;
  std::string value;
  std::uint64_t version = 0;
};
struct StateResult {
  std::vector<StateEntry> entries;  // get: one; list: a page
  std::uint64_t version = 0;        // put: of what was written
  std::string next_cursor;          // list: empty at the end
};

// A durable key-value store of the plugin's own, with compare-and-set. `done(Status, StateResult)`
// is called exactly once, from a host thread; it must not block or throw.
class State {
 public:
  static constexpr std::uint64_t kAnyVersion = BERTH_STATE_ANY_VERSION;

  State() = default;
  explicit State(const berth_host* host)
      : host_(host), table_(detail::service<berth_state_service>(host, BERTH_SERVICE_STATE)) {}

  explicit operator bool() const { return table_ != nullptr; }

  // One entry, or NOT_FOUND.
  template <typename Done>
  void get(std::string_view key, Done&& done) const {
    if (table_ == nullptr) return absent(done);
    table_->get(host_->context, str(key), &call<Done>, box(std::forward<Done>(done)));
  }
  // ABORTED if the version there is not `expected_version` (0: must not exist).
  template <typename Done>
  void put(std::string_view key, std::string_view value, std::uint64_t expected_version,
           Done&& done) const {
    if (table_ == nullptr) return absent(done);
    table_->put(host_->context, str(key), str(value), expected_version, &call<Done>,
                box(std::forward<Done>(done)));
  }
  template <typename Done>
  void remove(std::string_view key, std::uint64_t expected_version, Done&& done) const {
    if (table_ == nullptr) return absent(done);
    table_->remove(host_->context, str(key), expected_version, &call<Done>,
                   box(std::forward<Done>(done)));
  }
  // Keys with `prefix` in byte order; `limit` 1..1000.
  template <typename Done>
  void list(std::string_view prefix, std::string_view cursor, std::uint32_t limit,
            Done&& done) const {
    if (table_ == nullptr) return absent(done);
    table_->list(host_->context, str(prefix), str(cursor), limit, &call<Done>,
                 box(std::forward<Done>(done)));
  }

 private:
  template <typename Done>
  static void* box(Done&& done) {
    return new std::decay_t<Done>(std::forward<Done>(done));
  }
  template <typename Done>
  static void absent(Done& done) {
    done(unimplemented("this host has no " BERTH_SERVICE_STATE), StateResult());
  }
  template <typename Done>
  static void call(void* context, const berth_status* status,
                   const berth_state_result* result) noexcept {
    const std::unique_ptr<std::decay_t<Done>> done(static_cast<std::decay_t<Done>*>(context));
    StateResult owned;
    if (result != nullptr) {
      owned.version = result->version;
      owned.next_cursor = view(result->next_cursor);
      for (std::uint64_t i = 0; i < result->count; ++i) {
        const berth_state_entry& entry = result->entries[i];
        owned.entries.push_back(StateEntry{std::string(view(entry.key)),
                                           std::string(entry.value.data, entry.value.len),
                                           entry.version});
        detail::release(entry.value);
      }
    }
    (*done)(detail::status_from(status), std::move(owned));
  }

  const berth_host* host_ = nullptr;
  const berth_state_service* table_ = nullptr;
};

// One running timer. Destroying or cancelling it waits for a call of its function that runs on
// another thread: hold no lock then which the function takes. Move-only.
class Timer {
 public:
  Timer() = default;
  Timer(Timer&& other) noexcept { swap(other); }
  Timer& operator=(Timer&& other) noexcept {
    Timer moved(std::move(other));
    swap(moved);
    return *this;
  }
  ~Timer() { cancel(); }

  // True if the function was not called and will not be.
  bool cancel() noexcept {
    if (shared_ == nullptr) return false;
    const bool cancelled = table_->cancel(host_->context, timer_) == 1;
    if (cancelled) shared_->unref();  // the reference the call would have dropped
    std::exchange(shared_, nullptr)->unref();
    return cancelled;
  }

 private:
  friend class Timers;

  struct Shared {
    virtual ~Shared() = default;
    virtual void run() = 0;
    void unref() noexcept {
      if (references.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }
    std::atomic<int> references{2};  // the Timer and the call
  };
  template <typename F>
  struct Holder final : Shared {
    explicit Holder(F f) : function(std::move(f)) {}
    void run() override { function(); }
    F function;
  };

  void swap(Timer& other) noexcept {
    std::swap(host_, other.host_);
    std::swap(table_, other.table_);
    std::swap(timer_, other.timer_);
    std::swap(shared_, other.shared_);
  }

  const berth_host* host_ = nullptr;
  const berth_timer_service* table_ = nullptr;
  berth_timer timer_{0};
  Shared* shared_ = nullptr;
};

class Timers {
 public:
  Timers() = default;
  explicit Timers(const berth_host* host)
      : host_(host), table_(detail::service<berth_timer_service>(host, BERTH_SERVICE_TIMER)) {}

  explicit operator bool() const { return table_ != nullptr; }

  // Calls `f()` once from a host thread at or after `due`, while the returned Timer lives. It must
  // not block or throw. While the host is stopping the Timer is empty and `f` is not called.
  template <typename F>
  [[nodiscard]] Timer at(std::chrono::steady_clock::time_point due, F&& f) const {
    Timer timer;
    if (table_ == nullptr) return timer;
    const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(due.time_since_epoch());
    Timer::Shared* shared = new Timer::Holder<std::decay_t<F>>(std::forward<F>(f));
    timer.timer_ =
        table_->start(host_->context, static_cast<std::uint64_t>(ns.count() < 0 ? 0 : ns.count()),
                      &fired, shared);
    if (timer.timer_.id == 0) {
      delete shared;
      return timer;
    }
    timer.host_ = host_;
    timer.table_ = table_;
    timer.shared_ = shared;
    return timer;
  }
  template <typename F>
  [[nodiscard]] Timer after(std::chrono::nanoseconds delay, F&& f) const {
    const auto wait = std::chrono::duration_cast<std::chrono::steady_clock::duration>(delay);
    return at(std::chrono::steady_clock::now() + wait, std::forward<F>(f));
  }

 private:
  static void fired(void* context) noexcept {
    auto* shared = static_cast<Timer::Shared*>(context);
    shared->run();
    shared->unref();
  }

  const berth_host* host_ = nullptr;
  const berth_timer_service* table_ = nullptr;
};

// One series of berthd's /metrics; copy it freely. An empty or refused one records nothing.
class Series {
 public:
  Series() = default;
  // Counter: adds (>= 0). Gauge: sets. Histogram: observes. Takes no lock.
  void record(double value) const noexcept {
    if (metric_.id != 0) table_->record(host_->context, metric_, value);
  }
  explicit operator bool() const { return metric_.id != 0; }

 private:
  friend class Metrics;
  const berth_host* host_ = nullptr;
  const berth_metrics_service* table_ = nullptr;
  berth_metric metric_{0};
};

// Makes series named berth_plugin_<plugin>_<name>; `name` ends with its unit (_seconds, _bytes,
// _total). Takes a lock: keep the Series.
class Metrics {
 public:
  Metrics() = default;
  explicit Metrics(const berth_host* host)
      : host_(host), table_(detail::service<berth_metrics_service>(host, BERTH_SERVICE_METRICS)) {}

  Series counter(std::string_view name, std::string_view help,
                 std::initializer_list<Field> labels = {}) const {
    return series(BERTH_METRIC_COUNTER, name, help, labels);
  }
  Series gauge(std::string_view name, std::string_view help,
               std::initializer_list<Field> labels = {}) const {
    return series(BERTH_METRIC_GAUGE, name, help, labels);
  }
  Series histogram(std::string_view name, std::string_view help,
                   std::initializer_list<Field> labels = {}) const {
    return series(BERTH_METRIC_HISTOGRAM, name, help, labels);
  }

 private:
  Series series(std::int32_t kind, std::string_view name, std::string_view help,
                std::initializer_list<Field> labels) const {
    Series made;
    if (table_ == nullptr) return made;
    const PairArray array(labels);
    made.host_ = host_;
    made.table_ = table_;
    made.metric_ = table_->series(host_->context, kind, str(name), str(help), array.get());
    return made;
  }

  const berth_host* host_ = nullptr;
  const berth_metrics_service* table_ = nullptr;
};

// The host itself. Ask for a service once and keep the handle.
class Host {
 public:
  explicit Host(const berth_host* host) : host_(host) {}

  Log log() const { return Log(host_); }
  State state() const { return State(host_); }
  Timers timers() const { return Timers(host_); }
  Metrics metrics() const { return Metrics(host_); }

  // A service this SDK does not wrap, or null.
  const void* query(std::string_view id) const { return host_->query(host_->context, str(id)); }
  const berth_host* raw() const { return host_; }

 private:
  const berth_host* host_;
};

// What a plugin is told when it is opened. The views are valid in its constructor only.
struct OpenArgs {
  Host host;
  std::string_view config_json;        // a JSON object, checked against the plugin's config schema
  std::string_view instance;           // name of this berthd
  std::string_view data_directory;     // private, 0700, kept over restarts
  std::string_view runtime_directory;  // private, 0700, short path, lost at reboot
};

}  // namespace berth::sdk
