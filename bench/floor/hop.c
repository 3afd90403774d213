/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of a hop: a minimal epoll proxy. It reads one HTTP request whole (Content-Length
 * framed) from a TCP client, writes it as it is to a kept unix-socket connection, and the reply
 * back. No JSON, no checks, no records, no time limits: what is left is what the kernel asks for
 * being in between.
 *
 * Usage: hop UNIX_PATH. Prints its port on stdout and serves until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { kBuffer = 64 * 1024, kEvents = 128 };

struct side {
  int fd;
  struct side* peer;
  char* data;
  size_t used;
};

static const char* unix_path;

static void die(const char* what) {
  perror(what);
  exit(1);
}

/* Length of the first whole message in the buffer, or 0 if it is not whole yet. */
static size_t whole(const char* data, size_t used) {
  const char* end = memmem(data, used, "\r\n\r\n", 4);
  if (!end) return 0;
  const size_t header = (size_t)(end - data) + 4;
  size_t length = 0;
  for (const char* line = memchr(data, '\n', header); line && line < end;
       line = memchr(line + 1, '\n', header - (size_t)(line + 1 - data))) {
    if (strncasecmp(line + 1, "content-length:", 15) == 0) length = strtoul(line + 16, NULL, 10);
  }
  return used >= header + length ? header + length : 0;
}

static int connect_upstream(void) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  strncpy(address.sun_path, unix_path, sizeof address.sun_path - 1);
  if (fd < 0 || connect(fd, (struct sockaddr*)&address, sizeof address) != 0) die("connect");
  return fd;
}

static void watch(int epoll, struct side* side) {
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = side};
  if (epoll_ctl(epoll, EPOLL_CTL_ADD, side->fd, &event) != 0) die("epoll_ctl");
}

static struct side* new_side(int fd) {
  struct side* side = calloc(1, sizeof *side);
  if (!side || !(side->data = malloc(kBuffer))) die("malloc");
  side->fd = fd;
  return side;
}

static void accept_one(int epoll, int listener) {
  const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
  const int on = 1;
  if (fd < 0) return;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  struct side* client = new_side(fd);
  struct side* upstream = new_side(connect_upstream());
  client->peer = upstream;
  upstream->peer = client;
  watch(epoll, client);
  watch(epoll, upstream);
}

/* Sides are closed but not freed: an event of this round may still name them. */
static void close_pair(struct side* side) {
  close(side->fd);
  close(side->peer->fd);
  side->fd = side->peer->fd = -1;
}

static void move(struct side* from) {
  if (from->fd < 0) return;
  const ssize_t got = recv(from->fd, from->data + from->used, kBuffer - from->used, MSG_DONTWAIT);
  if (got <= 0) {
    if (got < 0 && errno == EAGAIN) return;
    close_pair(from);
    return;
  }
  from->used += (size_t)got;
  size_t length;
  while ((length = whole(from->data, from->used)) > 0) {
    if (send(from->peer->fd, from->data, length, MSG_NOSIGNAL) != (ssize_t)length) {
      close_pair(from);
      return;
    }
    memmove(from->data, from->data + length, from->used - length);
    from->used -= length;
  }
}

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: hop UNIX_PATH\n");
    return 2;
  }
  unix_path = argv[1];
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t size = sizeof address;
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (bind(listener, (struct sockaddr*)&address, size) != 0 || listen(listener, 128) != 0)
    die("listen");
  getsockname(listener, (struct sockaddr*)&address, &size);
  printf("%d\n", ntohs(address.sin_port));
  fflush(stdout);

  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  struct side entrance = {.fd = listener};
  watch(epoll, &entrance);
  for (;;) {
    struct epoll_event events[kEvents];
    const int count = epoll_wait(epoll, events, kEvents, -1);
    for (int i = 0; i < count; ++i) {
      struct side* side = events[i].data.ptr;
      if (side == &entrance) {
        accept_one(epoll, listener);
      } else {
        move(side);
      }
    }
  }
}
