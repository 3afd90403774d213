// SPDX-License-Identifier: Apache-2.0
// A thread with an io_context of its own, on which one part of the house lives.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <exception>
#include <future>
#include <memory>
#include <pthread.h>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace berth::daemon {

class Worker {
 public:
  // `name` is what tools like top show, at most 15 characters.
  explicit Worker(const std::string& name)
      : guard_(io_.get_executor()), thread_([this] { io_.run(); }) {
    ::pthread_setname_np(thread_.native_handle(), name.c_str());
  }
  ~Worker() { join(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  boost::asio::io_context& io() { return io_; }

  // Runs `function` on the thread and waits for it. Not from the thread itself.
  template <typename Function>
  auto run(Function function) -> std::invoke_result_t<Function&> {
    std::packaged_task<std::invoke_result_t<Function&>()> task(std::move(function));
    auto result = task.get_future();
    boost::asio::post(io_, [&task] { task(); });
    return result.get();
  }

  // Waits until nothing is left to do there.
  void join() {
    guard_.reset();
    if (thread_.joinable()) thread_.join();
  }

 private:
  boost::asio::io_context io_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard_;
  std::thread thread_;
};

}  // namespace berth::daemon
