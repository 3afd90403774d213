// SPDX-License-Identifier: Apache-2.0
#include "http_server.hpp"

#include <algorithm>
#include <cstring>
#include <netinet/in.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <signal.h>
#include <stdexcept>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace berth::testing {
namespace {

// A connection's bytes, with or without TLS.
class Stream {
 public:
  Stream(int fd, SSL_CTX* context) : fd_(fd) {
    if (context == nullptr) return;
    ssl_ = SSL_new(context);
    SSL_set_fd(ssl_, fd);
    good_ = SSL_accept(ssl_) == 1;
    ERR_clear_error();
  }
  ~Stream() {
    if (ssl_ != nullptr) {
      if (good_) SSL_shutdown(ssl_);
      SSL_free(ssl_);
    }
    ERR_clear_error();
  }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;

  bool good() const { return good_; }
  int fd() const { return fd_; }
  bool read_more(std::string& to) {
    char buffer[16384];
    const ssize_t n = ssl_ != nullptr ? SSL_read(ssl_, buffer, sizeof buffer)
                                      : ::recv(fd_, buffer, sizeof buffer, 0);
    if (n <= 0) return good_ = false;
    to.append(buffer, static_cast<std::size_t>(n));
    return true;
  }
  bool write(std::string_view text) {
    while (good_ && !text.empty()) {
      const ssize_t n = ssl_ != nullptr
                            ? SSL_write(ssl_, text.data(), static_cast<int>(text.size()))
                            : ::send(fd_, text.data(), text.size(), MSG_NOSIGNAL);
      if (n <= 0) return good_ = false;
      text.remove_prefix(static_cast<std::size_t>(n));
    }
    return good_;
  }

 private:
  const int fd_;
  SSL* ssl_ = nullptr;
  bool good_ = true;
};

class Reply final : public ServerReply {
 public:
  Reply(Stream& stream, const std::atomic<bool>& stopping) : stream_(stream), stopping_(stopping) {}

  bool send(int code, std::string_view body, std::string_view headers) override {
    std::string text = "HTTP/1.1 " + std::to_string(code) + " X\r\n" + std::string(headers);
    if (code != 204 && code != 304) {
      text += "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n";
      text += body;
    } else {
      text += "\r\n";
    }
    return stream_.write(text);
  }
  bool begin(int code, std::string_view headers) override {
    return stream_.write("HTTP/1.1 " + std::to_string(code) + " X\r\n" + std::string(headers) +
                         "Transfer-Encoding: chunked\r\n\r\n");
  }
  bool chunk(std::string_view data) override {
    char size[32];
    std::snprintf(size, sizeof size, "%zx\r\n", data.size());
    return stream_.write(std::string(size) + std::string(data) + "\r\n");
  }
  bool end() override { return stream_.write("0\r\n\r\n"); }
  bool raw(std::string_view bytes) override { return stream_.write(bytes); }
  void close() override { closing = true; }
  bool client_stays(double seconds) override {
    for (int left = static_cast<int>(seconds * 100); left > 0 && !stopping_; --left) {
      pollfd waiting{stream_.fd(), POLLIN | POLLRDHUP, 0};
      if (::poll(&waiting, 1, 10) == 1) {
        closing = true;
        return false;
      }
    }
    if (stopping_) closing = true;
    return !stopping_;
  }

  bool closing = false;

 private:
  Stream& stream_;
  const std::atomic<bool>& stopping_;
};

std::string lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

bool read_chunks(Stream& stream, std::string& buffer, std::string& body) {
  while (true) {
    std::size_t end;
    while ((end = buffer.find("\r\n")) == std::string::npos) {
      if (!stream.read_more(buffer)) return false;
    }
    const std::size_t size = std::stoul(buffer.substr(0, end), nullptr, 16);
    while (buffer.size() < end + 2 + size + 2) {
      if (!stream.read_more(buffer)) return false;
    }
    body.append(buffer, end + 2, size);
    buffer.erase(0, end + 2 + size + 2);
    if (size == 0) return true;
  }
}

bool read_request(Stream& stream, std::string& buffer, ServerRequest& request) {
  std::size_t end;
  while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
    if (!stream.read_more(buffer)) return false;
  }
  const std::string head = buffer.substr(0, end + 2);
  buffer.erase(0, end + 4);
  const std::size_t first = head.find(' '), second = head.find(' ', first + 1);
  request.method = head.substr(0, first);
  request.target = head.substr(first + 1, second - first - 1);
  for (std::size_t at = head.find("\r\n") + 2; at < head.size();) {
    const std::size_t line_end = head.find("\r\n", at);
    const std::string line = head.substr(at, line_end - at);
    const std::size_t colon = line.find(':');
    request.headers[lower(line.substr(0, colon))] =
        line.substr(std::min(line.size(), line.find_first_not_of(' ', colon + 1)));
    at = line_end + 2;
  }
  if (request.headers.count("transfer-encoding") != 0) {
    return read_chunks(stream, buffer, request.body);
  }
  const auto length = request.headers.find("content-length");
  const std::size_t size = length == request.headers.end() ? 0 : std::stoul(length->second);
  while (buffer.size() < size) {
    if (!stream.read_more(buffer)) return false;
  }
  request.body = buffer.substr(0, size);
  buffer.erase(0, size);
  return true;
}

}  // namespace

