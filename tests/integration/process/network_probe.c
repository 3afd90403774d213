/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the probe (probe.c) does on networks: connecting, asking, listening, and telling its
 * address.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "abuses.h"

#define PATIENCE_MS 30000

/* "ADDRESS/PORT". */
static int target_of(char* text, struct sockaddr_in* to) {
  char* port = strchr(text, '/');
  if (port == NULL) return -1;
  *port++ = '\0';
  memset(to, 0, sizeof(*to));
  to->sin_family = AF_INET;
  to->sin_port = htons((uint16_t)atoi(port));
  return inet_pton(AF_INET, text, &to->sin_addr) == 1 ? 0 : -1;
}

/* Says what comes back, or the error's name. */
static void exchange(int s, const struct sockaddr_in* to, const char* question, size_t size) {
  char text[512];
  if (connect(s, (const struct sockaddr*)to, sizeof(*to)) != 0 && errno != EINPROGRESS) {
    say("%s", strerrorname_np(errno));
    return;
  }
  struct pollfd p = {s, size > 0 ? POLLOUT : POLLIN, 0};
  if (poll(&p, 1, PATIENCE_MS) != 1) {
    say("silence");
    return;
  }
  if (size > 0 && send(s, question, size, MSG_NOSIGNAL) < 0) {
    say("%s", strerrorname_np(errno));
    return;
  }
  p.events = POLLIN;
  if (poll(&p, 1, PATIENCE_MS) != 1) {
    say("silence");
    return;
  }
  ssize_t n = recv(s, text, sizeof(text) - 1, 0);
  if (n < 0) {
    say("%s", strerrorname_np(errno));
    return;
  }
  text[n] = '\0';
  say("%s", text);
}

static void* echo(void* argument) {
  int listener = (int)(long)argument;
  for (;;) {
    int s = accept(listener, NULL, NULL);
    if (s < 0) return NULL;
    if (send(s, "inside", 6, MSG_NOSIGNAL) < 0) say("");
    close(s);
  }
}

void network_command(const char* what, char* rest) {
  struct sockaddr_in address;
  int s = -1;
  if (!strcmp(what, "address")) {
    struct ifreq request = {.ifr_addr.sa_family = AF_INET};
    strcpy(request.ifr_name, "eth0");
    s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (ioctl(s, SIOCGIFADDR, &request) != 0) {
      say("%s", strerrorname_np(errno));
    } else {
      memcpy(&address, &request.ifr_addr, sizeof(address));
      say("%s", inet_ntoa(address.sin_addr));
    }
  } else if (!strcmp(what, "serve")) {
    memset(&address, 0, sizeof(address));
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)atoi(rest));
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    pthread_t thread;
    if (bind(listener, (struct sockaddr*)&address, sizeof(address)) == 0 &&
        listen(listener, 16) == 0 &&
        pthread_create(&thread, NULL, echo, (void*)(long)listener) == 0) {
      say("serving");
    } else {
      say("%s", strerrorname_np(errno));
    }
  } else if (target_of(rest, &address) != 0) {
    say("no address");
  } else if (!strcmp(what, "tcp")) {
    s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    exchange(s, &address, "", 0);
  } else if (!strcmp(what, "udp")) {
    s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    exchange(s, &address, "question", 8);
  } else {
    say("unknown network command %s", what);
  }
  if (s >= 0) close(s);
}
