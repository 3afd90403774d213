/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe: the function the process plugin's tests run in a sandbox. It serves HTTP on the descriptor
 * in BERTH_LISTEN_FD, one request a connection; the path is a command and the body of the answer
 * what it found. Statically linked, so that it runs in any root.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/if_packet.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abuses.h"

#define ROOM (256 * 1024)
static char answer[ROOM];
static size_t answer_size;
static atomic_ulong ticks;
static char* volatile kept;

void say(const char* format, ...) {
  va_list args;
  va_start(args, format);
  int n = vsnprintf(answer + answer_size, ROOM - answer_size, format, args);
  va_end(args);
  if (n > 0) answer_size += (size_t)n;
  if (answer_size > ROOM - 1) answer_size = ROOM - 1;
}

static void* tick(void* unused) {
  for (;;) {
    atomic_fetch_add(&ticks, 1);
    usleep(1000);
  }
  return unused;
}

/* "name=ok" or "name=<errno name>". */
void outcome(const char* name, long result) {
  say("%s=%s\n", name, result >= 0 ? "ok" : strerrorname_np(errno));
}

static void try_open(const char* name, const char* path, int flags) {
  int fd = open(path, flags);
  outcome(name, fd);
  if (fd >= 0) close(fd);
}

/* Everything a function must not be able to do. */
static void report_escapes(void) {
  union bpf_attr bpf = {0};
  int pipe_fds[2];
  outcome("mount", mount("none", "/tmp", "tmpfs", 0, NULL));
  outcome("umount", umount2("/tmp", MNT_DETACH));
  outcome("pivot_root", syscall(SYS_pivot_root, ".", "."));
  outcome("chroot", chroot("/tmp"));
  outcome("unshare_user", unshare(CLONE_NEWUSER));
  outcome("unshare_mount", unshare(CLONE_NEWNS));
  outcome("setns", setns(0, 0));
  outcome("clone3", syscall(SYS_clone3, NULL, 0));
  outcome("clone_newuser", syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0));
  outcome("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0));
  outcome("bpf", syscall(SYS_bpf, 0, &bpf, sizeof(bpf)));
  outcome("keyctl", syscall(SYS_keyctl, 0, -3, 0, 0, 0));
  outcome("add_key", syscall(SYS_add_key, "user", "x", "y", 1, -3));
  outcome("perf", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
  outcome("userfaultfd", syscall(SYS_userfaultfd, 0));
  outcome("io_uring", syscall(SYS_io_uring_setup, 1, NULL));
  outcome("process_vm_readv", syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0));
  outcome("open_by_handle", syscall(SYS_open_by_handle_at, 0, NULL, 0));
  outcome("init_module", syscall(SYS_init_module, NULL, 0, ""));
  outcome("reboot", syscall(SYS_reboot, 0, 0, 0, NULL));
  outcome("sethostname", sethostname("x", 1));
  outcome("settimeofday", syscall(SYS_settimeofday, NULL, NULL));
  outcome("swapon", syscall(SYS_swapon, "/tmp", 0));
  outcome("personality", syscall(SYS_personality, 0x0400000));
  outcome("packet_socket", socket(AF_PACKET, SOCK_RAW, 0));
  outcome("raw_socket", socket(AF_INET, SOCK_RAW, 1));
  outcome("vsock", socket(40, SOCK_STREAM, 0));
  outcome("netlink_audit", socket(AF_NETLINK, SOCK_RAW, 9));
  outcome("mknod", mknod("/tmp/disk", S_IFBLK | 0600, 0x0800));
  outcome("setuid0", setuid(0));
  outcome("setgid0", setgid(0));
  outcome("nice", setpriority(PRIO_PROCESS, 0, -5));
  try_open("shadow", "/etc/shadow", O_RDONLY);
  try_open("root_home", "/root", O_RDONLY);
  try_open("host_home", "/home", O_RDONLY);
  try_open("sys", "/sys", O_RDONLY);
  try_open("kcore", "/proc/kcore", O_RDONLY);
  try_open("sysrq", "/proc/sysrq-trigger", O_WRONLY);
  try_open("core_pattern", "/proc/sys/kernel/core_pattern", O_WRONLY);
  try_open("write_usr", "/usr/x", O_WRONLY | O_CREAT);
  try_open("write_etc", "/etc/passwd", O_WRONLY);
  try_open("write_root", "/x", O_WRONLY | O_CREAT);
  try_open("write_runtime", "/berth/runtimes/x", O_WRONLY | O_CREAT);
  try_open("write_tmp", "/tmp/x", O_WRONLY | O_CREAT);
  try_open("write_shm", "/dev/shm/x", O_WRONLY | O_CREAT);
  try_open("disk", "/dev/vda", O_RDONLY);
  try_open("mem", "/dev/mem", O_RDONLY);
  try_open("pts", "/dev/ptmx", O_RDWR);
  try_open("uid_map", "/proc/self/uid_map", O_WRONLY);
  try_open("cgroup", "/sys/fs/cgroup", O_RDONLY);
  try_open("null", "/dev/null", O_RDWR);
  try_open("urandom", "/dev/urandom", O_RDONLY);
  try_open("fd_of_init", "/proc/1/root/etc/shadow", O_RDONLY);
  outcome("pipe", pipe(pipe_fds));
}

