// SPDX-License-Identifier: Apache-2.0
#include "http/tls.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <utility>

namespace berth::http {
namespace {

using ContextPtr = std::shared_ptr<SSL_CTX>;

// What OpenSSL has to say about the last failure; forgets it.
std::string last_error() {
  std::string text;
  while (const unsigned long code = ERR_get_error()) {
    const char* reason = ERR_reason_error_string(code);
    text = reason != nullptr ? reason : "unknown error";
  }
  return text.empty() ? "unknown error" : text;
}

// Only HTTP/1.1 is spoken. A client that offers nothing we know goes on without an answer.
int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size,
                    const unsigned char* offered, unsigned int offered_size, void*) {
  static constexpr unsigned char kOurs[] = "\x08http/1.1";
  unsigned char* out = nullptr;
  if (SSL_select_next_proto(&out, size, kOurs, sizeof kOurs - 1, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *chosen = out;
  return SSL_TLSEXT_ERR_OK;
}

// A key with a passphrase must not make berthd ask on its terminal.
int no_passphrase(char*, int, int, void*) {
  return 0;
}

Result<ContextPtr> make_context(const std::string& certificate, const std::string& key) {
  ERR_clear_error();
  ContextPtr context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  if (!context) return sdk::resource_exhausted("no memory for TLS");
  SSL_CTX* raw = context.get();
  SSL_CTX_set_min_proto_version(raw, TLS1_2_VERSION);
  // A message's end is told by its length, so an end without a farewell hides nothing.
  SSL_CTX_set_options(raw, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                               SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_mode(raw, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                            SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_default_passwd_cb(raw, no_passphrase);
  SSL_CTX_set_alpn_select_cb(raw, choose_protocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(raw, certificate.c_str()) != 1) {
    return sdk::failed_precondition(certificate +
                                    " is no readable PEM certificate: " + last_error());
  }
  if (SSL_CTX_use_PrivateKey_file(raw, key.c_str(), SSL_FILETYPE_PEM) != 1) {
    return sdk::failed_precondition(key +
                                    " is no readable PEM key without passphrase that belongs to " +
                                    certificate + ": " + last_error());
  }
  if (SSL_CTX_check_private_key(raw) != 1) {
    return sdk::failed_precondition(key + " is not the key of " + certificate);
  }
  return context;
}

}  // namespace

Result<std::shared_ptr<TlsCertificate>> TlsCertificate::load(std::string certificate_path,
                                                             std::string key_path) {
  std::shared_ptr<TlsCertificate> made(
      new TlsCertificate(std::move(certificate_path), std::move(key_path)));
  if (Status status = made->reload(); !status.ok()) return status;
  return made;
}

Status TlsCertificate::reload() {
  auto context = make_context(certificate_path_, key_path_);
  if (!context) return context.error();
  const std::lock_guard lock(mutex_);
  context_ = std::move(*context);
  return {};
}

std::shared_ptr<ssl_ctx_st> TlsCertificate::context() const {
  const std::lock_guard lock(mutex_);
  return context_;
}

std::unique_ptr<TlsSession> TlsSession::make(const TlsCertificate& certificate, int fd) {
  std::shared_ptr<SSL_CTX> context = certificate.context();
  SSL* ssl = SSL_new(context.get());
  if (ssl == nullptr) return nullptr;
  if (SSL_set_fd(ssl, fd) != 1) {
    SSL_free(ssl);
    return nullptr;
  }
  SSL_set_accept_state(ssl);
  return std::unique_ptr<TlsSession>(new TlsSession(std::move(context), ssl));
}

TlsSession::~TlsSession() {
  SSL_free(ssl_);
}

TlsSession::Outcome TlsSession::judge(int returned) {
  switch (SSL_get_error(ssl_, returned)) {
    case SSL_ERROR_WANT_READ:
    case SSL_ERROR_WANT_WRITE: return {Kind::kWouldBlock, 0};
    case SSL_ERROR_ZERO_RETURN: return {Kind::kEnd, 0};
    default:
      // Nothing more may be done with it, not even a farewell.
      broken_ = true;
      ERR_clear_error();
      return {Kind::kFailed, 0};
  }
}

TlsSession::Outcome TlsSession::receive(std::span<char> buffer) {
  std::size_t count = 0;
  ERR_clear_error();
  const int returned = SSL_read_ex(ssl_, buffer.data(), buffer.size(), &count);
  receive_wants_write_ = false;
  if (returned == 1) return {Kind::kBytes, count};
  receive_wants_write_ = SSL_want_write(ssl_);
  return judge(returned);
}

TlsSession::Outcome TlsSession::send(std::string_view data) {
  std::size_t sent = 0;
  // One call writes one record.
  while (sent < data.size()) {
    std::size_t count = 0;
    ERR_clear_error();
    const int returned = SSL_write_ex(ssl_, data.data() + sent, data.size() - sent, &count);
    send_wants_read_ = false;
    if (returned == 1) {
      sent += count;
      continue;
    }
    send_wants_read_ = SSL_want_read(ssl_);
    const Outcome outcome = judge(returned);
    if (outcome.kind != Kind::kWouldBlock) return {Kind::kFailed, 0};
    break;
  }
  return sent > 0 ? Outcome{Kind::kBytes, sent} : Outcome{Kind::kWouldBlock, 0};
}

void TlsSession::end() {
  if (broken_ || !handshake_done()) return;
  ERR_clear_error();
  if (SSL_shutdown(ssl_) < 0) broken_ = true;
  ERR_clear_error();
}

bool TlsSession::has_pending() const {
  return SSL_pending(ssl_) > 0;
}

bool TlsSession::handshake_done() const {
  return SSL_is_init_finished(ssl_) == 1;
}

}  // namespace berth::http
