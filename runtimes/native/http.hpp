// SPDX-License-Identifier: Apache-2.0
// The receiving side of one HTTP/1.1 connection, and how a reply is written. RequestReader is fed
// with the bytes received and yields whole requests, however they were split; its input is bounded.
// Not thread-safe: one thread owns a reader.
#pragma once

#include <string>
#include <string_view>

namespace berth::native {

struct Request {
  std::string method;
  std::string path;  // without the query
  std::string body;
  bool keep_alive = true;
};

class RequestReader {
 public:
  enum class Outcome {
    kRequest,   // `request` is filled
    kMore,      // feed more bytes
    kContinue,  // as kMore, and the peer waits for "100 Continue"
    kBad,       // answer error_status() with error_text() and close
  };

  void feed(std::string_view bytes) { buffer_.append(bytes); }
  Outcome next(Request& request);
  int error_status() const { return error_status_; }
  std::string_view error_text() const { return error_text_; }

 private:
  enum class Step { kDone, kMore, kBad };

  Step fail(int status, std::string_view text);
  Step take_head();
  Step parse_head(std::string_view head);
  Step parse_header(std::string_view name, std::string_view value);
  Step take_body(std::string& body);
  Step take_chunks(std::string& body);
  Step take_trailer(size_t start, std::string& body);

  std::string buffer_;
  bool has_head_ = false;
  Request head_;
  long long length_ = -1;
  bool chunked_ = false;
  bool wants_continue_ = false;
  long long chunk_left_ = -1;
  std::string chunks_;
  int error_status_ = 0;
  std::string_view error_text_;
};

// Writes everything, waiting where the descriptor does not block by itself. False when the peer is
// gone.
bool send_all(int fd, std::string_view data);

// Sends a JSON reply, or an empty one without a content type.
bool send_reply(int fd, int status, std::string_view body, bool keep_alive);

}  // namespace berth::native
