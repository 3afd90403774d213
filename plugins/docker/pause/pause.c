/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The one program of the image that holds a pooled network namespace: sleeps until it is told to
 * end. It uses no library, so that the image is this file alone.
 */
#include <signal.h>
#include <sys/syscall.h>

#if defined(__x86_64__)
static long system_call(long number, long a, long b, long c, long d) {
  long result;
  register long r10 __asm__("r10") = d;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory");
  return result;
}
__asm__(".globl _start\n_start: xor %ebp, %ebp\n and $-16, %rsp\n call berth_pause\n");
#elif defined(__aarch64__)
static long system_call(long number, long a, long b, long c, long d) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3) : "memory");
  return x0;
}
__asm__(".globl _start\n_start: mov x29, xzr\n bl berth_pause\n");
#else
#error "no system call convention for this processor"
#endif

/* Signals are blocked and taken one by one: process 1 of a namespace has no default actions. */
__attribute__((used, noreturn)) void berth_pause(void) {
  unsigned long wanted = 1UL << (SIGTERM - 1) | 1UL << (SIGINT - 1);
  system_call(SYS_rt_sigprocmask, SIG_BLOCK, (long)&wanted, 0, sizeof wanted);
  while (system_call(SYS_rt_sigtimedwait, (long)&wanted, 0, 0, sizeof wanted) < 0) {
  }
  for (;;) system_call(SYS_exit_group, 0, 0, 0, 0);
}
