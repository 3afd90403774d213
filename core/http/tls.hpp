// SPDX-License-Identifier: Apache-2.0
// TLS for the server's side of connections, over OpenSSL: the certificate that a server shows, and
// one connection's session over its non-blocking socket.
#pragma once

#include <cstddef>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/result.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace berth::http {

// Certificate and key, read from files, and read again when they changed. Thread-safe: connections
// that are there keep what they began with.
class TlsCertificate {
 public:
  // PEM files: the certificate with its chain, and its key without a passphrase. Errors name the
  // file and what is wrong with it.
  static Result<std::shared_ptr<TlsCertificate>> load(std::string certificate_path,
                                                      std::string key_path);

  // Reads both again; what they say counts for new connections. Not OK: the old ones stay.
  Status reload();

  // The settings for a new session.
  std::shared_ptr<ssl_ctx_st> context() const;

 private:
  TlsCertificate(std::string certificate_path, std::string key_path)
      : certificate_path_(std::move(certificate_path)), key_path_(std::move(key_path)) {}

  const std::string certificate_path_;
  const std::string key_path_;
  mutable std::mutex mutex_;
  std::shared_ptr<ssl_ctx_st> context_;
};

// The handshake happens by itself in the first receive() or send(). A call that would block tells
// which way the socket must be waited for: a read may need to write, and the other way round. The
// process must ignore SIGPIPE. Not thread-safe.
class TlsSession {
 public:
  enum class Kind { kBytes, kWouldBlock, kEnd, kFailed };
  struct Outcome {
    Kind kind;
    std::size_t bytes;  // kBytes: > 0
  };

  // Of a connected, non-blocking descriptor that outlives it. Null: no memory.
  static std::unique_ptr<TlsSession> make(const TlsCertificate& certificate, int fd);
  ~TlsSession();

  Outcome receive(std::span<char> buffer);
  Outcome send(std::string_view data);
  // Tells the peer that no more comes, if that can be done at once.
  void end();

  // Decrypted bytes wait here: the socket may not become readable for them.
  bool has_pending() const;
  bool handshake_done() const;
  bool receive_wants_write() const { return receive_wants_write_; }
  bool send_wants_read() const { return send_wants_read_; }

 private:
  TlsSession(std::shared_ptr<ssl_ctx_st> context, ssl_st* ssl)
      : context_(std::move(context)), ssl_(ssl) {}
  Outcome judge(int returned);

  const std::shared_ptr<ssl_ctx_st> context_;
  ssl_st* const ssl_;
  bool receive_wants_write_ = false;
  bool send_wants_read_ = false;
  bool broken_ = false;
};

}  // namespace berth::http
