// SPDX-License-Identifier: Apache-2.0
// EventLoop: a plugin's one thread with its one io_context. Starts with the object and is joined by
// stop() or the destructor; what is still queued then is destroyed without being run.
//
//   EventLoop loop("process");
//   loop.post([this] { ... });          // [any-thread]
//   asio::steady_timer timer(loop.context());
//
// post and context are [any-thread]; stop and the destructor must not be called on the loop's own
// thread.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <string>
#include <thread>
#include <utility>

namespace berth::support {

class EventLoop {
 public:
  // `name` (up to 15 bytes) is how the thread shows in top.
  explicit EventLoop(const std::string& name);
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  boost::asio::io_context& context() { return context_; }

  // Runs `f()` on the loop's thread, later; it may be move-only. An exception that leaves it ends
  // the process, as it would from any thread.
  template <typename F>
  void post(F&& f) {
    boost::asio::post(context_, std::forward<F>(f));
  }

  // Ends the loop after the handler that runs now and joins the thread. A second call does nothing.
  void stop();

  bool on_loop_thread() const { return std::this_thread::get_id() == thread_.get_id(); }

 private:
  boost::asio::io_context context_{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_;
  std::thread thread_;
};

}  // namespace berth::support
