// SPDX-License-Identifier: Apache-2.0
#include "http/parser.hpp"

#include <algorithm>
#include <cstring>
#include <limits>

#include "http/text.hpp"

namespace berth::http {
namespace {

constexpr std::size_t kMaxMethod = 32;
// What a start line has besides its target: the method, two spaces, the version, CRLF.
constexpr std::size_t kStartLineExtra = kMaxMethod + 12;

// A list of tokens; empty elements are allowed but not in front (RFC 9110 5.6.1).
bool is_token_list(std::string_view value) {
  if (!value.empty() && value.front() == ',') return false;
  while (!value.empty()) {
    const std::size_t comma = value.find(',');
    const std::string_view item = trim(value.substr(0, comma));
    if (!item.empty() && !is_token(item)) return false;
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
  }
  return true;
}

// Splits "name: value"; false if it is no field line. Space before the colon ends the token early.
bool split_field(std::string_view line, std::string_view* name, std::string_view* value) {
  std::size_t colon = 0;
  while (colon < line.size() && is_token_char(line[colon])) ++colon;
  if (colon == 0 || colon == line.size() || line[colon] != ':') return false;
  *name = line.substr(0, colon);
  *value = trim(line.substr(colon + 1));
  return is_field_text(*value);
}

// *( ";" token [ "=" ( token / quoted-string ) ] ); no white space, which nobody sends.
bool is_chunk_extensions(std::string_view text) {
  const auto take_token = [&text] {
    std::size_t end = 0;
    while (end < text.size() && is_token_char(text[end])) ++end;
    text.remove_prefix(end);
    return end > 0;
  };
  while (!text.empty()) {
    if (text.front() != ';') return false;
    text.remove_prefix(1);
    if (!take_token()) return false;
    if (text.empty() || text.front() != '=') continue;
    text.remove_prefix(1);
    if (text.empty() || text.front() != '"') {
      if (!take_token()) return false;
      continue;
    }
    // No escapes: what a quoted pair means here is not worth two readings.
    const std::size_t close = text.find('"', 1);
    if (close == std::string_view::npos) return false;
    const std::string_view quoted = text.substr(1, close - 1);
    if (!is_field_text(quoted) || quoted.find('\\') != std::string_view::npos) return false;
    text.remove_prefix(close + 1);
  }
  return true;
}

}  // namespace

void Parser::reset() {
  std::vector<Field> fields = std::move(fields_);
  std::vector<HeaderView> views = std::move(views_);
  *this = Parser(kind_, limits_);
  fields.clear();
  views.clear();
  fields_ = std::move(fields);
  views_ = std::move(views);
}

Parser::State Parser::fail(int status, std::string_view error) {
  status_ = status;
  error_ = error;
  return state_ = State::kError;
}

Parser::Span Parser::span_of(const char* data, std::string_view text) const {
  return {static_cast<std::uint32_t>(text.data() - data), static_cast<std::uint32_t>(text.size())};
}

Parser::State Parser::parse(char* data, std::size_t& size) {
  if (state_ == State::kHead) parse_head(data, size);
  if (state_ != State::kBody) return state_;
  if (framing_ == Framing::kChunked) {
    take_chunked_body(data, size);
  } else {
    const std::size_t begin = message_size();
    const std::size_t taken =
        static_cast<std::size_t>(std::min<std::uint64_t>(size - begin, remaining_));
    const std::size_t rest = size - begin - taken;
    store(data, data + begin, taken);
    remaining_ -= taken;
    if (message_size() != begin + taken) {
      std::memmove(data + message_size(), data + begin + taken, rest);
      size = message_size() + rest;
    }
    if (remaining_ == 0 && framing_ == Framing::kLength) state_ = State::kDone;
  }
  return state_;
}

Parser::State Parser::finish() {
  if (state_ == State::kBody && framing_ == Framing::kUntilEnd) return state_ = State::kDone;
  if (state_ == State::kDone || state_ == State::kError) return state_;
  return fail(400, "the stream ended within the message");
}

// ---- head -------------------------------------------------------------------------------------

Parser::State Parser::head_too_large(std::size_t size) {
  if (kind_ == Kind::kRequest && !start_line_done_ &&
      size > limits_.max_target_bytes + kStartLineExtra) {
    return fail(414, "the request target is too long");
  }
  if (size > limits_.max_header_bytes) return fail(431, "the header is too large");
  return state_;
}

Parser::State Parser::parse_head(const char* data, std::size_t size) {
  while (state_ == State::kHead) {
    const void* found =
        size > scanned_ ? std::memchr(data + scanned_, '\n', size - scanned_) : nullptr;
    if (found == nullptr) {
      scanned_ = size;
      // Something that is not HTTP at all (TLS, say) is told at its first byte, not by time-out.
      if (kind_ == Kind::kRequest && !start_line_done_ && size > line_begin_ &&
          !is_token_char(data[line_begin_]) && data[line_begin_] != '\r') {
        return fail(400, "this is not HTTP");
      }
      return head_too_large(size);
    }
    const std::size_t end = static_cast<std::size_t>(static_cast<const char*>(found) - data);
    if (head_too_large(end + 1) == State::kError) return state_;
    if (end == line_begin_ || data[end - 1] != '\r') return fail(400, "a line ends without CR");
    const std::string_view line(data + line_begin_, end - 1 - line_begin_);
    scanned_ = line_begin_ = end + 1;
    if (!start_line_done_) {
      if (line.empty() && kind_ == Kind::kRequest && !blank_line_skipped_) {
        blank_line_skipped_ = true;  // RFC 9112 2.2: one CRLF before a request is ignored
        continue;
      }
      start_line_done_ = true;
      if (kind_ == Kind::kRequest ? !parse_request_line(data, line) : !parse_status_line(line))
        break;
    } else if (line.empty()) {
      head_size_ = line_begin_;
      scanned_ = 0;
      finish_head(data);
    } else if (!parse_field(data, line)) {
      break;
    }
  }
  return state_;
}

bool Parser::parse_version(std::string_view text) {
  if (text.size() != 8 || text.substr(0, 5) != "HTTP/" || !is_digit(text[5]) || text[6] != '.' ||
      !is_digit(text[7])) {
    return refuse(400, "malformed HTTP version");
  }
  if (text[5] != '1' || text[7] > '1') {
    return refuse(505, "only HTTP/1.0 and HTTP/1.1 are spoken here");
  }
  version_minor_ = text[7] - '0';
  return true;
}

bool Parser::parse_request_line(const char* data, std::string_view line) {
  const std::size_t first = line.find(' ');
  const std::size_t second = first == std::string_view::npos ? first : line.find(' ', first + 1);
  if (second == std::string_view::npos) return refuse(400, "malformed request line");
  const std::string_view method = line.substr(0, first);
  const std::string_view target = line.substr(first + 1, second - first - 1);
  if (!is_token(method)) return refuse(400, "malformed method");
  if (method.size() > kMaxMethod) return refuse(501, "unknown method");
  if (target.size() > limits_.max_target_bytes) {
    return refuse(414, "the request target is too long");
  }
  if (target.empty() || !std::all_of(target.begin(), target.end(), is_target_char)) {
    return refuse(400, "malformed request target");
  }
  method_ = span_of(data, method);
  target_ = span_of(data, target);
  is_head_ = method == "HEAD";
  is_connect_ = method == "CONNECT";
  is_options_ = method == "OPTIONS";
  return parse_version(line.substr(second + 1));
}

bool Parser::parse_status_line(std::string_view line) {
  if (line.size() < 13 || line[8] != ' ' || line[12] != ' ' || !is_digit(line[9]) ||
      !is_digit(line[10]) || !is_digit(line[11]) || !is_field_text(line.substr(13))) {
    return refuse(400, "malformed status line");
  }
  if (!parse_version(line.substr(0, 8))) return false;
  status_ = (line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0');
  if (status_ < 100 || status_ > 599) return refuse(400, "the status is no HTTP status");
  return true;
}

bool Parser::parse_field(const char* data, std::string_view line) {
  std::string_view name;
  std::string_view value;
  if (!split_field(line, &name, &value)) return refuse(400, "malformed header field");
  if (fields_.size() >= limits_.max_fields) return refuse(431, "too many header fields");
  fields_.push_back({span_of(data, name), span_of(data, value)});
  return take_field(data, name, value);
}

bool Parser::take_field(const char* data, std::string_view name, std::string_view value) {
  switch (name.size()) {
    case 4:
      if (!iequals(name, "host") || kind_ == Kind::kResponse) return true;
      if (has_host_) return refuse(400, "two Host fields");
      if (!is_host_text(value)) return refuse(400, "malformed Host");
      has_host_ = true;
      host_ = span_of(data, value);
      return true;
    case 6:
      if (!iequals(name, "expect")) return true;
      if (!iequals(value, "100-continue")) {
        expect_ = Expect::kOther;
      } else if (expect_ == Expect::kNothing) {
        expect_ = Expect::kContinue;
      }
      return true;
    case 10: return !iequals(name, "connection") || take_connection(value, true);
    case 14: return !iequals(name, "content-length") || take_content_length(value);
    case 16: return !iequals(name, "proxy-connection") || take_connection(value, false);
    case 17:
      if (!iequals(name, "transfer-encoding")) return true;
      if (has_coding_) return refuse(400, "two Transfer-Encoding fields");
      has_coding_ = true;
      if (iequals(value, "chunked")) return true;
      return refuse(501, "only the transfer coding 'chunked' is known");
    default: return true;
  }
}

bool Parser::take_content_length(std::string_view value) {
  if (has_length_) return refuse(400, "two Content-Length fields");
  // 19 digits always fit into 64 bits.
  if (value.empty() || value.size() > 19 || !std::all_of(value.begin(), value.end(), is_digit)) {
    return refuse(400, "malformed Content-Length");
  }
  has_length_ = true;
  remaining_ = 0;
  for (const char c : value) remaining_ = remaining_ * 10 + static_cast<unsigned>(c - '0');
  return true;
}

bool Parser::take_connection(std::string_view value, bool effective) {
  if (!is_token_list(value)) return refuse(400, "malformed Connection");
  while (effective && !value.empty()) {
    const std::size_t comma = value.find(',');
    const std::string_view item = trim(value.substr(0, comma));
    if (iequals(item, "close")) says_close_ = true;
    if (iequals(item, "keep-alive")) says_keep_alive_ = true;
    value = comma == std::string_view::npos ? std::string_view() : value.substr(comma + 1);
  }
  return true;
}

bool Parser::finish_head(const char* data) {
  if (kind_ == Kind::kRequest && !resolve_target(data)) return false;
  keep_alive_ = !says_close_ && (version_minor_ == 1 || says_keep_alive_);
  return choose_framing();
}

bool Parser::resolve_target(const char* data) {
  if (version_minor_ == 1 && !has_host_) return refuse(400, "the Host field is missing");
  if (version_minor_ == 0) expect_ = Expect::kNothing;
  if (is_connect_) return refuse(501, "this is no proxy");
  const std::string_view target = target_.in(data);
  if (target.front() == '/') return true;
  if (target == "*" && is_options_) return true;
  // Absolute form: taken if it means this server whichever of the two names one believes.
  std::size_t begin = 0;
  if (iequals(target.substr(0, 7), "http://")) begin = 7;
  if (iequals(target.substr(0, 8), "https://")) begin = 8;
  const std::size_t end = std::min(target.find_first_of("/?", begin), target.size());
  const std::string_view authority = target.substr(begin, end - begin);
  if (begin == 0 || authority.empty() || !is_host_text(authority) ||
      (end < target.size() && target[end] == '?')) {
    return refuse(400, "malformed request target");
  }
  if (has_host_ && !iequals(authority, host_.in(data))) {
    return refuse(400, "the request target and Host differ");
  }
  target_is_root_ = end == target.size();
  target_ = span_of(data, target.substr(end));
  return true;
}

bool Parser::choose_framing() {
  state_ = State::kBody;
  if (has_coding_) {
    if (has_length_) return refuse(400, "both Content-Length and Transfer-Encoding");
    if (version_minor_ == 0) return refuse(400, "Transfer-Encoding in HTTP/1.0");
    framing_ = Framing::kChunked;
    remaining_ = 0;
  } else if (has_length_) {
    framing_ = Framing::kLength;
  } else if (kind_ == Kind::kResponse) {
    framing_ = Framing::kUntilEnd;
    remaining_ = std::numeric_limits<std::uint64_t>::max();
  }
  const bool bodiless =
      kind_ == Kind::kResponse && (status_ / 100 == 1 || status_ == 204 || status_ == 304);
  if (bodiless) framing_ = Framing::kNone;
  if (framing_ == Framing::kUntilEnd) keep_alive_ = false;
  if (framing_ == Framing::kNone) remaining_ = 0;
  if (framing_ == Framing::kLength && remaining_ > limits_.max_body_bytes && !limits_.cut_body) {
    return refuse(413, "the body is too large");
  }
  if (framing_ == Framing::kNone || (framing_ == Framing::kLength && remaining_ == 0)) {
    state_ = State::kDone;
  }
  return true;
}

// ---- body -------------------------------------------------------------------------------------

// Puts `count` bytes at the body's end as far as the limit allows; `from` lies at or after it.
void Parser::store(char* data, const char* from, std::size_t count) {
  const std::uint64_t room =
      limits_.max_body_bytes - std::min<std::uint64_t>(limits_.max_body_bytes, body_size_);
  const std::size_t kept = static_cast<std::size_t>(std::min<std::uint64_t>(count, room));
  char* const to = data + message_size();
  if (to != from && kept > 0) std::memmove(to, from, kept);
  body_size_ += kept;
  dropped_ += count - kept;
}

void Parser::take_chunked_body(char* data, std::size_t& size) {
  const char* read = data + message_size();
  const char* const end = data + size;
  while (state_ == State::kBody && read < end) {
    const std::size_t available = static_cast<std::size_t>(end - read);
    if (chunk_state_ == ChunkState::kData) {
      const std::size_t count =
          static_cast<std::size_t>(std::min<std::uint64_t>(available, remaining_));
      store(data, read, count);
      read += count;
      remaining_ -= count;
      if (remaining_ == 0) chunk_state_ = ChunkState::kDataEnd;
    } else if (chunk_state_ == ChunkState::kDataEnd) {
      if (read[0] != '\r' || (available > 1 && read[1] != '\n')) {
        fail(400, "a chunk does not end where its size says");
      }
      if (state_ == State::kError || available < 2) break;
      read += 2;
      chunk_state_ = ChunkState::kSize;
    } else {
      const void* found = std::memchr(read + scanned_, '\n', available - scanned_);
      const std::size_t length =
          found != nullptr ? static_cast<std::size_t>(static_cast<const char*>(found) - read) + 1
                           : available;
      const std::size_t limit =
          chunk_state_ == ChunkState::kSize ? kMaxChunkLine : kMaxChunkExtras - chunk_extras_;
      if (length > limit) {
        fail(chunk_state_ == ChunkState::kSize ? 400 : 431, "chunk size or trailers are too long");
        break;
      }
      scanned_ = length;
      if (found == nullptr) break;
      scanned_ = 0;
      if (length < 2 || read[length - 2] != '\r') {
        fail(400, "a line ends without CR");
        break;
      }
      const std::string_view line(read, length - 2);
      read += length;
      if (chunk_state_ == ChunkState::kSize ? !take_chunk_line(line) : !take_trailer_line(line))
        break;
    }
  }
  const std::size_t rest = static_cast<std::size_t>(end - read);
  char* const to = data + message_size();
  if (to != read && rest > 0) std::memmove(to, read, rest);
  size = message_size() + rest;
}

bool Parser::take_chunk_line(std::string_view line) {
  std::size_t digits = 0;
  std::uint64_t value = 0;
  while (digits < line.size() && hex_value(line[digits]) >= 0) {
    if (digits == 16) return refuse(400, "malformed chunk size");
    value = value * 16 + static_cast<unsigned>(hex_value(line[digits]));
    ++digits;
  }
  const std::string_view extensions = line.substr(digits);
  if (digits == 0 || !is_chunk_extensions(extensions)) {
    return refuse(400, "malformed chunk size");
  }
  chunk_extras_ += extensions.size();
  if (chunk_extras_ > kMaxChunkExtras) return refuse(400, "too many chunk extensions");
  if (!limits_.cut_body && value > limits_.max_body_bytes - body_size_) {
    return refuse(413, "the body is too large");
  }
  remaining_ = value;
  chunk_state_ = value == 0 ? ChunkState::kTrailer : ChunkState::kData;
  return true;
}

bool Parser::take_trailer_line(std::string_view line) {
  if (line.empty()) {
    state_ = State::kDone;
    return true;
  }
  std::string_view name;
  std::string_view value;
  if (!split_field(line, &name, &value)) return refuse(400, "malformed trailer field");
  for (const std::string_view framing : {"content-length", "transfer-encoding", "host",
                                         "connection", "proxy-connection", "expect"}) {
    if (iequals(name, framing)) return refuse(400, "this field may not be a trailer");
  }
  chunk_extras_ += line.size() + 2;
  return true;
}

// ---- results ----------------------------------------------------------------------------------

std::span<const HeaderView> Parser::headers(const char* data) {
  views_.clear();
  for (const Field& field : fields_) views_.push_back({field.name.in(data), field.value.in(data)});
  return views_;
}

Request Parser::request(const char* data) {
  Request request;
  request.method = method_.in(data);
  request.target = target_is_root_ ? std::string_view("/") : target_.in(data);
  const std::size_t question = request.target.find('?');
  request.path = request.target.substr(0, question);
  if (question != std::string_view::npos) request.query = request.target.substr(question + 1);
  request.headers = headers(data);
  request.body = body(data);
  return request;
}

}  // namespace berth::http
