// SPDX-License-Identifier: Apache-2.0
// CurlLoop: a libcurl multi handle whose sockets and timer are watched by an io_context. Private to
// plugins/support/http. Belongs to the loop's thread, as the Client does.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <curl/curl.h>
#include <functional>
#include <memory>
#include <unordered_map>

namespace berth::support::http {

class CurlLoop {
 public:
  // `ready` is called, from the loop and never from inside libcurl, whenever transfers may have
  // ended: curl_multi_info_read tells which. It must not destroy the CurlLoop.
  CurlLoop(boost::asio::io_context& context, long max_connections, std::function<void()> ready);
  // All easy handles must have been removed.
  ~CurlLoop();
  CurlLoop(const CurlLoop&) = delete;
  CurlLoop& operator=(const CurlLoop&) = delete;

  CURLM* multi() const { return multi_; }
  // From now on nothing is watched and nothing called.
  void close();

 private:
  // One socket of libcurl's.
  struct Watch;

  static int on_timer(CURLM*, long timeout_ms, void* user);
  static int on_socket(CURL*, curl_socket_t fd, int what, void* user, void*);
  void arm(const std::shared_ptr<Watch>& watch);
  void wait(const std::shared_ptr<Watch>& watch, bool read);
  void act(curl_socket_t fd, int events);

  boost::asio::io_context& context_;
  const std::function<void()> ready_;
  CURLM* multi_;
  boost::asio::steady_timer timer_;
  std::unordered_map<curl_socket_t, std::shared_ptr<Watch>> watches_;
  bool closed_ = false;
  const std::shared_ptr<int> alive_ = std::make_shared<int>(0);
};

}  // namespace berth::support::http
