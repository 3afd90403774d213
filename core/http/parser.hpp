// SPDX-License-Identifier: Apache-2.0
// A strict, bounded, incremental parser of HTTP/1.1 messages, for the server and for the client.
//
// The message lives in the owner's buffer, which may grow (and move) between calls; the parser
// keeps offsets only, and allocates at most the list of fields, which it keeps for the next
// message. Chunked bodies are decoded in place: once a message is complete its buffer holds head,
// body and then whatever came after it. What two parties could read differently is refused, not
// guessed:
//   bare LF, folded lines, space before a colon, control characters; no, two or a malformed Host;
//   Content-Length repeated, as a list, or beside Transfer-Encoding; any coding but one "chunked";
//   chunk sizes that overflow; framing fields in trailers.
// Not thread-safe.
//
//   Parser parser(Parser::Kind::kRequest, limits);
//   std::size_t size = received;                  // bytes from the message's first one on
//   switch (parser.parse(data, size)) ...         // `size` is now what is left of them
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "http/message.hpp"

namespace berth::http {

struct ParserLimits {
  std::size_t max_header_bytes = 64 * 1024;  // start line and fields; over it: 431
  std::size_t max_target_bytes = 8 * 1024;   // over it: 414
  std::uint64_t max_body_bytes = 50 * 1024 * 1024;
  std::size_t max_fields = 256;  // over it: 431
  // What exceeds max_body_bytes: false refuses it (413), true drops and counts it.
  bool cut_body = false;
};

class Parser {
 public:
  enum class Kind : std::uint8_t { kRequest, kResponse };
  enum class State : std::uint8_t {
    kHead,   // the head is not complete
    kBody,   // the head is, the body is not
    kDone,   // the message is [0, message_size()) of the buffer
    kError,  // status() and error() say why; nothing more can be read from this connection
  };
  enum class Expect : std::uint8_t { kNothing, kContinue, kOther };

  // Bytes of one chunk's size line, and of all chunk extensions and trailers of a message.
  static constexpr std::size_t kMaxChunkLine = 1024;
  static constexpr std::size_t kMaxChunkExtras = 8 * 1024;

  Parser(Kind kind, const ParserLimits& limits) : limits_(limits), kind_(kind) {}

  // Makes ready for the next message. With `cut` the limit of its body (see cut_body).
  void reset();
  void set_max_body_bytes(std::uint64_t bytes) { limits_.max_body_bytes = bytes; }

  // Reads on. [data, data + size) is the buffer from the message's first byte on, as the last call
  // left it plus what has been received since. `size` is reduced by the bytes taken out (chunk
  // framing, trailers, dropped body). After kDone or kError nothing changes until reset().
  State parse(char* data, std::size_t& size);

  // The peer ended the stream: completes a body that lasts until then. kError if the message is
  // cut.
  State finish();

  State state() const { return state_; }
  // The reply this error deserves (400, 413, 414, 431, 501, 505) and what is wrong, for logs.
  int status() const { return status_; }
  std::string_view error() const { return error_; }

  // From kBody on.
  bool keep_alive() const { return keep_alive_; }
  bool http_1_0() const { return version_minor_ == 0; }
  Expect expect() const { return expect_; }
  bool is_head() const { return is_head_; }
  int response_status() const { return status_; }
  std::size_t head_size() const { return head_size_; }
  // Bytes of the body in the buffer so far, bytes of it seen, and those that are known to come
  // still.
  std::size_t body_size() const { return body_size_; }
  std::uint64_t body_seen() const { return body_size_ + dropped_; }
  std::uint64_t body_remaining() const { return framing_ == Framing::kLength ? remaining_ : 0; }
  std::size_t message_size() const { return head_size_ + body_size_; }

  // Of a complete message in `data`; the views, and the span of the fields, live until the buffer
  // changes or reset().
  std::string_view body(const char* data) const { return {data + head_size_, body_size_}; }
  std::span<const HeaderView> headers(const char* data);
  Request request(const char* data);

 private:
  enum class Framing : std::uint8_t { kNone, kLength, kChunked, kUntilEnd };
  enum class ChunkState : std::uint8_t { kSize, kData, kDataEnd, kTrailer };
  struct Span {
    std::uint32_t begin = 0;
    std::uint32_t size = 0;
    std::string_view in(const char* data) const { return {data + begin, size}; }
  };
  struct Field {
    Span name;
    Span value;
  };

  State fail(int status, std::string_view error);
  bool refuse(int status, std::string_view error) { return fail(status, error) != State::kError; }
  Span span_of(const char* data, std::string_view text) const;
  State parse_head(const char* data, std::size_t size);
  State head_too_large(std::size_t size);
  bool parse_request_line(const char* data, std::string_view line);
  bool parse_status_line(std::string_view line);
  bool parse_version(std::string_view text);
  bool parse_field(const char* data, std::string_view line);
  bool take_field(const char* data, std::string_view name, std::string_view value);
  bool take_content_length(std::string_view value);
  bool take_connection(std::string_view value, bool effective);
  bool finish_head(const char* data);
  bool resolve_target(const char* data);
  bool choose_framing();
  void take_chunked_body(char* data, std::size_t& size);
  bool take_chunk_line(std::string_view line);
  bool take_trailer_line(std::string_view line);
  void store(char* data, const char* from, std::size_t count);

  ParserLimits limits_;
  Kind kind_;
  State state_ = State::kHead;
  Framing framing_ = Framing::kNone;
  ChunkState chunk_state_ = ChunkState::kSize;
  Expect expect_ = Expect::kNothing;
  int version_minor_ = 1;
  bool is_head_ = false;
  bool is_connect_ = false;
  bool is_options_ = false;
  bool keep_alive_ = true;
  bool start_line_done_ = false;
  bool blank_line_skipped_ = false;
  bool has_host_ = false;
  bool has_length_ = false;
  bool has_coding_ = false;
  bool says_close_ = false;
  bool says_keep_alive_ = false;
  int status_ = 0;
  std::string_view error_;

  std::size_t line_begin_ = 0;  // of the head's current line
  std::size_t scanned_ = 0;  // no line end lies before it (head), or within it of the line (chunks)
  std::size_t head_size_ = 0;
  std::size_t body_size_ = 0;
  std::uint64_t dropped_ = 0;
  std::uint64_t remaining_ = 0;  // of the body (kLength) or of the chunk (kChunked)
  std::size_t chunk_extras_ = 0;
  Span method_;
  Span target_;
  Span host_;
  bool target_is_root_ = false;  // absolute form without a path
  std::vector<Field> fields_;
  std::vector<HeaderView> views_;
};

}  // namespace berth::http
