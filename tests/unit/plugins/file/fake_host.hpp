// SPDX-License-Identifier: Apache-2.0
// A host that only answers: promises made here are waited for. Thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "berth/sdk/plugin.hpp"

namespace berth::file {

struct Answer {
  sdk::Status status;
  std::vector<sdk::LogLine> lines;
  std::string next_cursor;
};

class FakeHost {
 public:
  FakeHost() {
    host_.struct_size = sizeof host_;
    host_.abi_major = BERTH_ABI_MAJOR;
    host_.abi_minor = BERTH_ABI_MINOR;
    host_.context = this;
    host_.complete = &complete;
    host_.query = [](void*, berth_str) -> const void* { return nullptr; };
    host_.set_error = [](void*, berth_str) {};
  }

  const berth_host* get() const { return &host_; }

  template <typename T>
  sdk::Promise<T> promise(std::uint64_t& op) {
    const std::lock_guard lock(mutex_);
    op = ++last_;
    return sdk::Promise<T>(&host_, berth_op{op}, 0);
  }

  Answer wait(std::uint64_t op) {
    std::unique_lock lock(mutex_);
    answered_.wait(lock, [&] { return answers_.count(op) != 0; });
    Answer answer = std::move(answers_[op]);
    answers_.erase(op);
    return answer;
  }

 private:
  static void complete(void* context, berth_op op, const berth_status* status, const void* result) {
    auto& self = *static_cast<FakeHost*>(context);
    Answer answer;
    if (status != nullptr) {
      answer.status = sdk::Status(static_cast<sdk::StatusCode>(status->code),
                                  std::string(sdk::view(status->message)), status->flags);
    }
    // The only operation with a result that is asked here is `fetch`.
    if (result != nullptr && answer.status.ok()) {
      const auto& page = *static_cast<const berth_log_page*>(result);
      for (std::uint64_t i = 0; i < page.count; ++i) {
        const berth_log_line& line = page.lines[i];
        answer.lines.push_back({static_cast<sdk::Stream>(line.stream), line.time_ns, line.sequence,
                                std::string(sdk::view(line.text))});
      }
      answer.next_cursor = sdk::view(page.next_cursor);
      sdk::detail::release(page.bytes_owner);
    }
    {
      const std::lock_guard lock(self.mutex_);
      self.answers_[op.id] = std::move(answer);
    }
    self.answered_.notify_all();
  }

  berth_host host_{};
  std::mutex mutex_;
  std::condition_variable answered_;
  std::map<std::uint64_t, Answer> answers_;
  std::uint64_t last_ = 0;
};

}  // namespace berth::file
