// SPDX-License-Identifier: Apache-2.0
// Outstanding: a plugin's calls of its host that are not answered yet. Its destructor waits for
// them, as `close` must: the host calls back until that has returned. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>

namespace berth::support {

// A member declared after what the callbacks touch. They must not run on the thread that destroys
// it.
class Outstanding {
 public:
  Outstanding() = default;
  ~Outstanding() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return count_ == 0; });
  }
  Outstanding(const Outstanding&) = delete;
  Outstanding& operator=(const Outstanding&) = delete;

  // For the callback to capture: the call is outstanding while that lives.
  std::shared_ptr<void> hold() {
    {
      const std::lock_guard lock(mutex_);
      ++count_;
    }
    return std::shared_ptr<void>(this, [](void* self) { static_cast<Outstanding*>(self)->end(); });
  }

 private:
  void end() {
    // Told under the lock: whoever waits may destroy this once it is released.
    const std::lock_guard lock(mutex_);
    if (--count_ == 0) changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t count_ = 0;
};

}  // namespace berth::support
