// SPDX-License-Identifier: Apache-2.0
// One exchange of a Client: a libcurl easy handle, what it sends and what has come. Private to
// plugins/support/http. Belongs to the loop's thread.
#pragma once

#include <curl/curl.h>

#include "support/http/client.hpp"

namespace berth::support::http {

class Exchange {
 public:
  // Takes over `easy`, which is clean; it is given back by release().
  Exchange(std::uint64_t id, Request request, Client::Done done);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  // Sets `easy`, a clean handle that is owned from now on, up for the request.
  CURLcode prepare(CURL* easy, const Endpoint& endpoint);
  // Gives the handle back, reset, for another exchange; null if there is none.
  CURL* release();

  std::uint64_t id() const { return id_; }
  CURL* easy() const { return easy_; }
  bool queues_untimed() const { return request_.queues_untimed; }
  // The callbacks end a cancelled exchange as soon as they are called.
  void mark_cancelled() { cancelled_ = true; }
  // Answers the caller; the last use of this object.
  void finish(CURLcode code);

  bool added = false;  // to the multi handle

 private:
  static std::size_t on_body(char* data, std::size_t, std::size_t size, void* user);
  static std::size_t on_header(char* data, std::size_t, std::size_t size, void* user);
  static std::size_t on_read(char* to, std::size_t size, std::size_t count, void* user);

  CURLcode set_endpoint(const Endpoint& endpoint);
  void set_body();
  void set_headers(bool has_body);
  sdk::Status status_of(CURLcode code) const;

  const std::uint64_t id_;
  Request request_;
  Client::Done done_;
  bool reached_ = false;  // it was connected (with TLS) and had begun to send
  CURL* easy_ = nullptr;
  curl_slist* headers_ = nullptr;
  curl_slist* connect_to_ = nullptr;
  Response response_;
  bool cancelled_ = false;
  bool too_large_ = false;
  char error_[CURL_ERROR_SIZE] = "";
};

}  // namespace berth::support::http
