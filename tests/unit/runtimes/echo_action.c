// SPDX-License-Identifier: Apache-2.0
// A compiled action of the ActionLoop protocol: answers {"echo":<its input line>} on descriptor 3.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int main(void) {
  FILE* answers = fdopen(3, "w");
  char* line = NULL;
  size_t capacity = 0;
  ssize_t length;
  if (answers == NULL) return 1;
  while ((length = getline(&line, &capacity, stdin)) > 0) {
    if (line[length - 1] == '\n') line[length - 1] = '\0';
    fprintf(stdout, "%zd bytes\n", length);
    fflush(stdout);
    fprintf(answers, "{\"echo\":%s}\n", line);
    fflush(answers);
  }
  free(line);
  return 0;
}
