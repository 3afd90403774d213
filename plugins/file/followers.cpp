// SPDX-License-Identifier: Apache-2.0
// The part of FileLogStore that follows activations: a read that finds nothing new is parked until
// the activation is appended to, or its deadline has passed.
#include <algorithm>
#include <utility>

#include "file_log_store.hpp"

namespace berth::file {

void FileLogStore::wake_followers(const std::vector<Block>& blocks, std::size_t written) {
  bool woken = false;
  {
    const std::lock_guard lock(mutex_);
    if (watched_.empty()) return;
    for (std::size_t i = 0; i < written; ++i) {
      const auto watch = watched_.find(blocks[i].id);
      if (watch == watched_.end()) continue;
      ++watch->second.appends;
      for (Read& read : watch->second.parked) reads_.push_back(std::move(read));
      woken |= !watch->second.parked.empty();
      watch->second.parked.clear();
    }
  }
  if (woken) read_wake_.notify_one();
}

void FileLogStore::answer_follow(Read read) {
  const ActivationId id = read.id;
  std::uint64_t appends = 0;
  {
    const std::lock_guard lock(mutex_);
    appends = watched_[id].appends;
  }
  Fetched fetched = files_.follow(id, read.namespace_name, read.cursor, read.max_bytes);
  const bool nothing =
      fetched.status.ok() && fetched.page.empty() && !fetched.page.next_cursor.empty();
  {
    const std::lock_guard lock(mutex_);
    Watch& watch = watched_[id];
    if (nothing && !ending_ && state_ == State::kRunning &&
        std::chrono::steady_clock::now() < read.done.deadline()) {
      // What was appended since it looked would wake nobody.
      if (watch.appends != appends) {
        reads_.push_back(std::move(read));
      } else {
        watch.parked.push_back(std::move(read));
      }
      return;
    }
    if (--watch.readers == 0) watched_.erase(id);
  }
  if (!fetched.status.ok()) return read.done.fail(fetched.status);
  if (fetched.partial) return read.done.partial(std::move(fetched.page));
  read.done.ok(std::move(fetched.page));
}

void FileLogStore::release_followers() {
  for (auto& [id, watch] : watched_) {
    for (Read& read : watch.parked) reads_.push_back(std::move(read));
    watch.parked.clear();
  }
}

FileLogStore::SteadyTime FileLogStore::next_give_up() const {
  SteadyTime next = SteadyTime::max();
  for (const auto& [id, watch] : watched_) {
    for (const Read& read : watch.parked) next = std::min(next, read.done.deadline());
  }
  return next;
}

void FileLogStore::give_up_followers() {
  const SteadyTime now = std::chrono::steady_clock::now();
  const std::lock_guard lock(mutex_);
  for (auto& [id, watch] : watched_) {
    // Answered as late ones are: once more looked at, then without lines.
    const auto late =
        std::stable_partition(watch.parked.begin(), watch.parked.end(),
                              [now](const Read& read) { return read.done.deadline() > now; });
    for (auto read = late; read != watch.parked.end(); ++read) reads_.push_back(std::move(*read));
    watch.parked.erase(late, watch.parked.end());
  }
}

}  // namespace berth::file
