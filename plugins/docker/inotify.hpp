// SPDX-License-Identifier: Apache-2.0
// Inotify: wakes whoever waits for a directory's files to change. Belongs to the loop's thread; one
// watch a directory.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <functional>
#include <string>
#include <unordered_map>

namespace berth::docker {

class Inotify {
 public:
  explicit Inotify(boost::asio::io_context& context);

  // Calls `changed` from the loop whenever a file in `directory` was written, made or renamed,
  // until `remove`. -1 if it cannot be watched.
  int add(const std::string& directory, std::function<void()> changed);
  void remove(int watch);

 private:
  void wait();

  boost::asio::posix::stream_descriptor descriptor_;
  std::unordered_map<int, std::function<void()>> watches_;
};

}  // namespace berth::docker
