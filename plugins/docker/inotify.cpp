// SPDX-License-Identifier: Apache-2.0
#include "docker/inotify.hpp"

#include <sys/inotify.h>
#include <unistd.h>

namespace berth::docker {

Inotify::Inotify(boost::asio::io_context& context) : descriptor_(context) {
  const int fd = ::inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  if (fd < 0) return;  // add() will say so
  descriptor_.assign(fd);
  wait();
}

int Inotify::add(const std::string& directory, std::function<void()> changed) {
  if (!descriptor_.is_open()) return -1;
  const int watch = ::inotify_add_watch(descriptor_.native_handle(), directory.c_str(),
                                        IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_ONLYDIR);
  if (watch >= 0) watches_.insert_or_assign(watch, std::move(changed));
  return watch;
}

void Inotify::remove(int watch) {
  if (watch < 0 || watches_.erase(watch) == 0) return;
  ::inotify_rm_watch(descriptor_.native_handle(), watch);
}

void Inotify::wait() {
  descriptor_.async_wait(
      boost::asio::posix::descriptor_base::wait_read,
      [this](const boost::system::error_code& error) {
        if (error) return;
        alignas(inotify_event) char buffer[8192];
        ssize_t n;
        while ((n = ::read(descriptor_.native_handle(), buffer, sizeof buffer)) > 0) {
          for (ssize_t at = 0; at < n;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
            at += static_cast<ssize_t>(sizeof(inotify_event) + event->len);
            const auto it = watches_.find(event->wd);
            if (it != watches_.end()) it->second();
          }
        }
        wait();
      });
}

}  // namespace berth::docker
