// SPDX-License-Identifier: Apache-2.0
#include "splunk_log_store.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "fetcher.hpp"
#include "follower.hpp"
#include "hec_event.hpp"

namespace berth::splunk {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr milliseconds kDrainAtMost{5'000};
constexpr milliseconds kMargin{200};

std::int64_t now_ns() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool is_activation_id(std::string_view text) {
  return text.size() == 32 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

support::http::Endpoint search_endpoint(const Settings& settings) {
  support::http::Endpoint endpoint;
  endpoint.base_url = settings.search.url;
  endpoint.tls.ca_file = settings.tls.ca_file;
  endpoint.tls.server_name = settings.tls.server_name;
  endpoint.tls.verify_peer = settings.tls.verify;
  endpoint.max_connections = 16;
  return endpoint;
}

}  // namespace

SplunkLogStore::SplunkLogStore(const sdk::OpenArgs& args)
    : log_(args.host.log()),
      settings_(Settings::parse(args.config_json, args.data_directory, args.instance)),
      spool_({settings_.spool.directory, settings_.spool.max_bytes, settings_.spool.segment_bytes}),
      loop_(std::make_unique<support::EventLoop>("splunk")) {
  const sdk::Metrics metrics = args.host.metrics();
  lines_ = metrics.counter("lines_total", "Lines of logs taken into the spool");
  failures_ = metrics.counter("spool_failures_total", "Writes and syncs of the spool that failed");
  if (!settings_.search.url.empty()) {
    search_ = std::make_unique<support::http::Client>(loop_->context(), search_endpoint(settings_));
  }
  if (settings_.mode == Mode::kHec) {
    shipper_ = std::make_shared<Shipper>(*loop_, settings_, spool_, args.host);
  }
  if (!settings_.tls.verify) {
    log_.warn("certificates of Splunk are not checked: plugin.splunk.tls_verify is off");
  }
}

SplunkLogStore::~SplunkLogStore() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  if (writer_.joinable()) writer_.join();
  // Then nobody but us is on the loop's objects.
  loop_->stop();
  if (shipper_ != nullptr) shipper_->close();
  search_.reset();
  shipper_.reset();
  loop_.reset();
}

sdk::Status SplunkLogStore::not_running() const {
  switch (state_) {
    case State::kRunning: return {};
    case State::kStopped: return sdk::unavailable("the splunk log store is stopped");
    default: return sdk::failed_precondition("the splunk log store is not started");
  }
}

void SplunkLogStore::start(sdk::Promise<void> done) {
  {
    const std::lock_guard lock(mutex_);
    if (state_ != State::kNew) {
      return done.fail(sdk::failed_precondition("the splunk log store was started before"));
    }
    if (out_of_band()) {
      state_ = State::kRunning;
      return done.ok();
    }
    state_ = State::kStarting;
    jobs_.push_back({Kind::kStart, {}, std::move(done)});
  }
  writer_ = std::thread([this] { write_loop(); });
}

void SplunkLogStore::container_parameters(sdk::Promise<sdk::Pairs> done) {
  sdk::Pairs pairs;
  if (settings_.mode == Mode::kDockerDriver) {
    pairs.emplace_back("log-driver", "splunk");
    const auto option = [&pairs](std::string_view name, std::string_view value) {
      pairs.emplace_back("log-opt", "splunk-" + std::string(name) + "=" + std::string(value));
    };
    option("url", settings_.collector.url);
    option("token", settings_.collector.token);
    option("index", settings_.index);
    option("source", settings_.source);
    option("sourcetype", settings_.sourcetype);
    option("format", "json");
    option("gzip", settings_.collector.gzip ? "true" : "false");
    // A Splunk that is down must not keep containers from starting.
    option("verify-connection", "false");
    if (!settings_.tls.ca_file.empty()) option("capath", settings_.tls.ca_file);
    if (!settings_.tls.server_name.empty()) option("caname", settings_.tls.server_name);
    if (!settings_.tls.verify) option("insecureskipverify", "true");
    pairs.emplace_back("log-opt", "labels-regex=berth");
    pairs.emplace_back("log-opt", "tag={{.Name}}");
  }
  done.ok(std::move(pairs));
}

void SplunkLogStore::append(const sdk::ActivationRefView& activation, sdk::LogLinesView lines,
                            bool final, sdk::Promise<void> done) {
  if (out_of_band()) {
    return done.fail(
        sdk::failed_precondition("lines do not come through berthd with this plugin.splunk.mode"));
  }
  if (!is_activation_id(activation.activation_id)) {
    return done.fail(
        sdk::invalid_argument("no activation id: " + std::string(activation.activation_id)));
  }
  Job job{Kind::kAppend, {}, std::move(done)};
  job.item.id = record_id(activation.activation_id);
  job.item.events = format_events(settings_, activation, lines, final, now_ns());
  {
    const std::lock_guard lock(mutex_);
    if (sdk::Status status = not_running(); !status.ok()) return job.done.fail(status);
    // Nothing to keep: neither lines nor an end.
    if (job.item.events.empty()) return job.done.ok();
    // However long, one goes in when nothing else waits.
    if (queued_bytes_ > 0 &&
        queued_bytes_ + job.item.events.size() > settings_.spool.max_queued_bytes) {
      return job.done.fail(sdk::resource_exhausted(
          std::to_string(queued_bytes_) + " bytes of logs wait for the spool in " +
          settings_.spool.directory.string() +
          ": the disk is too slow, or raise plugin.splunk.max_queued_bytes"));
    }
    queued_bytes_ += job.item.events.size();
    jobs_.push_back(std::move(job));
  }
  lines_.record(static_cast<double>(lines.size()));
  wake_.notify_one();
}

bool SplunkLogStore::wanted_of(const sdk::ActivationRefView& activation, std::string_view cursor,
                               Wanted& wanted, sdk::Promise<sdk::LogPage>& done) const {
  const auto refuse = [&done](const sdk::Status& why) {
    done.fail(why);
    return false;
  };
  const char* const end = cursor.data() + cursor.size();
  if (!cursor.empty()) {
    const auto [stop, error] = std::from_chars(cursor.data(), end, wanted.first);
    if (error != std::errc() || stop != end || wanted.first >= kEnd) {
      return refuse(sdk::invalid_argument("no cursor of this store: " + std::string(cursor)));
    }
  }
  if (!is_activation_id(activation.activation_id)) {
    return refuse(sdk::not_found("no activation id: " + std::string(activation.activation_id)));
  }
  wanted.activation_id = activation.activation_id;
  wanted.namespace_name = activation.namespace_name;
  wanted.start_ms = activation.start_ms;
  wanted.end_ms = activation.end_ms;
  const std::lock_guard lock(mutex_);
  if (const sdk::Status status = not_running(); !status.ok()) return refuse(status);
  return true;
}

void SplunkLogStore::fetch(const sdk::ActivationRefView& activation, std::string_view cursor,
                           std::uint64_t max_bytes, sdk::Promise<sdk::LogPage> done) {
  Wanted wanted;
  if (!wanted_of(activation, cursor, wanted, done)) return;
  loop_->post([this, wanted = std::move(wanted), max_bytes, done = std::move(done)]() mutable {
    std::make_shared<Fetcher>(*loop_, settings_, out_of_band() ? nullptr : &spool_, search_.get(),
                              std::move(wanted), max_bytes, std::move(done))
        ->start();
  });
}

void SplunkLogStore::follow(const sdk::ActivationRefView& activation, std::string_view cursor,
                            std::uint64_t max_bytes, sdk::Promise<sdk::LogPage> done) {
  Wanted wanted;
  if (!wanted_of(activation, cursor, wanted, done)) return;
  if (out_of_band() || search_ == nullptr) {
    return done.fail(
        sdk::unimplemented("logs can be followed with plugin.splunk.mode hec and a "
                           "search_url only"));
  }
  loop_->post([this, wanted = std::move(wanted), max_bytes, done = std::move(done)]() mutable {
    std::make_shared<Follower>(*loop_, settings_, spool_, *search_, std::move(wanted), max_bytes,
                               std::move(done))
        ->look();
  });
}

void SplunkLogStore::drain(sdk::Promise<void> done) {
  {
    const std::lock_guard lock(mutex_);
    if (sdk::Status status = not_running(); !status.ok()) return done.fail(status);
    if (!out_of_band()) {
      jobs_.push_back({Kind::kSync, {}, std::move(done)});
      wake_.notify_one();
      return;
    }
  }
  done.ok();
}

void SplunkLogStore::stop(sdk::Promise<void> done) {
  {
    const std::lock_guard lock(mutex_);
    // Stopping what never ran, or again, is no mistake.
    if (!not_running().ok() || out_of_band()) {
      state_ = State::kStopped;
      return done.ok();
    }
    state_ = State::kStopped;
    jobs_.push_back({Kind::kStop, {}, std::move(done)});
  }
  wake_.notify_one();
}

void SplunkLogStore::write_loop() {
  std::unique_lock lock(mutex_);
  for (;;) {
    const auto ready = [this] { return ending_ || !jobs_.empty(); };
    if (dirty_ && settings_.spool.sync == Sync::kInterval) {
      wake_.wait_until(lock, sync_due_, ready);
    } else {
      wake_.wait(lock, ready);
    }
    if (jobs_.empty() && ending_) return;
    std::deque<Job> jobs = std::exchange(jobs_, {});
    queued_bytes_ = 0;
    lock.unlock();
    write(std::move(jobs));
    sync_if_due();
    lock.lock();
  }
}

void SplunkLogStore::write(std::deque<Job> jobs) {
  std::vector<Spool::Item> items;
  std::vector<sdk::Promise<void>> waiting;
  for (Job& job : jobs) {
    if (job.kind == Kind::kAppend) {
      items.push_back(std::move(job.item));
      waiting.push_back(std::move(job.done));
      continue;
    }
    write_items(items, waiting);
    run(std::move(job));
  }
  write_items(items, waiting);
}

void SplunkLogStore::write_items(std::vector<Spool::Item>& items,
                                 std::vector<sdk::Promise<void>>& waiting) {
  if (items.empty()) return;
  sdk::Status status = spool_.append(std::exchange(items, {}));
  if (status.ok()) {
    if (!dirty_) sync_due_ = steady_clock::now() + settings_.spool.sync_interval;
    dirty_ = true;
    if (settings_.spool.sync == Sync::kAlways) {
      status = spool_.sync();
      dirty_ = !status.ok();
    }
  }
  if (!status.ok()) {
    failures_.record(1);
    if (!failing_) log_.error("logs cannot be spooled", {{"reason", status.to_string()}});
  } else if (failing_) {
    log_.info("logs are spooled again");
  }
  failing_ = !status.ok();
  for (sdk::Promise<void>& one : waiting) {
    if (status.ok()) {
      one.ok();
    } else {
      one.fail(status);
    }
  }
  waiting.clear();
  wake_shipper();
}

void SplunkLogStore::run(Job job) {
  if (job.kind == Kind::kStart) return open_spool(std::move(job.done));
  sdk::Status status = spool_.sync();
  dirty_ = dirty_ && !status.ok();
  if (!status.ok()) {
    failures_.record(1);
    return job.done.fail(status);
  }
  if (job.kind == Kind::kStop) return job.done.ok();
  // It is safe now; better still if Splunk has it.
  const auto now = steady_clock::now();
  auto until = now + kDrainAtMost;
  if (job.done.deadline() != SteadyTime::max()) {
    until = std::min(until, job.done.deadline() - kMargin);
  }
  loop_->post([this, until, done = std::move(job.done)]() mutable {
    const auto shared = std::make_shared<sdk::Promise<void>>(std::move(done));
    shipper_->when_empty(until, [shared] { shared->ok(); });
  });
}

void SplunkLogStore::open_spool(sdk::Promise<void> done) {
  Spool::Recovery recovery;
  const sdk::Status status = spool_.open(recovery);
  if (recovery.records > 0 || recovery.torn_bytes > 0) {
    log_.info("logs of an earlier run wait for Splunk",
              {{"records", std::to_string(recovery.records)},
               {"bytes", std::to_string(recovery.bytes)},
               {"torn_bytes_cut", std::to_string(recovery.torn_bytes)}});
  }
  {
    const std::lock_guard lock(mutex_);
    state_ = status.ok() ? State::kRunning : State::kStopped;
  }
  if (!status.ok()) return done.fail(status);
  done.ok();
  wake_shipper();
}

void SplunkLogStore::sync_if_due() {
  if (!dirty_ || settings_.spool.sync != Sync::kInterval || steady_clock::now() < sync_due_) return;
  const sdk::Status status = spool_.sync();
  dirty_ = !status.ok();
  if (status.ok()) return;
  sync_due_ = steady_clock::now() + settings_.spool.sync_interval;
  failures_.record(1);
  log_.error("the spool cannot be forced to the disk", {{"reason", status.to_string()}});
}

void SplunkLogStore::wake_shipper() {
  if (shipper_woken_.exchange(true)) return;
  loop_->post([this] {
    shipper_woken_ = false;
    shipper_->pump();
  });
}

}  // namespace berth::splunk
