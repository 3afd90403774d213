// SPDX-License-Identifier: Apache-2.0
// So many calls from so many threads at once, and how many a second that made.
#pragma once

#include <chrono>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace berth::bench {

// Calls `call` (thread number from 0) `each` times from each thread. Rethrows one of what they
// threw.
inline double calls_per_second(int threads, int each, const std::function<void(int)>& call) {
  std::vector<std::thread> running;
  std::mutex mutex;
  std::exception_ptr failed;
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < threads; ++i) {
    running.emplace_back([&, i] {
      try {
        for (int n = 0; n < each; ++n) call(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        failed = std::current_exception();
      }
    });
  }
  for (std::thread& thread : running) thread.join();
  if (failed) std::rethrow_exception(failed);
  return threads * each /
         std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace berth::bench
