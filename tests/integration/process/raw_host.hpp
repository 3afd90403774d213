// SPDX-License-Identifier: Apache-2.0
// A host of libberth_process.so that speaks the raw C tables: Host waits for one operation at a
// time, Plugin is one opened plugin.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <dlfcn.h>
#include <gtest/gtest.h>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "berth/plugin/container_factory.h"
#include "berth/plugin/container_optional.h"
#include "berth/plugin/host.h"
#include "harness.hpp"

namespace berth::process::test {

inline berth_str str(std::string_view s) {
  return {s.data(), s.size()};
}
inline std::string text(berth_str s) {
  return std::string(s.data == nullptr ? "" : s.data, s.len);
}

struct Container {
  std::string id, token, address, name;
  int32_t state = 0;
  std::string path() const { return address.substr(5); }
};

// What an operation ended with, copied out of the borrowed result.
struct Result {
  int32_t code = -1;
  uint32_t flags = 0;
  std::string message;
  Container container;
  std::vector<Container> containers;
  std::string next_cursor;
  std::string out, err;
  std::vector<std::string> lines;
  bool ended = false;
  berth_capacity capacity{};
  berth_container_stats stats{};
  std::string detail;
};

struct Died_ {
  std::string id;
  int32_t exit_code;
  bool oom;
};

inline Container copy(const berth_container_info& info) {
  return {text(info.id), text(info.token), text(info.address), text(info.name), info.state};
}

// A host that waits for one operation at a time. Which struct a result points to follows from the
// call.
class Host {
 public:
  Host() {
    table_.struct_size = sizeof(table_);
    table_.abi_major = BERTH_ABI_MAJOR;
    table_.context = this;
    table_.complete = [](void* self, berth_op op, const berth_status* status, const void* result) {
      static_cast<Host*>(self)->complete(op, status, result);
    };
    table_.query = [](void* self, berth_str id) -> const void* {
      auto* host = static_cast<Host*>(self);
      return text(id) == BERTH_SERVICE_LOG ? &host->log_ : nullptr;
    };
    table_.set_error = [](void* self, berth_str message) {
      static_cast<Host*>(self)->open_error = text(message);
    };
    log_.struct_size = sizeof(log_);
    log_.write = [](void* self, int32_t level, berth_str message, berth_pairs) {
      auto* host = static_cast<Host*>(self);
      const std::lock_guard lock(host->mutex_);
      if (level >= BERTH_LOG_WARN) host->log += text(message) + "\n";
    };
    events_.struct_size = sizeof(events_);
    events_.context = this;
    events_.container_died = [](void* self, const berth_container_died* died) {
      auto* host = static_cast<Host*>(self);
      const std::lock_guard lock(host->mutex_);
      host->died_.push_back({text(died->id), died->exit_code, died->oom != 0});
      host->changed_.notify_all();
    };
  }

  enum class Kind { kNone, kContainer, kList, kLogs, kCapacity, kStats };

