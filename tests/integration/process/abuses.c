/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a hostile function tries, one command each; the report says what came of it. Part of the
 * probe (probe.c). abuse() answers by say() and outcome(): "name=ok" or "name=ERRNO".
 */
#define _GNU_SOURCE
#include "abuses.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/aio_abi.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef RWF_NOWAIT
#define RWF_NOWAIT 8
#endif

static void try_write(const char* name, const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0) {
    outcome(name, -1);
    return;
  }
  ssize_t n = write(fd, text, strlen(text));
  int error = errno;
  close(fd);
  errno = error;
  outcome(name, n);
}

static void writes(void) {
  try_write("core_pattern", "/proc/sys/kernel/core_pattern", "|/tmp/x");
  try_write("modprobe", "/proc/sys/kernel/modprobe", "/tmp/x");
  try_write("drop_caches", "/proc/sys/vm/drop_caches", "3");
  try_write("ip_forward", "/proc/sys/net/ipv4/ip_forward", "1");
  try_write("hostname", "/proc/sys/kernel/hostname", "x");
  try_write("ns_last_pid", "/proc/sys/kernel/ns_last_pid", "1");
  try_write("sysrq", "/proc/sysrq-trigger", "b");
  try_write("oom_score", "/proc/self/oom_score_adj", "-1000");
  try_write("uid_map", "/proc/self/uid_map", "0 0 1");
  try_write("gid_map", "/proc/self/gid_map", "0 0 1");
  try_write("setgroups", "/proc/self/setgroups", "allow");
  try_write("irq", "/proc/irq/default_smp_affinity", "1");
  try_write("mtrr", "/proc/mtrr", "disable=0");
  try_write("cgroup_release", "/sys/fs/cgroup/release_agent", "/tmp/x");
  try_write("uevent", "/sys/kernel/uevent_helper", "/tmp/x");
  try_write("exe", "/proc/self/exe", "x");
  try_write("exe_of_first", "/proc/1/exe", "x");
  try_write("host_by_cwd", "/proc/1/cwd/../../../etc/passwd", "x");
  try_write("runtime", "/berth/runtimes/probe/probe", "x");
  try_write("null", "/dev/null", "x");
  try_write("stdout", "/dev/stdout", "written to /dev/stdout\n");
  int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  char path[64];
  snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
  try_write("exe_reopened", path, "x");
  close(fd);
}

static void mounts(void) {
  outcome("fsopen", syscall(SYS_fsopen, "tmpfs", 0));
  outcome("open_tree", syscall(SYS_open_tree, AT_FDCWD, "/", 1));
  outcome("move_mount", syscall(SYS_move_mount, -1, "", -1, "/tmp", 4));
  outcome("mount_setattr", syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, NULL, 0));
  outcome("remount", syscall(SYS_mount, "", "/usr", "", 32UL /* MS_REMOUNT */, NULL));
  outcome("fanotify", syscall(SYS_fanotify_init, 0, 0));
  outcome("quotactl", syscall(SYS_quotactl, 0, NULL, 0, NULL));
  outcome("setns_own", syscall(SYS_setns, open("/proc/1/ns/mnt", O_RDONLY | O_CLOEXEC), 0));
  outcome("unshare_net", unshare(CLONE_NEWNET));
  outcome("link_proc_root", symlink("/proc/1/root/../../../..", "/tmp/up"));
  outcome("through_link", open("/tmp/up/root/.ssh", O_RDONLY | O_CLOEXEC));
}

