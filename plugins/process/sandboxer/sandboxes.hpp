// SPDX-License-Identifier: Apache-2.0
// Sandboxes: the living and the dead sandboxes of this sandboxer and everything that can be asked
// of them. Knows nothing of sockets: server.hpp turns packets into these calls.
//
// A sandbox belongs to an owner (a client connection). When the owner goes, its sandboxes live on
// for `detach_ttl` and can be taken over by `list`; what nobody took is destroyed. A sandbox whose
// process has ended stays, with its exit code and output, until it is destroyed.
//
// Runs on the loop's thread only. Callbacks are called exactly once, possibly before the call
// returns.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "log_buffer.hpp"
#include "loop.hpp"
#include "protocol/protocol.hpp"
#include "shell_pool.hpp"

namespace berth::process {

using Owner = uint64_t;
inline constexpr Owner kNobody = 0;
// Read from one pipe per turn of the loop, so that one chatty sandbox does not hold up the others.
inline constexpr size_t kOutputPerTurn = 256 * 1024;
inline constexpr uint64_t kMinMemory = 4ull << 20;  // of a sandbox

class Sandboxes {
 public:
  using Done = std::function<void(sdk::Status)>;
  using Created = std::function<void(sdk::Status, CreateReply)>;
  using LogsRead = std::function<void(sdk::Status, ReadLogsReply)>;
  using OnDied = std::function<void(Owner, const Died&)>;

  Sandboxes(Loop& loop, Cgroups& cgroups, const HostView& host, bool privileged,
            NetworkPool& networks, int spill_directory, std::string boot_id, OnDied on_died);
  ~Sandboxes();

  // INVALID_ARGUMENT or FAILED_PRECONDITION if the settings cannot work here; the old ones then
  // stay.
  sdk::Status configure(const Settings& settings);

  void create(Owner owner, CreateRequest request, UniqueFd listen, Created done);
  // Completes when no process is left. Killing is not graceful.
  void destroy(const std::string& id, Done done);
  void pause(const std::string& id, Done done);
  void resume(const std::string& id, Done done);
  // Sets its limits while it goes on. FAILED_PRECONDITION if it has ended or uses more.
  sdk::Status resize(const ResizeRequest& request);
  // What a living one uses.
  sdk::Status usage(const std::string& id, UsageReply& usage) const;
  ListReply list(Owner owner, const ListRequest& request);
  // `request` names the wait for cancel_read.
  void read_logs(Owner owner, uint64_t request, const ReadLogsRequest& wanted, LogsRead done);
  void cancel_read(Owner owner, uint64_t request);

  // An owner comes and goes.
  void attach(Owner owner) { owners_.insert(owner); }
  void release(Owner owner);
  // Destroys everything and completes when nothing is left.
  void destroy_all(Done done);

  bool empty() const { return by_serial_.empty(); }
  StatsReply stats() const;
  ShellPool& pool() { return pool_; }

 private:
  struct Waiter {
    Owner owner;
    uint64_t request;
    LogCursor cursor;
    uint64_t max_bytes;
    LogsRead done;
    Loop::TimerId timer;
  };
  struct Sandbox {
    uint64_t serial = 0;
    std::string id;
    CreateRequest request;
    Owner owner = kNobody;
    std::unique_ptr<Shell> shell;
    std::unique_ptr<LogBuffer> log;
    SandboxState state = SandboxState::kRunning;  // or kDead: the kernel knows which are paused
    int32_t exit_code = -1;
    bool oom = false;
    uint32_t pids = 0;           // the limit in force
    uint64_t refused_forks = 0;  // told so far
    uint64_t limits_seen_ns = 0;
    bool killed = false;  // by us
    Loop::TimerId orphan_timer = 0;
    std::vector<Waiter> waiters;
    std::vector<Done> destroyed;
  };

  Sandbox* find(const std::string& id) const;
  Sandbox* find(uint64_t serial) const;
  void begin(Owner owner, CreateRequest request, UniqueFd listen, std::unique_ptr<Shell> shell,
             const Created& done);
  void watch(Sandbox& sandbox);
  void on_output(uint64_t serial, uint8_t stream);
  void on_oom(uint64_t serial, int attempt);
  void on_ended(uint64_t serial);
  // Reads what is in a pipe, at most `limit` bytes; false at its end.
  bool drain(Sandbox& sandbox, uint8_t stream, size_t limit);
  // Tells the function's author, in its log, which of its limits it has met since the last time.
  void tell_limits(Sandbox& sandbox, uint64_t now_ns);
  void close_output(Sandbox& sandbox, uint8_t stream);
  void kill(Sandbox& sandbox);
  void orphan(Sandbox& sandbox);
  void remove(uint64_t serial);
  void wait_frozen(uint64_t serial, uint64_t deadline_ns, Done done);
  void wake_readers(Sandbox& sandbox);
  void forget(const Waiter& waiter);
  bool answer(Sandbox& sandbox, Waiter& waiter, bool at_deadline);
  SandboxInfo info_of(const Sandbox& sandbox) const;

  Loop& loop_;
  Cgroups& cgroups_;
  const HostView& host_;
  const bool privileged_;
  NetworkPool& networks_;
  const int spill_directory_;
  const std::string boot_id_;
  const OnDied on_died_;
  Settings settings_;
  bool configured_ = false;
  std::vector<sock_filter> filter_;
  ShellPool pool_;
  uint64_t next_serial_ = 1;
  std::map<uint64_t, std::unique_ptr<Sandbox>> by_serial_;
  std::unordered_set<std::string> names_;
  std::set<Owner> owners_;
  std::map<std::pair<Owner, uint64_t>, uint64_t> reading_;  // request to the sandbox it waits on
  const Enforcement enforcement_;
  std::vector<Done> all_destroyed_;
  uint64_t created_ = 0;
  uint64_t dropped_ = 0;  // of sandboxes that are gone
};

}  // namespace berth::process
