// SPDX-License-Identifier: Apache-2.0
#include "seccomp_filter.hpp"

#include <cerrno>
#include <initializer_list>
#include <linux/sched.h>
#include <memory>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "protocol/packet_socket.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process {
namespace {

// clang-format off
// One paragraph a subject. Names this libseccomp or this architecture does not know are skipped.
constexpr const char* kAllowed[] = {
    // Files and directories.
    "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup",
    "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod",
    "fchmodat", "fchmodat2", "fchown", "fchownat", "fcntl", "fdatasync", "flock", "fstat", "fstatfs",
    "fsync", "ftruncate", "futimesat", "getcwd", "getdents", "getdents64", "lchown", "link", "linkat",
    "lseek", "lstat", "mkdir", "mkdirat", "mknod", "mknodat", "newfstatat", "open", "openat",
    "openat2", "pread64", "preadv", "pwrite64", "pwritev", "pwritev2", "read", "readahead",
    "readlink", "readlinkat", "readv", "rename", "renameat", "renameat2", "rmdir", "sendfile",
    "splice", "stat", "statfs", "statx", "symlink", "symlinkat", "sync", "sync_file_range", "syncfs",
    "tee", "truncate", "umask", "unlink", "unlinkat", "utime", "utimensat", "utimes", "vmsplice",
    "write", "writev",
    // Device controls: no terminal exists in a sandbox to push input into, and its few devices offer
    // nothing without capabilities.
    "ioctl",
    // Extended attributes; the file systems in a sandbox have only harmless ones.
    "fgetxattr", "flistxattr", "fremovexattr", "fsetxattr", "getxattr", "lgetxattr", "listxattr",
    "llistxattr", "lremovexattr", "lsetxattr", "removexattr", "setxattr",
    // Waiting on descriptors.
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_ctl_old", "epoll_pwait", "epoll_pwait2",
    "epoll_wait", "epoll_wait_old", "eventfd", "eventfd2", "inotify_add_watch", "inotify_init",
    "inotify_init1", "inotify_rm_watch", "pipe", "pipe2", "poll", "ppoll", "pselect6", "select",
    "signalfd", "signalfd4", "timerfd_create", "timerfd_gettime", "timerfd_settime",
    // Sockets that exist already; `socket` itself is limited below.
    "accept", "accept4", "bind", "connect", "getpeername", "getsockname", "getsockopt", "listen",
    "recvfrom", "recvmmsg", "recvmsg", "sendmmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
    "socketpair",
    // Memory.
    "brk", "madvise", "map_shadow_stack", "membarrier", "memfd_create", "mincore", "mlock", "mlock2",
    "mlockall", "mmap", "mprotect", "mremap", "mseal", "msync", "munlock", "munlockall", "munmap",
    "pkey_alloc", "pkey_free", "pkey_mprotect", "remap_file_pages", "process_madvise",
    // Processes and threads; `clone` is limited below.
    "arch_prctl", "execve", "execveat", "exit", "exit_group", "fork", "futex", "futex_waitv",
    "get_robust_list", "get_thread_area", "getpgid", "getpgrp", "getpid", "getppid", "getpriority",
    "getsid", "gettid", "kill", "pidfd_open", "pidfd_send_signal", "prctl",
    "process_mrelease", "restart_syscall", "rseq", "set_robust_list", "set_thread_area",
    "set_tid_address", "setpgid", "setpriority", "setsid", "tgkill", "tkill", "vfork", "wait4",
    "waitid", "waitpid", "ioprio_get", "ioprio_set",
    // Scheduling of one's own threads.
    "getcpu", "sched_get_priority_max", "sched_get_priority_min", "sched_getaffinity",
    "sched_getattr", "sched_getparam", "sched_getscheduler", "sched_rr_get_interval",
    "sched_setaffinity", "sched_setattr", "sched_setparam", "sched_setscheduler", "sched_yield",
    // Signals.
    "pause", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo", "rt_sigreturn",
    "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo", "sigaltstack",
    // Ids. Without capabilities they can only confirm what is.
    "capget", "capset", "getegid", "geteuid", "getgid", "getgroups", "getresgid", "getresuid",
    "getuid", "setfsgid", "setfsuid", "setgid", "setgroups", "setregid", "setresgid", "setresuid",
    "setreuid", "setuid",
    // Time.
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "gettimeofday",
    "nanosleep", "setitimer", "time", "timer_create", "timer_delete", "timer_getoverrun",
    "timer_gettime", "timer_settime", "times",
    // Facts and limits.
    "getrandom", "getrlimit", "getrusage", "sysinfo", "uname",
    // Interprocess communication, private by the IPC namespace.
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink", "msgctl",
    "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat", "shmctl",
    "shmdt", "shmget",
    // A function may restrict itself further.
    "landlock_add_rule", "landlock_create_ruleset", "landlock_restrict_self", "seccomp",
};

// Answered EPERM: whoever tries one of these shall hear that it is forbidden, not that it is missing.
constexpr const char* kForbidden[] = {
    // The mount tree and roots.
    "chroot", "fsconfig", "fsmount", "fsopen", "fspick", "mount", "mount_setattr", "move_mount",
    "open_tree", "pivot_root", "umount", "umount2",
    // Namespaces.
    "setns", "unshare",
    // Other processes' memory and state.
    "kcmp", "pidfd_getfd", "process_vm_readv", "process_vm_writev", "ptrace",
    // Kernel code, kernel memory, kernel log.
    "bpf", "create_module", "delete_module", "finit_module", "init_module", "kexec_file_load",
    "kexec_load", "lookup_dcookie", "perf_event_open", "query_module", "syslog",
    // Keyrings are not namespaced.
    "add_key", "keyctl", "request_key",
    // Large attack surface for little use.
    "io_uring_enter", "io_uring_register", "io_uring_setup", "userfaultfd", "memfd_secret",
    // Handles reach files by number past the mount tree.
    "name_to_handle_at", "open_by_handle_at", "fanotify_init", "fanotify_mark",
    // The machine: time, swap, names, accounting, quotas, ports, rebooting.
    "acct", "adjtimex", "clock_adjtime", "clock_settime", "ioperm", "iopl", "modify_ldt",
    "nfsservctl", "quotactl", "quotactl_fd", "reboot", "setdomainname", "sethostname",
    "settimeofday", "stime", "swapoff", "swapon", "uselib", "ustat", "vhangup", "vm86", "vm86old",
    "_sysctl", "sysfs",
    // Memory placement across nodes reveals and moves other tenants' pages.
    "migrate_pages", "move_pages", "mbind", "set_mempolicy", "set_mempolicy_home_node",
};

// clang-format on

class Builder {
 public:
  Builder() : context_(::seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), &::seccomp_release) {}

