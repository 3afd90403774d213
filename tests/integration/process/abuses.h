/* SPDX-License-Identifier: Apache-2.0 */
/* What probe.c and abuses.c share. */
#ifndef BERTH_TESTS_ABUSES_H
#define BERTH_TESTS_ABUSES_H

/* Adds to the answer. */
void say(const char* format, ...) __attribute__((format(printf, 1, 2)));
/* "name=ok", or "name=" and errno's name where `result` is negative. */
void outcome(const char* name, long result);
/* Does what `what` names on the network (network_probe.c). */
void network_command(const char* what, char* rest);
/* Tries what `what` names. */
void abuse(const char* what);

#endif
