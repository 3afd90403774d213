// SPDX-License-Identifier: Apache-2.0
#include "small_internet.hpp"

#include <arpa/inet.h>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

namespace berth::process::test {
namespace {

int bound(int type, const char* address, uint16_t port) {
  const int fd = ::socket(AF_INET, type | SOCK_CLOEXEC, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  // The address may come later.
  ::setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  ::inet_pton(AF_INET, address, &to.sin_addr);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) ::_exit(3);
  if (type == SOCK_STREAM && ::listen(fd, 64) != 0) ::_exit(4);
  return fd;
}

std::string text_of(const sockaddr_in& address) {
  char text[INET_ADDRSTRLEN] = "";
  ::inet_ntop(AF_INET, &address.sin_addr, text, sizeof(text));
  return text;
}

void answer_tcp(int listener) {
  const int fd = ::accept(listener, nullptr, nullptr);
  if (fd < 0) return;
  sockaddr_in remote{}, local{};
  socklen_t size = sizeof(remote);
  ::getpeername(fd, reinterpret_cast<sockaddr*>(&remote), &size);
  size = sizeof(local);
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size);
  const std::string text = text_of(remote) + " " + text_of(local);
  (void)!::send(fd, text.data(), text.size(), MSG_NOSIGNAL);
  ::close(fd);
}

void answer_udp(int fd) {
  char text[512];
  sockaddr_in remote{};
  socklen_t size = sizeof(remote);
  const ssize_t n =
      ::recvfrom(fd, text, sizeof(text), 0, reinterpret_cast<sockaddr*>(&remote), &size);
  if (n <= 0) return;
  std::string reply(text, static_cast<size_t>(n));
  if (reply == "question") {
    sockaddr_in local{};
    socklen_t length = sizeof(local);
    ::getsockname(fd, reinterpret_cast<sockaddr*>(&local), &length);
    reply = text_of(local);
  } else if (n >= 12) {
    // A name's address, whatever it is: the question, and an answer that points at it.
    const bool wants_a = reply.size() > 16 && reply.find(std::string("\0\1\0\1", 4)) != reply.npos;
    const size_t end = reply.find(std::string("\0", 1), 12) + 5;
    reply.resize(end);
    reply[2] = static_cast<char>(0x81);
    reply[3] = static_cast<char>(0x80);
    reply[7] = wants_a ? 1 : 0;
    std::memset(&reply[8], 0, 4);
    if (wants_a) reply += std::string("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x09\x09\x09\x09", 16);
  }
  (void)!::sendto(fd, reply.data(), reply.size(), 0, reinterpret_cast<const sockaddr*>(&remote),
                  size);
}

}  // namespace

std::string SmallInternet::sh(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "re");
  if (pipe == nullptr) return "(failed)";
  std::string text;
  char chunk[4096];
  for (size_t n; (n = std::fread(chunk, 1, sizeof(chunk), pipe)) > 0;) text.append(chunk, n);
  return (::pclose(pipe) == 0 ? "" : "(failed) ") + text;
}

void SmallInternet::serve(int ready_pipe) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  std::vector<pollfd> listeners;
  // The host's own services, then the world's.
  listeners.push_back({bound(SOCK_STREAM, "0.0.0.0", 80), POLLIN, 0});
  listeners.push_back({bound(SOCK_STREAM, "127.0.0.1", 81), POLLIN, 0});
  if (::unshare(CLONE_NEWNET) != 0) ::_exit(2);
  for (const uint16_t port : {80, 5432}) {
    listeners.push_back({bound(SOCK_STREAM, "0.0.0.0", port), POLLIN, 0});
  }
  // Without a local route the kernel takes an address for a broadcast one, which is no source.
  const int control = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq loopback{};
  std::strcpy(loopback.ifr_name, "lo");
  loopback.ifr_flags = IFF_UP;
  if (::ioctl(control, SIOCSIFFLAGS, &loopback) != 0) ::_exit(5);
  ::close(control);
  const size_t streams = listeners.size();
  for (const char* address : {kPublic, kNameServer}) {
    listeners.push_back({bound(SOCK_DGRAM, address, 53), POLLIN, 0});
  }
  (void)!::write(ready_pipe, "r", 1);
  for (;;) {
    if (::poll(listeners.data(), listeners.size(), -1) < 0) continue;
    for (size_t i = 0; i < listeners.size(); ++i) {
      if (listeners[i].revents == 0) continue;
      i < streams ? answer_tcp(listeners[i].fd) : answer_udp(listeners[i].fd);
    }
  }
}

SmallInternet::SmallInternet() {
  if (::unshare(CLONE_NEWNET | CLONE_NEWNS) != 0) return;
  ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr);
  // As most hosts have it: for everyone.
  ::mkdir("/dev/net", 0755);
  if (::mount("net", "/dev/net", "tmpfs", 0, "mode=0755") != 0 ||
      ::mknod("/dev/net/tun", S_IFCHR | 0666, makedev(10, 200)) != 0 ||
      ::chmod("/dev/net/tun", 0666) != 0) {
    return;
  }
  int fds[2];
  if (::pipe(fds) != 0) return;
  child_ = ::fork();
  if (child_ == 0) serve(fds[1]);
  ::close(fds[1]);
  char byte;
  const bool serving = ::read(fds[0], &byte, 1) == 1;
  ::close(fds[0]);
  if (!serving) return;
  const std::string pid = std::to_string(child_);
  const std::string inside = "nsenter -t " + pid + " -n ";
  std::string script =
      "set -e; ip link set lo up;"
      "ip link add up0 type veth peer name net0 netns " +
      pid +
      ";"
      "ip addr add 5.6.7.1/24 dev up0; ip addr add 5.6.7.9/24 dev up0;"
      "ip link set up0 up;" +
      inside + "ip link set lo up;" + inside + "ip addr add 5.6.7.2/24 dev net0;" + inside +
      "ip link set net0 up; ip route add default via 5.6.7.2;";
  std::vector<std::string> addresses(std::begin(kPrivate), std::end(kPrivate));
  for (const char* address : {kPublic, kOtherPublic, kNameServer}) addresses.emplace_back(address);
  for (const auto& address : addresses) {
    script += inside + "ip addr add " + address + "/32 dev lo;";
  }
  const std::string said = sh(script);
  if (!said.empty()) std::fprintf(stderr, "%s\n", said.c_str());
  std::ofstream("/proc/sys/net/ipv4/ip_forward") << "1";
  ready_ = said.empty();
}

SmallInternet::~SmallInternet() {
  if (child_ <= 0) return;
  ::kill(child_, SIGKILL);
  ::waitpid(child_, nullptr, 0);
}

}  // namespace berth::process::test