  // Begins an operation: its number is given to `call`.
  template <typename Call>
  berth_op begin(Kind kind, Call call) {
    const berth_op op{next_++};
    {
      const std::lock_guard lock(mutex_);
      kinds_[op.id] = kind;
    }
    call(op);
    return op;
  }
  Result wait(berth_op op) {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [&] { return results_.count(op.id) != 0; })) {
      ADD_FAILURE() << "an operation was never completed";
      return {};
    }
    auto node = results_.extract(op.id);
    return std::move(node.mapped());
  }
  template <typename Call>
  Result run(Kind kind, Call call) {
    return wait(begin(kind, call));
  }
  std::unique_ptr<Died_> wait_died() {
    std::unique_lock lock(mutex_);
    if (!changed_.wait_for(lock, kPatience, [&] { return !died_.empty(); })) return nullptr;
    auto died = std::make_unique<Died_>(died_.front());
    died_.pop_front();
    return died;
  }
  const berth_host* table() const { return &table_; }
  const berth_container_events* events() const { return &events_; }
  std::string log_text() {
    const std::lock_guard lock(mutex_);
    return log;
  }

  std::string open_error;

 private:
  void complete(berth_op op, const berth_status* status, const void* result) {
    Result r;
    r.code = status == nullptr ? BERTH_OK : status->code;
    if (status != nullptr) {
      r.flags = status->flags;
      r.message = text(status->message);
    }
    const std::lock_guard lock(mutex_);
    EXPECT_EQ(results_.count(op.id), 0u) << "completed twice";
    if (result != nullptr) {
      switch (kinds_[op.id]) {
        case Kind::kContainer:
          r.container = copy(*static_cast<const berth_container_info*>(result));
          break;
        case Kind::kList: {
          const auto& list = *static_cast<const berth_container_list*>(result);
          for (uint64_t i = 0; i < list.count; ++i)
            r.containers.push_back(copy(*list.containers[i]));
          r.next_cursor = text(list.next_cursor);
          break;
        }
        case Kind::kLogs: {
          const auto& batch = *static_cast<const berth_log_batch*>(result);
          for (uint64_t i = 0; i < batch.count; ++i) {
            const auto& record = batch.records[i];
            const bool partial = (record.flags & BERTH_LOG_PARTIAL_LINE) != 0;
            (record.stream == BERTH_STREAM_STDERR ? r.err : r.out) +=
                text(record.bytes) + (partial ? "" : "\n");
            r.lines.push_back(text(record.bytes) + (partial ? "~" : ""));
            EXPECT_NE(record.flags & BERTH_LOG_TIME_IS_OURS, 0u);
          }
          r.next_cursor = text(batch.next_cursor);
          r.ended = batch.ended != 0;
          const berth_buf& owner = batch.bytes_owner;
          if (owner.release != nullptr) owner.release(owner.context, owner.data, owner.len);
          break;
        }
        case Kind::kCapacity:
          r.capacity = *static_cast<const berth_capacity*>(result);
          r.detail = text(r.capacity.detail);
          break;
        case Kind::kStats: r.stats = *static_cast<const berth_container_stats*>(result); break;
        case Kind::kNone: ADD_FAILURE() << "a result where there is none"; break;
      }
    }
    results_[op.id] = std::move(r);
    changed_.notify_all();
  }

  berth_host table_{};
  berth_log_service log_{};
  berth_container_events events_{};
  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<uint64_t> next_{1};
  std::map<uint64_t, Kind> kinds_;
  std::map<uint64_t, Result> results_;
  std::deque<Died_> died_;
  std::string log;
};

std::string build_directory() {
  const char* directory = std::getenv("BERTH_BUILD_DIR");
  return directory != nullptr ? directory : BERTH_BUILD_DIR;
}

inline uint64_t in_ms(int ms) {
  return static_cast<uint64_t>(std::chrono::steady_clock::now().time_since_epoch().count()) +
         static_cast<uint64_t>(ms) * 1'000'000;
}

// One opened plugin.
class Plugin {
 public:
  Plugin(const std::string& data, const std::string& runtime, const std::string& config) {
    const std::string file = build_directory() + "/plugins/libberth_process.so";
    library_ = ::dlopen(file.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library_ == nullptr) {
      ADD_FAILURE() << ::dlerror();
      return;
    }
    entry_ =
        static_cast<const berth_plugin_entry_v1*>(::dlsym(library_, BERTH_PLUGIN_ENTRY_SYMBOL));
    berth_open_args args{};
    args.struct_size = sizeof(args);
    args.host = host.table();
    args.config_json = str(config);
    args.instance = str("test");
    args.data_directory = str(data);
    args.runtime_directory = str(runtime);
    open_code = entry_->open(&args, &self_);
    if (open_code == BERTH_OK) {
      table_ = static_cast<const berth_container_factory*>(
          entry_->query(self_, str(BERTH_INTERFACE_CONTAINER_FACTORY)));
    }
  }
  ~Plugin() {
    if (self_ != nullptr) entry_->close(self_);
    if (library_ != nullptr) ::dlclose(library_);
  }