static void report_self(void) {
  char line[512];
  struct rlimit limit;
  say("pid=%d\nuid=%d\neuid=%d\ngid=%d\ngroups=%d\n", getpid(), getuid(), geteuid(), getgid(),
      getgroups(0, NULL));
  gethostname(line, sizeof(line));
  say("host=%s\n", line);
  say("cwd=%s\n", getcwd(line, sizeof(line)));
  getrlimit(RLIMIT_NOFILE, &limit);
  say("nofile=%lu\n", (unsigned long)limit.rlim_max);
  getrlimit(RLIMIT_CORE, &limit);
  say("core=%lu\n", (unsigned long)limit.rlim_max);
  FILE* status = fopen("/proc/self/status", "r");
  while (status && fgets(line, sizeof(line), status)) {
    if (!strncmp(line, "Cap", 3) || !strncmp(line, "NoNewPrivs", 10) ||
        !strncmp(line, "Seccomp:", 8) || !strncmp(line, "SigIgn", 6) ||
        !strncmp(line, "SigBlk", 6)) {
      say("%s", line);
    }
  }
  if (status) fclose(status);
  say("fds=");
  for (int fd = 0; fd < 1024; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) say("%d ", fd);
  }
  say("\n");
}

static void cat(const char* path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) {
    say("error %s", strerrorname_np(errno));
    return;
  }
  ssize_t n;
  while ((n = read(fd, answer + answer_size, ROOM - answer_size - 1)) > 0) answer_size += (size_t)n;
  close(fd);
}

static void list(const char* path) {
  DIR* dir = opendir(path);
  if (dir == NULL) {
    say("error %s", strerrorname_np(errno));
    return;
  }
  struct dirent* entry;
  while ((entry = readdir(dir)) != NULL) say("%s\n", entry->d_name);
  closedir(dir);
}

static void allocate(unsigned long megabytes) {
  for (unsigned long i = 0; i < megabytes; ++i) {
    char* block = malloc(1 << 20);
    if (block == NULL) break;
    memset(block, 1, 1 << 20);
    kept = block; /* or the compiler sees through it and allocates nothing */
  }
  say("allocated");
}

static void forks(int wanted) {
  int made = 0;
  for (int i = 0; i < wanted; ++i) {
    pid_t pid = fork();
    if (pid < 0) {
      say("error=%s\n", strerrorname_np(errno));
      break;
    }
    if (pid == 0) {
      for (int fd = 4; fd < 64; ++fd) close(fd); /* the client waits for the connection's end */
      for (;;) pause();
    }
    ++made;
  }
  say("made=%d\n", made);
}

static void fill(unsigned long megabytes) {
  static char block[1 << 20];
  int fd = open("/tmp/fill", O_WRONLY | O_CREAT | O_TRUNC, 0600);
  unsigned long written = 0;
  for (unsigned long i = 0; i < megabytes; ++i) {
    ssize_t n = write(fd, block, sizeof(block));
    if (n <= 0) {
      say("error=%s\n", strerrorname_np(errno));
      break;
    }
    written += (unsigned long)n;
  }
  say("written=%lu\n", written);
  close(fd);
  unlink("/tmp/fill");
}

