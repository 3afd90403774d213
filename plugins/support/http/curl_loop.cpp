// SPDX-License-Identifier: Apache-2.0
#include "support/http/curl_loop.hpp"

#include <boost/asio/posix/stream_descriptor.hpp>

namespace berth::support::http {

namespace asio = boost::asio;

// The descriptor only watches; libcurl owns the file descriptor.
struct CurlLoop::Watch {
  Watch(asio::io_context& context, int socket) : descriptor(context, socket), fd(socket) {}
  asio::posix::stream_descriptor descriptor;
  const int fd;
  int wanted = 0;  // CURL_POLL_...; 0 once it was taken away
  bool reading = false;
  bool writing = false;
};

CurlLoop::CurlLoop(asio::io_context& context, long max_connections, std::function<void()> ready)
    : context_(context), ready_(std::move(ready)), multi_(curl_multi_init()), timer_(context) {
  curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, &CurlLoop::on_socket);
  curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, &CurlLoop::on_timer);
  curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
  curl_multi_setopt(multi_, CURLMOPT_MAX_TOTAL_CONNECTIONS, max_connections);
  if (max_connections > 0) curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, max_connections);
}

CurlLoop::~CurlLoop() {
  close();
  curl_multi_cleanup(multi_);
}

void CurlLoop::close() {
  closed_ = true;
  timer_.cancel();
  for (auto& [fd, watch] : watches_) {
    watch->wanted = 0;
    watch->descriptor.release();
  }
  watches_.clear();
}

void CurlLoop::act(curl_socket_t fd, int events) {
  int running = 0;
  curl_multi_socket_action(multi_, fd, events, &running);
  ready_();
}

int CurlLoop::on_timer(CURLM*, long timeout_ms, void* user) {
  auto& self = *static_cast<CurlLoop*>(user);
  if (self.closed_) return 0;
  if (timeout_ms < 0) {
    self.timer_.cancel();
    return 0;
  }
  self.timer_.expires_after(std::chrono::milliseconds(timeout_ms));
  self.timer_.async_wait(
      [&self, alive = std::weak_ptr<int>(self.alive_)](const boost::system::error_code& error) {
        if (!error && !alive.expired() && !self.closed_) self.act(CURL_SOCKET_TIMEOUT, 0);
      });
  return 0;
}

int CurlLoop::on_socket(CURL*, curl_socket_t fd, int what, void* user, void*) {
  auto& self = *static_cast<CurlLoop*>(user);
  const auto it = self.watches_.find(fd);
  if (what == CURL_POLL_REMOVE) {
    if (it == self.watches_.end()) return 0;
    it->second->wanted = 0;
    // Takes it out of the loop and cancels; the file descriptor stays libcurl's.
    it->second->descriptor.release();
    self.watches_.erase(it);
    return 0;
  }
  if (self.closed_) return 0;
  auto watch = it != self.watches_.end() ? it->second : std::make_shared<Watch>(self.context_, fd);
  self.watches_[fd] = watch;
  watch->wanted = what;
  self.arm(watch);
  return 0;
}

void CurlLoop::arm(const std::shared_ptr<Watch>& watch) {
  if ((watch->wanted & CURL_POLL_IN) != 0 && !watch->reading) wait(watch, true);
  if ((watch->wanted & CURL_POLL_OUT) != 0 && !watch->writing) wait(watch, false);
}

void CurlLoop::wait(const std::shared_ptr<Watch>& watch, bool read) {
  (read ? watch->reading : watch->writing) = true;
  watch->descriptor.async_wait(
      read ? asio::posix::descriptor_base::wait_read : asio::posix::descriptor_base::wait_write,
      [this, watch, read](const boost::system::error_code& error) {
        (read ? watch->reading : watch->writing) = false;
        // Once `wanted` is 0, `this` may be gone.
        const int kind = read ? CURL_POLL_IN : CURL_POLL_OUT;
        if (error == asio::error::operation_aborted || (watch->wanted & kind) == 0) return;
        act(watch->fd, error ? CURL_CSELECT_ERR : read ? CURL_CSELECT_IN : CURL_CSELECT_OUT);
        if (watch->wanted != 0) arm(watch);
      });
}

}  // namespace berth::support::http
