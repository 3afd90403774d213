/* SPDX-License-Identifier: Apache-2.0 */
/* The smallest function: an ActionLoop program that answers each line with a constant object. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(void) {
  static char line[1 << 20];
  static const char kReply[] = "{\"greeting\":\"Hello, World!\"}\n";
  while (fgets(line, sizeof line, stdin)) {
    if (!strchr(line, '\n')) return 1;
    if (write(3, kReply, sizeof kReply - 1) != (ssize_t)(sizeof kReply - 1)) return 1;
  }
  return 0;
}