static void devices(void) {
  outcome("mem", mknod("/tmp/mem", S_IFCHR | 0600, makedev(1, 1)));
  outcome("disk", mknod("/tmp/disk", S_IFBLK | 0600, makedev(8, 0)));
  outcome("kvm", mknod("/tmp/kvm", S_IFCHR | 0600, makedev(10, 232)));
  outcome("fifo", mkfifo("/tmp/fifo", 0600));
  outcome("in_dev", open("/dev/x", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
  outcome("remove_null", unlink("/dev/null"));
  outcome("chmod_null", chmod("/dev/null", 0));
}

static void networks(void) {
  outcome("raw", socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
  outcome("raw6", socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6));
  outcome("packet", socket(AF_PACKET, SOCK_DGRAM, 0));
  outcome("alg", socket(38 /* AF_ALG */, SOCK_SEQPACKET, 0));
  outcome("bluetooth", socket(31, SOCK_RAW, 0));
  outcome("netfilter", socket(AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER));
  outcome("xfrm", socket(AF_NETLINK, SOCK_RAW, NETLINK_XFRM));
  int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  struct ifreq request = {.ifr_flags = 0};
  strcpy(request.ifr_name, "lo");
  outcome("loopback_down", ioctl(s, SIOCSIFFLAGS, &request));
  strcpy(request.ifr_name, "eth0");
  outcome("eth0_down", ioctl(s, SIOCSIFFLAGS, &request));
  outcome("other_address", ioctl(s, SIOCSIFADDR, &request));
  outcome("other_mac", ioctl(s, SIOCSIFHWADDR, &request));
  int on = 1;
  outcome("transparent", setsockopt(s, IPPROTO_IP, IP_TRANSPARENT, &on, sizeof(on)));
  outcome("mark", setsockopt(s, SOL_SOCKET, SO_MARK, &on, sizeof(on)));
  /* A neighbour's address as one's own: binding to it may be let, sending is not. */
  struct sockaddr_in other = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x0a1f0001)};
  struct sockaddr_in far = {
      .sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0x08080808)};
  setsockopt(s, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
  bind(s, (struct sockaddr*)&other, sizeof(other));
  outcome("spoof", sendto(s, "x", 1, 0, (struct sockaddr*)&far, sizeof(far)));
  close(s);
  static const struct {
    const char* name;
    int type;
  } changes[] = {{"new_address", RTM_NEWADDR},   {"new_route", RTM_NEWROUTE},
                 {"remove_route", RTM_DELROUTE}, {"remove_limit", RTM_DELQDISC},
                 {"new_limit", RTM_NEWQDISC},    {"new_neighbour", RTM_NEWNEIGH},
                 {"new_rule", RTM_NEWRULE},      {"remove_link", RTM_DELLINK}};
  for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); ++i) {
    struct {
      struct nlmsghdr header;
      char body[64];
      struct nlmsgerr error;
    } change = {{sizeof(struct nlmsghdr) + 64, (unsigned short)changes[i].type,
                 NLM_F_REQUEST | NLM_F_ACK, 1, 0},
                {2 /* AF_INET */},
                {0}};
    int netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    char reply[512];
    long result = -1;
    if (send(netlink, &change, change.header.nlmsg_len, 0) >= 0 &&
        recv(netlink, reply, sizeof(reply), 0) >= (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr))) {
      result = ((struct nlmsgerr*)NLMSG_DATA((struct nlmsghdr*)reply))->error;
      errno = (int)-result;
    }
    outcome(changes[i].name, result);
    close(netlink);
  }
  struct {
    struct nlmsghdr head;
    struct ifinfomsg info;
  } link = {{sizeof(link), RTM_NEWLINK, NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE, 1, 0}, {0}};
  s = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  char reply[4096];
  if (send(s, &link, sizeof(link), 0) < 0 || recv(s, reply, sizeof(reply), 0) < 0) {
    outcome("new_link", -1);
  } else {
    struct nlmsghdr* head = (struct nlmsghdr*)reply;
    errno = -((struct nlmsgerr*)NLMSG_DATA(head))->error;
    outcome("new_link", errno == 0 ? 0 : -1);
  }
  close(s);
}

static void processes(void) {
  outcome("attach_first", ptrace(PTRACE_ATTACH, 1, 0, 0));
  outcome("read_first", syscall(SYS_process_vm_readv, 1, NULL, 0, NULL, 0, 0));
  outcome("write_first", syscall(SYS_process_vm_writev, 1, NULL, 0, NULL, 0, 0));
  outcome("kcmp", syscall(SYS_kcmp, 1, 1, 0, 0, 0));
  outcome("pidfd_getfd", syscall(SYS_pidfd_getfd, 0, 0, 0));
  int found = 0; /* 2 is our own thread */
  for (pid_t pid = 3; pid < 70000; ++pid) found += kill(pid, 0) == 0 || errno != ESRCH;
  say("foreign_pids=%d\n", found);
  /* All that can be reached: a child of ours. */
  pid_t child = fork();
  if (child == 0) {
    for (;;) pause();
  }
  outcome("kill_all", kill(-1, SIGKILL));
  waitpid(child, NULL, 0);
  outcome("kill_all_again", kill(-1, SIGKILL));
  int pipe_fds[2];
  if (pipe(pipe_fds) == 0) {
    outcome("sigio_to_parent", fcntl(pipe_fds[0], F_SETOWN, 9));
    close(pipe_fds[0]);
    close(pipe_fds[1]);
  }
  const struct sched_param fifo = {.sched_priority = 1};
  outcome("realtime", sched_setscheduler(0, SCHED_FIFO, &fifo));
  outcome("nice", setpriority(PRIO_PROCESS, 0, -20));
}

