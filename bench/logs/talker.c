/* SPDX-License-Identifier: Apache-2.0 */
/* A function that prints as many bytes as it is told ("bytes":N), in lines of 100. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(void) {
  static char line[1 << 16];
  static char text[100 * 1000];
  static const char kReply[] = "{\"done\":true}\n";
  memset(text, 'x', sizeof text);
  for (size_t i = 99; i < sizeof text; i += 100) text[i] = '\n';
  while (fgets(line, sizeof line, stdin)) {
    const char* at = strstr(line, "\"bytes\":");
    size_t left = at ? strtoul(at + 8, NULL, 10) : 0;
    while (left > 0) {
      const size_t step = left < sizeof text ? left : sizeof text;
      const ssize_t written = write(1, text, step);
      if (written <= 0) return 1;
      left -= (size_t)written;
    }
    if (write(3, kReply, sizeof kReply - 1) != (ssize_t)(sizeof kReply - 1)) return 1;
  }
  return 0;
}