struct HttpServer::Context {
  SSL_CTX* ssl = nullptr;
  ~Context() { SSL_CTX_free(ssl); }
};

std::string ServerRequest::query() const {
  const std::size_t mark = target.find('?');
  if (mark == std::string::npos) return "";
  std::string text;
  for (std::size_t at = mark + 1; at < target.size(); ++at) {
    if (target[at] == '%' && at + 2 < target.size()) {
      text += static_cast<char>(std::stoi(target.substr(at + 1, 2), nullptr, 16));
      at += 2;
    } else {
      text += target[at];
    }
  }
  return text;
}

HttpServer::HttpServer(Handler handler, std::string path, const ServerTls* tls)
    : handler_(std::move(handler)), context_(std::make_unique<Context>()) {
  if (tls != nullptr) {
    context_->ssl = SSL_CTX_new(TLS_server_method());
    SSL_CTX_use_certificate_chain_file(context_->ssl, tls->certificate_file.c_str());
    SSL_CTX_use_PrivateKey_file(context_->ssl, tls->key_file.c_str(), SSL_FILETYPE_PEM);
    if (!tls->client_ca_file.empty()) {
      SSL_CTX_load_verify_locations(context_->ssl, tls->client_ca_file.c_str(), nullptr);
      SSL_CTX_set_verify(context_->ssl, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    }
  }
  sockaddr_storage storage{};
  socklen_t size = 0;
  if (path.empty()) {
    auto& name = reinterpret_cast<sockaddr_in&>(storage);
    name.sin_family = AF_INET;
    name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    size = sizeof name;
  } else {
    auto& name = reinterpret_cast<sockaddr_un&>(storage);
    name.sun_family = AF_UNIX;
    std::strncpy(name.sun_path, path.c_str(), sizeof name.sun_path - 1);
    size = sizeof name;
    ::unlink(path.c_str());
  }
  listener_ = ::socket(storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (::bind(listener_, reinterpret_cast<sockaddr*>(&storage), size) != 0 ||
      ::listen(listener_, 64) != 0) {
    throw std::runtime_error("the test's server cannot listen");
  }
  if (path.empty()) {
    sockaddr_in name{};
    size = sizeof name;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&name), &size);
    port_ = ntohs(name.sin_port);
  }
  acceptor_ = std::thread([this] {
    // OpenSSL writes to sockets whose peer has gone without asking for no signal. Inherited by the
    // connections' threads.
    sigset_t broken_pipe;
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    while (!stopping_) {
      pollfd waiting{listener_, POLLIN, 0};
      if (::poll(&waiting, 1, 20) != 1) continue;
      const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (fd < 0) continue;
      const std::lock_guard lock(mutex_);
      open_.push_back(fd);
      threads_.emplace_back([this, fd, number = ++connections_] { serve(fd, number); });
    }
  });
}

HttpServer::~HttpServer() {
  stopping_ = true;
  acceptor_.join();
  ::close(listener_);
  cut();
  for (auto& thread : threads_) thread.join();
}

void HttpServer::cut() {
  const std::lock_guard lock(mutex_);
  for (const int fd : open_) ::shutdown(fd, SHUT_RDWR);
}

void HttpServer::serve(int fd, std::uint64_t number) {
  {
    Stream stream(fd, context_->ssl);
    std::string buffer;
    while (stream.good()) {
      ServerRequest request;
      request.connection = number;
      if (!read_request(stream, buffer, request)) break;
      Reply reply(stream, stopping_);
      handler_(request, reply);
      if (reply.closing) break;
    }
  }
  const std::lock_guard lock(mutex_);
  open_.erase(std::find(open_.begin(), open_.end(), fd));
  ::close(fd);
}

}  // namespace berth::testing
