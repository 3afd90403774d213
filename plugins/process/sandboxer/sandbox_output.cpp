// SPDX-License-Identifier: Apache-2.0
// Sandboxes' output: out of the pipes, to those who read it, and what is said there to a function's
// author.
#include <algorithm>
#include <cerrno>
#include <unistd.h>
#include <utility>

#include "sandboxes.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

constexpr size_t kReadChunk = 64 * 1024;
// How often at most a living function's limits are looked at, when its log is read.
constexpr uint64_t kLimitsSeenNs = 1'000'000'000;

}  // namespace

bool Sandboxes::drain(Sandbox& sandbox, uint8_t stream, size_t limit) {
  const UniqueFd& fd = stream == 1 ? sandbox.shell->output : sandbox.shell->errors;
  if (!fd.valid()) return false;
  static char buffer[kReadChunk];
  for (size_t total = 0; total < limit;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno == EAGAIN;
    if (n == 0) return false;
    sandbox.log->append(stream, sys::realtime_ns(), {buffer, static_cast<size_t>(n)});
    total += static_cast<size_t>(n);
  }
  return true;
}

void Sandboxes::tell_limits(Sandbox& sandbox, uint64_t now_ns) {
  sandbox.limits_seen_ns = now_ns;
  const auto say = [&](const std::string& text) {
    sandbox.log->append(2, sys::realtime_ns(), "berth: " + text + "\n");
  };
  const uint64_t refused = cgroups_.refused_forks(sandbox.shell->group);
  if (refused > sandbox.refused_forks) {
    say(std::to_string(refused - sandbox.refused_forks) +
        " new processes or threads were refused (EAGAIN): a function may have " +
        std::to_string(sandbox.pids) + " at a time");
    sandbox.refused_forks = refused;
  }
  if (sandbox.oom) {
    const uint64_t limit = sandbox.request.memory_bytes;
    say("the function was killed because it needed more than its " +
        (limit % (1 << 20) == 0 ? std::to_string(limit >> 20) + " MB"
                                : std::to_string(limit) + " bytes") +
        " of memory, of which the files in /tmp are a part");
  }
}

bool Sandboxes::answer(Sandbox& sandbox, Waiter& waiter, bool at_deadline) {
  const bool ended = sandbox.shell == nullptr;
  if (!sandbox.log->has_more(waiter.cursor) && !ended && !at_deadline) return false;
  ReadLogsReply reply;
  auto status = sandbox.log->read(waiter.cursor, waiter.max_bytes, reply.chunks, reply.next);
  reply.ended = ended && status.ok() && !sandbox.log->has_more(reply.next);
  waiter.done(std::move(status), std::move(reply));
  return true;
}

void Sandboxes::read_logs(Owner owner, uint64_t request, const ReadLogsRequest& wanted,
                          LogsRead done) {
  Sandbox* sandbox = find(wanted.id);
  if (sandbox == nullptr) return done(sdk::not_found("no sandbox " + wanted.id), {});
  // What the function wrote just before it answered its caller is in the pipe, if not here yet.
  if (sandbox->shell != nullptr) {
    drain(*sandbox, 1, kOutputPerTurn);
    drain(*sandbox, 2, kOutputPerTurn);
    const uint64_t now = sys::monotonic_ns();
    if (now - sandbox->limits_seen_ns > kLimitsSeenNs) tell_limits(*sandbox, now);
  }
  Waiter waiter{owner,           request,
                wanted.cursor,   std::clamp<uint64_t>(wanted.max_bytes, 1, kMaxLogBytes),
                std::move(done), 0};
  const bool at_deadline = wanted.deadline_ns <= sys::monotonic_ns();
  if (answer(*sandbox, waiter, at_deadline)) return;
  waiter.timer =
      loop_.at(wanted.deadline_ns, [this, owner, request] { cancel_read(owner, request); });
  reading_[{owner, request}] = sandbox->serial;
  sandbox->waiters.push_back(std::move(waiter));
}

void Sandboxes::cancel_read(Owner owner, uint64_t request) {
  const auto place = reading_.find({owner, request});
  if (place == reading_.end()) return;
  Sandbox& sandbox = *find(place->second);
  const auto it =
      std::find_if(sandbox.waiters.begin(), sandbox.waiters.end(),
                   [&](const Waiter& w) { return w.owner == owner && w.request == request; });
  Waiter waiter = std::move(*it);
  sandbox.waiters.erase(it);
  forget(waiter);
  answer(sandbox, waiter, true);
}

void Sandboxes::forget(const Waiter& waiter) {
  reading_.erase({waiter.owner, waiter.request});
  loop_.cancel(waiter.timer);
}

void Sandboxes::wake_readers(Sandbox& sandbox) {
  auto waiters = std::exchange(sandbox.waiters, {});
  for (auto& waiter : waiters) {
    if (answer(sandbox, waiter, false)) {
      forget(waiter);
    } else {
      sandbox.waiters.push_back(std::move(waiter));
    }
  }
}

}  // namespace berth::process
