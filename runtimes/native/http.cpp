// SPDX-License-Identifier: Apache-2.0
#include "http.hpp"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

namespace berth::native {
namespace {

constexpr size_t kMaxHead = 64 * 1024;
// The largest code is 48 MiB of text or base64; JSON escapes and the init environment come on top.
constexpr long long kMaxBody = 64LL * 1024 * 1024;
constexpr std::string_view kBlank = " \t";

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

std::string lowered(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = lower(c);
  return out;
}

std::string_view strip(std::string_view text) {
  const size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string_view reason(int status) {
  switch (status) {
    case 200: return "OK";
    case 400: return "Bad Request";
    case 403: return "Forbidden";
    case 413: return "Payload Too Large";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    default: return "Bad Gateway";
  }
}

// Up to 15 digits of the base; -1 for anything else.
long long parse_number(std::string_view text, int base) {
  if (text.empty() || text.size() > 15) return -1;
  long long value = 0;
  for (const char raw : text) {
    const char c = lower(raw);
    int digit = -1;
    if (c >= '0' && c <= '9') digit = c - '0';
    if (base == 16 && c >= 'a' && c <= 'f') digit = c - 'a' + 10;
    if (digit < 0) return -1;
    value = value * base + digit;
  }
  return value;
}

bool is_alphabetic(std::string_view text) {
  for (const char c : text) {
    if (lower(c) < 'a' || lower(c) > 'z') return false;
  }
  return !text.empty();
}

}  // namespace

RequestReader::Step RequestReader::fail(int status, std::string_view text) {
  error_status_ = status;
  error_text_ = text;
  return Step::kBad;
}

RequestReader::Outcome RequestReader::next(Request& request) {
  if (!has_head_) {
    switch (take_head()) {
      case Step::kBad: return Outcome::kBad;
      case Step::kMore: return Outcome::kMore;
      case Step::kDone: has_head_ = true;
    }
  }
  std::string body;
  switch (take_body(body)) {
    case Step::kBad: return Outcome::kBad;
    case Step::kMore: {
      const bool ask = wants_continue_;
      wants_continue_ = false;
      return ask ? Outcome::kContinue : Outcome::kMore;
    }
    case Step::kDone: break;
  }
  request = std::move(head_);
  request.body = std::move(body);
  has_head_ = false;
  return Outcome::kRequest;
}

RequestReader::Step RequestReader::take_head() {
  const size_t end = buffer_.find("\r\n\r\n");
  if (end == std::string::npos || end > kMaxHead) {
    return buffer_.size() >= kMaxHead ? fail(431, "the request head is too long") : Step::kMore;
  }
  const std::string head = buffer_.substr(0, end);
  buffer_.erase(0, end + 4);
  return parse_head(head);
}

RequestReader::Step RequestReader::parse_head(std::string_view head) {
  head_ = Request();
  length_ = -1;
  chunked_ = false;
  wants_continue_ = false;
  chunk_left_ = -1;
  size_t line_end = head.find("\r\n");
  const std::string_view line = head.substr(0, line_end);
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return fail(400, "malformed request line");
  const std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  head_.method = line.substr(0, first);
  if (!is_alphabetic(head_.method) || target.empty() || target.front() != '/' ||
      target.find(' ') != target.npos) {
    return fail(400, "malformed request line");
  }
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return fail(400, "unsupported HTTP version");
  head_.path = target.substr(0, target.find('?'));
  head_.keep_alive = version == "HTTP/1.1";
  while (line_end != std::string_view::npos) {
    head.remove_prefix(line_end + 2);
    line_end = head.find("\r\n");
    const std::string_view header = head.substr(0, line_end);
    const size_t colon = header.find(':');
    if (colon == std::string_view::npos || colon == 0) return fail(400, "malformed header");
    const std::string_view name = header.substr(0, colon);
    if (strip(name) != name) return fail(400, "malformed header");
    const Step step = parse_header(lowered(name), strip(header.substr(colon + 1)));
    if (step != Step::kDone) return step;
  }
  if (chunked_ && length_ >= 0) return fail(400, "both Content-Length and Transfer-Encoding");
  if (length_ > kMaxBody) return fail(413, "the request body is too large");
  if (length_ < 0) length_ = 0;
  return Step::kDone;
}

RequestReader::Step RequestReader::parse_header(std::string_view name, std::string_view value) {
  if (name == "content-length") {
    const long long length = parse_number(value, 10);
    if (length < 0 || (length_ >= 0 && length != length_))
      return fail(400, "malformed Content-Length");
    length_ = length;
  } else if (name == "transfer-encoding") {
    if (lowered(value) != "chunked" || chunked_) return fail(501, "unsupported Transfer-Encoding");
    chunked_ = true;
  } else if (name == "connection") {
    const std::string options = lowered(value);
    if (options.find("close") != std::string::npos) {
      head_.keep_alive = false;
    } else if (options.find("keep-alive") != std::string::npos) {
      head_.keep_alive = true;
    }
  } else if (name == "expect") {
    wants_continue_ = lowered(value) == "100-continue";
  }
  return Step::kDone;
}

RequestReader::Step RequestReader::take_body(std::string& body) {
  if (chunked_) return take_chunks(body);
  const auto length = static_cast<size_t>(length_);
  if (buffer_.size() < length) {
    buffer_.reserve(length);
    return Step::kMore;
  }
  if (buffer_.size() == length) {
    body.swap(buffer_);
    return Step::kDone;
  }
  body = buffer_.substr(0, length);
  buffer_.erase(0, length);
  return Step::kDone;
}

RequestReader::Step RequestReader::take_chunks(std::string& body) {
  // Consumed bytes are erased once at the end: erasing at each small chunk would be quadratic.
  size_t at = 0;
  Step step = Step::kDone;
  for (;;) {
    if (chunk_left_ < 0) {
      const size_t end = buffer_.find("\r\n", at);
      if (end == std::string::npos) {
        step = buffer_.size() - at > kMaxHead ? fail(400, "malformed chunk") : Step::kMore;
        break;
      }
      const std::string_view line = std::string_view(buffer_).substr(at, end - at);
      const long long size = parse_number(strip(line.substr(0, line.find(';'))), 16);
      if (size < 0) return fail(400, "malformed chunk size");
      if (size == 0) {
        buffer_.erase(0, at);
        return take_trailer(end + 2 - at, body);
      }
      if (size > kMaxBody - static_cast<long long>(chunks_.size()))
        return fail(413, "the request body is too large");
      at = end + 2;
      chunk_left_ = size;
    }
    const auto left = static_cast<size_t>(chunk_left_);
    if (buffer_.size() - at < left + 2) {
      step = Step::kMore;
      break;
    }
    if (buffer_.compare(at + left, 2, "\r\n") != 0) return fail(400, "malformed chunk");
    chunks_.append(buffer_, at, left);
    at += left + 2;
    chunk_left_ = -1;
  }
  buffer_.erase(0, at);
  return step;
}

RequestReader::Step RequestReader::take_trailer(size_t start, std::string& body) {
  size_t end = start - 2;
  if (buffer_.compare(start, 2, "\r\n") != 0) {
    end = buffer_.find("\r\n\r\n", start);
    if (end == std::string::npos) {
      return buffer_.size() > start + kMaxHead ? fail(431, "the trailer is too long") : Step::kMore;
    }
  }
  buffer_.erase(0, end + 4);
  body.swap(chunks_);
  chunks_.clear();
  return Step::kDone;
}

bool send_all(int fd, std::string_view data) {
  while (!data.empty()) {
    const ssize_t count = write(fd, data.data(), data.size());
    if (count >= 0) {
      data.remove_prefix(static_cast<size_t>(count));
    } else if (errno == EAGAIN) {
      pollfd wait{fd, POLLOUT, 0};
      poll(&wait, 1, -1);
    } else if (errno != EINTR) {
      return false;
    }
  }
  return true;
}

bool send_reply(int fd, int status, std::string_view body, bool keep_alive) {
  std::string text = "HTTP/1.1 " + std::to_string(status) + " ";
  text.append(reason(status)).append("\r\n");
  if (!body.empty()) text.append("Content-Type: application/json\r\n");
  text.append("Content-Length: ").append(std::to_string(body.size())).append("\r\n");
  if (!keep_alive) text.append("Connection: close\r\n");
  text.append("\r\n").append(body);
  return send_all(fd, text);
}

}  // namespace berth::native
