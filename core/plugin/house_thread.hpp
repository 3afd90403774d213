// SPDX-License-Identifier: Apache-2.0
// `HouseThread`: the one thread on which the host calls into a plugin by itself: timers, results of
// the state service, cancellations, the clean-up of late containers. Each plugin has its own, so
// that one that blocks there delays only itself.
#pragma once

#include <boost/asio/any_io_executor.hpp>
#include <memory>
#include <string>

namespace berth::plugin {

class HouseThread {
 public:
  // `name` is cut to what the kernel keeps.
  explicit HouseThread(const std::string& name);
  // Stops, if that was not done.
  ~HouseThread();
  HouseThread(const HouseThread&) = delete;
  HouseThread& operator=(const HouseThread&) = delete;

  boost::asio::any_io_executor executor() const;
  // Waits until all that was posted ran and nothing waits any more, then joins. Not from the
  // thread.
  void stop();
  // True on the thread itself.
  bool here() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::plugin