  bool valid() const { return context_ != nullptr; }
  scmp_filter_ctx context() const { return context_.get(); }

  void add(uint32_t action, const char* name) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR || number < 0) return;
    note(::seccomp_rule_add(context_.get(), action, number, 0));
  }
  // Allows the call if all conditions hold.
  void add_if(const char* name, std::initializer_list<scmp_arg_cmp> conditions,
              uint32_t action = SCMP_ACT_ALLOW) {
    const int number = ::seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR || number < 0) return;
    note(::seccomp_rule_add_array(context_.get(), action, number,
                                  static_cast<unsigned>(conditions.size()), conditions.begin()));
  }
  void attribute(scmp_filter_attr name, uint32_t value) {
    note(::seccomp_attr_set(context_.get(), name, value));
  }
  int error() const { return error_; }

 private:
  void note(int result) {
    if (result < 0 && error_ == 0) error_ = -result;
  }

  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int error_ = 0;
};

constexpr uint64_t kNamespaceFlags = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                     CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET;

// What libseccomp's SCMP_A macros make, in C++.
constexpr scmp_arg_cmp argument(unsigned index, scmp_compare how, uint64_t a, uint64_t b = 0) {
  return scmp_arg_cmp{index, how, a, b};
}

void add_conditional(Builder& b) {
  // Threads and children yes, namespaces no. clone3 hides its flags behind a pointer: ENOSYS makes
  // the C library use clone.
  b.add_if("clone", {argument(0, SCMP_CMP_MASKED_EQ, kNamespaceFlags, 0)});
  // Network families a function may open; raw and exotic ones have been the way to many kernel
  // bugs.
  b.add_if("socket", {argument(0, SCMP_CMP_EQ, AF_UNIX)});
  b.add_if("socket", {argument(0, SCMP_CMP_EQ, AF_INET)});
  b.add_if("socket", {argument(0, SCMP_CMP_EQ, AF_INET6)});
  // Address look-up asks the kernel for its interfaces through NETLINK_ROUTE (protocol 0).
  b.add_if("socket", {argument(0, SCMP_CMP_EQ, AF_NETLINK), argument(2, SCMP_CMP_EQ, 0)});
  // Whether a page of a shared file is in memory tells what another function has read. (cachestat,
  // which tells the same, is not allowed at all, nor is io_submit, whose requests carry RWF_NOWAIT
  // where no filter sees it; mincore tells it to a file's owner only.)
  b.add_if("preadv2", {argument(5, SCMP_CMP_MASKED_EQ, RWF_NOWAIT, 0)});
  b.add_if("preadv2", {argument(5, SCMP_CMP_MASKED_EQ, RWF_NOWAIT, RWF_NOWAIT)},
           SCMP_ACT_ERRNO(EOPNOTSUPP));
  // Limits may be set, but that of core files stays what it is (see shell_child.cpp): it says yes
  // and does nothing, since whoever asks wants no core file, and gets none. The kernel reads 32
  // bits of the number, so these are what is compared.
  constexpr uint64_t kInt = 0xffffffff;
  for (unsigned resource = 0; resource < RLIM_NLIMITS; ++resource) {
    const bool core = resource == RLIMIT_CORE;
    b.add_if("setrlimit", {argument(0, SCMP_CMP_MASKED_EQ, kInt, resource)},
             core ? SCMP_ACT_ERRNO(0) : SCMP_ACT_ALLOW);
    if (!core) b.add_if("prlimit64", {argument(1, SCMP_CMP_MASKED_EQ, kInt, resource)});
  }
  const scmp_arg_cmp core = argument(1, SCMP_CMP_MASKED_EQ, kInt, RLIMIT_CORE);
  b.add_if("prlimit64", {core, argument(2, SCMP_CMP_NE, 0)}, SCMP_ACT_ERRNO(0));
  b.add_if("prlimit64", {core, argument(2, SCMP_CMP_EQ, 0)});
  // The default personality, or asking for it.
  b.add_if("personality", {argument(0, SCMP_CMP_EQ, 0)});
  b.add_if("personality", {argument(0, SCMP_CMP_EQ, 0xffffffffu)});
}

}  // namespace

