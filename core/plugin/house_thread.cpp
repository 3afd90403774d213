// SPDX-License-Identifier: Apache-2.0
#include "plugin/house_thread.hpp"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <exception>
#include <pthread.h>
#include <thread>

#include "base/log.hpp"

namespace berth::plugin {

struct HouseThread::Impl {
  boost::asio::io_context context{1};
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{
      context.get_executor()};
  std::thread thread;

  void run() {
    for (;;) {
      try {
        context.run();
        return;
      } catch (const std::exception& error) {
        log::error("plugin", "a task on a plugin's house thread threw", {{"error", error.what()}});
      } catch (...) {
        log::error("plugin", "a task on a plugin's house thread threw");
      }
    }
  }
};

HouseThread::HouseThread(const std::string& name) : impl_(std::make_unique<Impl>()) {
  impl_->thread = std::thread([impl = impl_.get()] { impl->run(); });
  pthread_setname_np(impl_->thread.native_handle(), name.substr(0, 15).c_str());
}

HouseThread::~HouseThread() {
  stop();
}

void HouseThread::stop() {
  impl_->work.reset();
  if (impl_->thread.joinable()) impl_->thread.join();
}

boost::asio::any_io_executor HouseThread::executor() const {
  return impl_->context.get_executor();
}

bool HouseThread::here() const {
  return std::this_thread::get_id() == impl_->thread.get_id();
}

}  // namespace berth::plugin