static void limits(void) {
  struct rlimit limit = {4096, 4096};
  outcome("raise_files", setrlimit(RLIMIT_NOFILE, &limit));
  limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
  outcome("raise_core", setrlimit(RLIMIT_CORE, &limit));
  outcome("raise_memlock", setrlimit(RLIMIT_MEMLOCK, &limit));
  limit.rlim_cur = limit.rlim_max = 0;
  outcome("zero_core", setrlimit(RLIMIT_CORE, &limit));
  outcome("zero_core_other_call", prlimit(0, RLIMIT_CORE, &limit, NULL));
  getrlimit(RLIMIT_CORE, &limit);
  say("core=%lu\n", (unsigned long)limit.rlim_cur);
  struct mq_attr queue = {.mq_maxmsg = 10, .mq_msgsize = 8192};
  outcome("queue", mq_open("/q", O_CREAT | O_RDWR, 0600, &queue));
  void* memory = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  outcome("mlock", mlock(memory, 1 << 20));
  munmap(memory, 1 << 20);
}

/* What the page cache holds tells what others have read. */
static void timing(void) {
  int fd = open("/usr/lib/os-release", O_RDONLY | O_CLOEXEC);
  char byte;
  struct iovec io = {&byte, 1};
  struct {
    unsigned long offset, length;
  } range = {0, 4096};
  unsigned long found[5];
  outcome("cachestat", syscall(451, fd, &range, found, 0));
  outcome("nowait", preadv2(fd, &io, 1, 0, RWF_NOWAIT));
  outcome("read", preadv2(fd, &io, 1, 0, 0));
  unsigned char resident = 0;
  void* page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
  mincore(page, 4096, &resident);
  say("mincore=%d\n", resident & 1);
  struct iocb read_if_there = {.aio_lio_opcode = IOCB_CMD_PREAD,
                               .aio_fildes = (unsigned)fd,
                               .aio_buf = (unsigned long)&byte,
                               .aio_nbytes = 1,
                               .aio_rw_flags = RWF_NOWAIT};
  struct iocb* requests[] = {&read_if_there};
  aio_context_t context = 0;
  outcome("aio_setup", syscall(SYS_io_setup, 1, &context));
  outcome("aio", syscall(SYS_io_submit, context, 1, requests));
  outcome("perf", syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0));
  close(fd);
}

static void files(void) {
  unsigned long made = 0;
  char name[64];
  for (;; ++made) {
    snprintf(name, sizeof(name), "/tmp/i%lu", made);
    int fd = open(name, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    if (fd < 0) break;
    close(fd);
  }
  say("inodes=%lu\ninodes_end=%s\n", made, strerrorname_np(errno));
  for (unsigned long i = 0; i < made; ++i) {
    snprintf(name, sizeof(name), "/tmp/i%lu", i);
    unlink(name);
  }
}

static void descriptors(void) {
  static int fds[8192];
  int made = 0;
  while (made < 8192 && (fds[made] = dup(0)) >= 0) ++made;
  say("descriptors=%d\ndescriptors_end=%s\n", made, strerrorname_np(errno));
  while (made > 0) close(fds[--made]);
}

static void bomb(void) {
  /* Everything that is born forks on, without an end. */
  if (fork() == 0) {
    for (int fd = 3; fd < 64; ++fd) close(fd);
    for (;;) {
      if (fork() < 0) usleep(100);
    }
  }
  say("lit\n");
}

static void touch(char* memory, size_t size) {
  for (size_t i = 0; i < size; i += 4096) memory[i] = 1;
}

static void memory_by(const char* how, size_t size) {
  if (!strcmp(how, "memfd")) {
    int fd = memfd_create("x", MFD_CLOEXEC);
    if (ftruncate(fd, (off_t)size) == 0) {
      touch(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), size);
    }
  } else if (!strcmp(how, "shm")) {
    int id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
    char* memory = shmat(id, NULL, 0);
    if (memory != (char*)-1) touch(memory, size);
  } else if (!strcmp(how, "tmp")) {
    static char block[1 << 20];
    int fd = open("/tmp/fill", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    for (size_t done = 0; done < size; done += sizeof(block)) {
      if (write(fd, block, sizeof(block)) < 0) break;
    }
  } else {
    touch(mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), size);
  }
  say("got it all\n");
}

void abuse(const char* what) {
  if (!strcmp(what, "writes")) writes();
  if (!strcmp(what, "mounts")) mounts();
  if (!strcmp(what, "devices")) devices();
  if (!strcmp(what, "networks")) networks();
  if (!strcmp(what, "processes")) processes();
  if (!strcmp(what, "limits")) limits();
  if (!strcmp(what, "timing")) timing();
  if (!strcmp(what, "files")) files();
  if (!strcmp(what, "descriptors")) descriptors();
  if (!strcmp(what, "bomb")) bomb();
  if (!strncmp(what, "memory-", 7)) memory_by(what + 7, 200ul << 20);
}
