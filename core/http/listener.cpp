// SPDX-License-Identifier: Apache-2.0
#include "http/listener.hpp"

#include <cerrno>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "base/files.hpp"
#include "base/log.hpp"

namespace berth::http {
namespace {

constexpr int kBacklog = 4096;
// Between two looks at other connections.
constexpr int kAcceptsAtOnce = 64;
constexpr std::chrono::milliseconds kRest{100};
constexpr std::chrono::seconds kBetweenWarnings{10};

Result<UniqueFd> new_socket(int family) {
  UniqueFd fd(::socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd) return sdk::unavailable("socket: " + errno_text(errno));
  return fd;
}

Status listen_error(const std::string& address, int error) {
  switch (error) {
    case EADDRINUSE:
      return sdk::failed_precondition(
          address + " is in use by another process: stop it or set another [http] listen");
    case EADDRNOTAVAIL:
      return sdk::failed_precondition(address +
                                      " is no address of this machine: set another [http] listen");
    case EACCES:
    case EPERM:
      return sdk::permission_denied(
          address +
          " may not be listened on by this user: ports below 1024 need CAP_NET_BIND_SERVICE"
          "; set another [http] listen");
    default: return sdk::unavailable("listening on " + address + ": " + errno_text(error));
  }
}

Result<UniqueFd> bind_tcp(const std::string& text, const SocketAddress& address) {
  auto fd = new_socket(address.family());
  if (!fd) return fd.error();
  const int one = 1;
  ::setsockopt(fd->get(), SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
  // Accepted sockets inherit it.
  ::setsockopt(fd->get(), IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  if (::bind(fd->get(), address.get(), address.size) != 0 || ::listen(fd->get(), kBacklog) != 0) {
    return listen_error(text, errno);
  }
  return fd;
}

// Removes the socket file of a process that is gone; an error if somebody still answers, or if it
// is no socket.
Status remove_stale(const std::string& path, const SocketAddress& address) {
  struct stat info {};
  if (::lstat(path.c_str(), &info) != 0) {
    return errno == ENOENT ? Status() : sdk::unavailable(path + ": " + errno_text(errno));
  }
  if (!S_ISSOCK(info.st_mode)) {
    return sdk::failed_precondition(path +
                                    " exists and is no socket: remove it or use another path");
  }
  auto probe = new_socket(AF_UNIX);
  if (!probe) return probe.error();
  if (::connect(probe->get(), address.get(), address.size) == 0 || errno != ECONNREFUSED) {
    return sdk::failed_precondition(path +
                                    " is in use by another process: stop it or use another path");
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return sdk::unavailable(path + " is stale and cannot be removed: " + errno_text(errno));
  }
  return {};
}

bool is_shortage(int error) {
  return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

}  // namespace

Listener::Listener(boost::asio::io_context& io, std::string name, Accepted accepted)
    : name_(std::move(name)),
      accepted_(std::move(accepted)),
      socket_(io),
      rest_(Ticker::of(io), &Listener::rested, this) {}

Listener::~Listener() {
  close(false);
}

Result<std::shared_ptr<Listener>> Listener::open_tcp(boost::asio::io_context& io,
                                                     const std::string& address,
                                                     Accepted accepted) {
  auto host_port = split_host_port(address);
  if (!host_port) return host_port.error();
  auto candidates = resolve_to_listen(*host_port);
  if (!candidates) return candidates.error();
  Status status;
  for (const SocketAddress& candidate : *candidates) {
    auto fd = bind_tcp(address, candidate);
    if (!fd) {
      if (status.ok()) status = fd.error();
      continue;
    }
    SocketAddress bound;
    bound.size = sizeof bound.storage;
    ::getsockname(fd->get(), reinterpret_cast<sockaddr*>(&bound.storage), &bound.size);
    auto listener = std::make_shared<Listener>(io, address, std::move(accepted));
    listener->port_ = ntohs(bound.family() == AF_INET6
                                ? reinterpret_cast<const sockaddr_in6&>(bound.storage).sin6_port
                                : reinterpret_cast<const sockaddr_in&>(bound.storage).sin_port);
    if (Status taken = listener->take(std::move(*fd)); !taken.ok()) return taken;
    return listener;
  }
  return status;
}

Result<std::shared_ptr<Listener>> Listener::open_unix(boost::asio::io_context& io,
                                                      const std::string& path, Accepted accepted) {
  auto address = unix_address(path);
  if (!address) return address.error();
  if (Status status = remove_stale(path, *address); !status.ok()) return status;
  auto fd = new_socket(AF_UNIX);
  if (!fd) return fd.error();
  // Before bind(), which takes over the mode: there is no moment in which others may connect.
  ::fchmod(fd->get(), 0600);
  if (::bind(fd->get(), address->get(), address->size) != 0) return listen_error(path, errno);
  auto listener = std::make_shared<Listener>(io, path, std::move(accepted));
  struct stat info {};
  if (::lstat(path.c_str(), &info) == 0) {
    listener->path_ = path;
    listener->device_ = info.st_dev;
    listener->inode_ = info.st_ino;
  }
  if (::listen(fd->get(), kBacklog) != 0) return listen_error(path, errno);
  if (Status taken = listener->take(std::move(*fd)); !taken.ok()) return taken;
  return listener;
}

Status Listener::take(UniqueFd fd) {
  fd_ = fd.get();
  if (!socket_.adopt(fd.release())) return sdk::unavailable(name_ + " cannot be polled");
  return {};
}

void Listener::start() {
  socket_.wait_readable(shared_from_this());
}

void Listener::close(bool accept_waiting) {
  if (!socket_.is_open()) return;
  if (accept_waiting) accept_some(kBacklog);
  rest_.clear();
  socket_.close();
  fd_ = -1;
  remove_path();
}

void Listener::remove_path() {
  struct stat info {};
  // Only what this listener made: another process may have replaced it.
  if (!path_.empty() && ::lstat(path_.c_str(), &info) == 0 && info.st_dev == device_ &&
      info.st_ino == inode_) {
    ::unlink(path_.c_str());
  }
}

void Listener::on_readable() {
  if (!socket_.is_open()) return;
  accept_some(kAcceptsAtOnce);
  if (socket_.is_open() && !rest_.is_set()) start();
}

void Listener::accept_some(int most) {
  for (int i = 0; i < most && socket_.is_open(); ++i) {
    const int fd = ::accept4(fd_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      accepted_(fd);
    } else if (is_shortage(errno)) {
      return rest(errno);
    } else if (errno == EAGAIN || errno == EINVAL || errno == EBADF) {
      return;
    }
    // Everything else concerns the one connection that broke before it was accepted.
  }
}

void Listener::rest(int error) {
  const SteadyTime now = std::chrono::steady_clock::now();
  if (said_ == SteadyTime() || now - said_ >= kBetweenWarnings) {
    said_ = now;
    log::warn("http", "cannot accept connections, trying again: raise the limit of open files",
              {{"listen", name_}, {"error", errno_text(error)}});
  }
  rest_.set_after(kRest);
}

void Listener::rested(void* self) {
  auto& listener = *static_cast<Listener*>(self);
  if (listener.socket_.is_open()) listener.start();
}

}  // namespace berth::http