static void flood(unsigned long bytes) {
  static char line[1025];
  memset(line, 'x', 1023);
  line[1023] = '\n';
  for (unsigned long done = 0; done < bytes; done += 1024) {
    if (write(1, line, 1024) != 1024) break;
  }
  say("flooded");
}

static void abstract(const char* name) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  strncpy(address.sun_path + 1, name, sizeof(address.sun_path) - 2);
  socklen_t length = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
  int fd = socket(AF_UNIX, SOCK_STREAM, 0);
  outcome("abstract", connect(fd, (struct sockaddr*)&address, length));
  close(fd);
}

static void run(char* path) {
  char* rest = strchr(path, '/');
  const char* command = path;
  if (rest != NULL) *rest++ = '\0';
  unsigned long number = rest != NULL ? strtoul(rest, NULL, 10) : 0;
  if (!strcmp(command, "hello")) {
    say("hello");
  } else if (!strcmp(command, "exit")) {
    _exit((int)number);
  } else if (!strcmp(command, "raise")) {
    signal((int)number, SIG_DFL);
    *(volatile int*)0 = 0;
  } else if (!strcmp(command, "print")) {
    printf("%s\n", rest);
    fflush(stdout);
  } else if (!strcmp(command, "warn")) {
    fprintf(stderr, "%s\n", rest);
  } else if (!strcmp(command, "part")) {
    printf("%s", rest);
    fflush(stdout);
  } else if (!strcmp(command, "flood")) {
    flood(number);
  } else if (!strcmp(command, "alloc")) {
    allocate(number);
  } else if (!strcmp(command, "child-alloc")) {
    pid_t pid = fork();
    if (pid == 0) {
      allocate(number);
      _exit(0);
    }
    waitpid(pid, NULL, 0);
  } else if (!strcmp(command, "forks")) {
    forks((int)number);
  } else if (!strcmp(command, "fill")) {
    fill(number);
  } else if (!strcmp(command, "ticks")) {
    say("%lu", (unsigned long)atomic_load(&ticks));
  } else if (!strcmp(command, "escapes")) {
    report_escapes();
  } else if (!strcmp(command, "abuse")) {
    abuse(rest);
  } else if (!strcmp(command, "address") || !strcmp(command, "serve") || !strcmp(command, "tcp") ||
             !strcmp(command, "udp")) {
    network_command(command, rest);
  } else if (!strcmp(command, "self")) {
    report_self();
  } else if (!strcmp(command, "env")) {
    for (char** e = environ; *e != NULL; ++e) say("%s\n", *e);
  } else if (!strcmp(command, "abstract")) {
    abstract(rest);
  } else if (!strcmp(command, "cat")) {
    *--rest = '/';
    cat(rest);
  } else if (!strcmp(command, "list")) {
    *--rest = '/';
    list(rest);
  } else {
    say("unknown command %s", command);
  }
}

int main(void) {
  const char* listen_fd = getenv("BERTH_LISTEN_FD");
  if (listen_fd == NULL) return 99;
  pthread_t thread;
  pthread_create(&thread, NULL, tick, NULL);
  for (;;) {
    int connection = accept(atoi(listen_fd), NULL, NULL);
    if (connection < 0) continue;
    static char request[65536];
    ssize_t n = read(connection, request, sizeof(request) - 1);
    answer_size = 0;
    if (n > 0) {
      request[n] = '\0';
      char* path = strchr(request, '/');
      char* end = path != NULL ? strchr(path, ' ') : NULL;
      if (end != NULL) {
        *end = '\0';
        run(path + 1);
      }
    }
    char head[128];
    int size =
        snprintf(head, sizeof(head), "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", answer_size);
    if (write(connection, head, (size_t)size) > 0) {
      size_t sent = 0;
      while (sent < answer_size) {
        ssize_t m = write(connection, answer + sent, answer_size - sent);
        if (m <= 0) break;
        sent += (size_t)m;
      }
    }
    close(connection);
  }
}