sdk::Status compile_seccomp_filter(std::vector<sock_filter>& program) {
  Builder b;
  if (!b.valid()) return sdk::internal("libseccomp: cannot create a filter");
  // Calls through another architecture's table have other numbers: nothing may pass that way.
  b.attribute(SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  // no_new_privs is set by the child itself.
  b.attribute(SCMP_FLTATR_CTL_NNP, 0);
  // A binary tree instead of a list of some three hundred comparisons.
  b.attribute(SCMP_FLTATR_CTL_OPTIMIZE, 2);
  for (const char* name : kAllowed) b.add(SCMP_ACT_ALLOW, name);
  for (const char* name : kForbidden) b.add(SCMP_ACT_ERRNO(EPERM), name);
  add_conditional(b);
  if (b.error() != 0) return from_errno("libseccomp: cannot build the filter", b.error());

  UniqueFd file(::memfd_create("seccomp", MFD_CLOEXEC));
  if (!file.valid()) return from_errno("memfd_create", errno);
  if (const int e = ::seccomp_export_bpf(b.context(), file.get()); e < 0) {
    return from_errno("libseccomp: cannot compile the filter", -e);
  }
  const off_t size = ::lseek(file.get(), 0, SEEK_END);
  if (size <= 0 || size % static_cast<off_t>(sizeof(sock_filter)) != 0) {
    return sdk::internal("libseccomp: a filter of odd size");
  }
  program.resize(static_cast<size_t>(size) / sizeof(sock_filter));
  if (::pread(file.get(), program.data(), static_cast<size_t>(size), 0) != size) {
    return from_errno("cannot read the filter", errno);
  }
  return {};
}

}  // namespace berth::process