  Result start() {
    return host.run(Host::Kind::kNone,
                    [&](berth_op op) { table_->start(self_, op, in_ms(60'000), host.events()); });
  }
  berth_op begin_create(const std::string& name, const std::string& image) {
    const berth_pair environment{str("__OW_API_HOST"), str("http://api")};
    const berth_pair label{str("owner"), str(name)};
    berth_create_request request{};
    request.struct_size = sizeof(request);
    request.name = str(name);
    request.kind = str("native:1");
    request.image = str(image);
    request.memory_bytes = 128 << 20;
    request.cpu_shares = 256;
    request.concurrency = 1;
    request.environment = {&environment, 1};
    request.labels = {&label, 1};
    return host.begin(Host::Kind::kContainer,
                      [&](berth_op op) { table_->create(self_, op, in_ms(60'000), &request); });
  }
  Result create(const std::string& name, const std::string& image = "test/probe") {
    return host.wait(begin_create(name, image));
  }
  Result destroy(const std::string& id) {
    return host.run(Host::Kind::kNone,
                    [&](berth_op op) { table_->destroy(self_, op, 0, str(id)); });
  }
  Result pause(const std::string& id) {
    return host.run(Host::Kind::kNone, [&](berth_op op) { table_->pause(self_, op, 0, str(id)); });
  }
  Result resume(const std::string& id) {
    return host.run(Host::Kind::kNone, [&](berth_op op) { table_->resume(self_, op, 0, str(id)); });
  }
  Result list(const std::string& cursor = "", uint32_t limit = 100) {
    return host.run(Host::Kind::kList,
                    [&](berth_op op) { table_->list(self_, op, 0, str(cursor), limit); });
  }
  berth_op begin_logs(const std::string& id, const std::string& cursor, uint64_t deadline) {
    return host.begin(Host::Kind::kLogs, [&](berth_op op) {
      table_->read_logs(self_, op, deadline, str(id), str(cursor), 65536);
    });
  }
  Result logs(const std::string& id, const std::string& cursor = "", int ms = 20) {
    return host.wait(begin_logs(id, cursor, in_ms(ms)));
  }
  Result capacity() {
    return host.run(Host::Kind::kCapacity, [&](berth_op op) { table_->capacity(self_, op, 0); });
  }
  Result resize(const std::string& id, uint64_t memory_bytes, uint32_t cpu_shares = 256) {
    const berth_resize_request request{sizeof(request), cpu_shares, memory_bytes, 0, 0};
    const auto* table =
        static_cast<const berth_resize*>(entry_->query(self_, str(BERTH_INTERFACE_RESIZE)));
    return host.run(Host::Kind::kNone,
                    [&](berth_op op) { table->resize(self_, op, 0, str(id), &request); });
  }
  Result stats(const std::string& id) {
    const auto* table =
        static_cast<const berth_stats*>(entry_->query(self_, str(BERTH_INTERFACE_STATS)));
    return host.run(Host::Kind::kStats, [&](berth_op op) { table->stats(self_, op, 0, str(id)); });
  }
  Result drain() {
    return host.run(Host::Kind::kNone, [&](berth_op op) { table_->drain(self_, op, 0); });
  }
  Result stop(int32_t mode) {
    return host.run(Host::Kind::kNone, [&](berth_op op) { table_->stop(self_, op, 0, mode); });
  }
  void cancel(berth_op op) { table_->cancel(self_, op); }

  Host host;
  int32_t open_code = -1;

 private:
  void* library_ = nullptr;
  const berth_plugin_entry_v1* entry_ = nullptr;
  const berth_container_factory* table_ = nullptr;
  void* self_ = nullptr;
};

}  // namespace berth::process::test
