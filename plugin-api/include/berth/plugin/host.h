/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the host offers to a plugin: completion of operations, and services found by id.
 *
 * Every function here is [any-thread], does not block, and never calls back into the plugin before
 * it returns, except where its comment says so. Arguments are borrowed until the call returns.
 */
#ifndef BERTH_PLUGIN_HOST_H_
#define BERTH_PLUGIN_HOST_H_

#include "berth/plugin/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* The host, valid from `open` until `close` returned. `context` is passed back as the first
 * argument of every function. */
typedef struct berth_host {
  uint32_t struct_size;
  uint32_t abi_major;
  uint32_t abi_minor;
  uint32_t reserved0;
  void* context;

  /* Ends an operation. `status` null means OK. `result` points to the struct that the operation's
   * comment names, or is null where it names none or the status is not OK (unless PARTIAL). Both
   * are borrowed until the call returns; a berth_buf within the result is handed over even if the
   * operation is no longer waited for. Exactly one completion counts: a second or late one is
   * counted against the plugin and is otherwise without effect.
   * [any-thread] */
  void (*complete)(void* context, berth_op op, const berth_status* status, const void* result);

  /* Returns the table of a host service ("berth.log/1" ...), valid as long as the host, or null.
   * [any-thread] */
  const void* (*query)(void* context, berth_str service_id);

  /* Says why `open` is about to fail. Without effect at any other time.
   * [loader-thread] */
  void (*set_error)(void* context, berth_str message);
} berth_host;

/* ---- berth.log/1: one line of berthd's own log, tagged with the plugin's name. ----------------
 */
#define BERTH_SERVICE_LOG "berth.log/1"
#define BERTH_LOG_DEBUG 0
#define BERTH_LOG_INFO 1
#define BERTH_LOG_WARN 2
#define BERTH_LOG_ERROR 3
typedef struct berth_log_service {
  uint32_t struct_size;
  int32_t minimum_level; /* lines below it are dropped: do not format them */

  /* Writes one line. `fields` are appended as key=value. Never put a secret in either.
   * [any-thread] */
  void (*write)(void* host_context, int32_t level, berth_str message, berth_pairs fields);
} berth_log_service;

/* ---- berth.state/1: a durable key-value store of the plugin's own. ----------------------------
 * Keys are up to 512 bytes of UTF-8, values up to 1 MiB. A completion with OK means: on disk. The
 * host calls `done` exactly once, from a host thread and never from inside the call; it must not
 * block. `done` may be called until `close` returned: `close` waits for what it started. */
#define BERTH_SERVICE_STATE "berth.state/1"
typedef struct berth_state_entry {
  berth_str key;
  berth_buf value;  /* handed over to the receiver of the result */
  uint64_t version; /* of this value, never 0 */
} berth_state_entry;
typedef struct berth_state_result {
  uint32_t struct_size;
  uint32_t reserved0;
  const berth_state_entry* entries; /* borrowed until `done` returns */
  uint64_t count;
  uint64_t version;      /* put: version of what was written */
  berth_str next_cursor; /* list: where to go on; empty at the end */
} berth_state_result;
typedef void (*berth_state_done)(void* done_context, const berth_status* status,
                                 const berth_state_result* result);
#define BERTH_STATE_ANY_VERSION UINT64_MAX /* put: whatever is there is replaced */
typedef struct berth_state_service {
  uint32_t struct_size;
  uint32_t reserved0;

  /* Reads one key: one entry, or NOT_FOUND.
   * [any-thread] */
  void (*get)(void* host_context, berth_str key, berth_state_done done, void* done_context);

  /* Writes one key if its version is `expected_version` (0: it must not exist;
   * BERTH_STATE_ANY_VERSION: unconditionally), else ABORTED. The new version is in the result.
   * [any-thread] */
  void (*put)(void* host_context, berth_str key, berth_str value, uint64_t expected_version,
              berth_state_done done, void* done_context);

  /* Removes one key under the same condition. Removing what is not there is NOT_FOUND.
   * [any-thread] */
  void (*remove)(void* host_context, berth_str key, uint64_t expected_version,
                 berth_state_done done, void* done_context);

  /* Lists keys with a prefix in byte order, from `cursor` (empty: the start), at most `limit`
   * (1..1000) entries.
   * [any-thread] */
  void (*list)(void* host_context, berth_str prefix, berth_str cursor, uint32_t limit,
               berth_state_done done, void* done_context);
} berth_state_service;

/* ---- berth.timer/1: calls back once at a time of CLOCK_MONOTONIC. ------------------------------
 */
#define BERTH_SERVICE_TIMER "berth.timer/1"
typedef struct berth_timer {
  uint64_t id; /* 0 is never a timer */
} berth_timer;
typedef void (*berth_timer_fired)(void* timer_context);
typedef struct berth_timer_service {
  uint32_t struct_size;
  uint32_t reserved0;

  /* Calls `fired(timer_context)` once, from a host thread, at or after `due_ns`; it must not
   * block. Returns {0} if the host is stopping.
   * [any-thread] */
  berth_timer (*start)(void* host_context, uint64_t due_ns, berth_timer_fired fired,
                       void* timer_context);

  /* Cancels. Returns 1 if `fired` was not and will not be called; 0 if it has been called already,
   * is no timer, or runs now on another thread: then it waits until that call returned, so that
   * `timer_context` may be freed after either answer. From inside its own `fired` it returns 0 at
   * once.
   * [any-thread] */
  int32_t (*cancel)(void* host_context, berth_timer timer);
} berth_timer_service;

/* ---- berth.metrics/1: counters, gauges and histograms in berthd's /metrics. --------------------
 */
#define BERTH_SERVICE_METRICS "berth.metrics/1"
#define BERTH_METRIC_COUNTER 1 /* only grows */
#define BERTH_METRIC_GAUGE 2   /* is set */
#define BERTH_METRIC_HISTOGRAM                                      \
  3 /* seconds or bytes; the host chooses the buckets by the suffix \
     */
typedef struct berth_metric {
  uint64_t
      id; /* 0: refused (bad name, or more than the host's limit of series a plugin may have) */
} berth_metric;
typedef struct berth_metrics_service {
  uint32_t struct_size;
  uint32_t reserved0;

  /* Finds or makes a series. `name` is [a-z][a-z0-9_]* with its unit as suffix (_seconds, _bytes,
   * _total); the host prefixes berth_plugin_<plugin>_. Keep the handle: this call takes a lock.
   * [any-thread] */
  berth_metric (*series)(void* host_context, int32_t kind, berth_str name, berth_str help,
                         berth_pairs labels);

  /* Adds to a counter (value >= 0), sets a gauge, observes in a histogram. Takes no lock.
   * [any-thread] */
  void (*record)(void* host_context, berth_metric metric, double value);
} berth_metrics_service;

BERTH_ASSERT_SIZE(berth_host, 48);
BERTH_ASSERT_OFFSET(berth_host, context, 16);
BERTH_ASSERT_OFFSET(berth_host, complete, 24);
BERTH_ASSERT_OFFSET(berth_host, query, 32);
BERTH_ASSERT_OFFSET(berth_host, set_error, 40);
BERTH_ASSERT_SIZE(berth_log_service, 16);
BERTH_ASSERT_OFFSET(berth_log_service, write, 8);
BERTH_ASSERT_SIZE(berth_state_entry, 56);
BERTH_ASSERT_OFFSET(berth_state_entry, value, 16);
BERTH_ASSERT_OFFSET(berth_state_entry, version, 48);
BERTH_ASSERT_SIZE(berth_state_result, 48);
BERTH_ASSERT_OFFSET(berth_state_result, entries, 8);
BERTH_ASSERT_OFFSET(berth_state_result, version, 24);
BERTH_ASSERT_OFFSET(berth_state_result, next_cursor, 32);
BERTH_ASSERT_SIZE(berth_state_service, 40);
BERTH_ASSERT_OFFSET(berth_state_service, get, 8);
BERTH_ASSERT_OFFSET(berth_state_service, list, 32);
BERTH_ASSERT_SIZE(berth_timer, 8);
BERTH_ASSERT_SIZE(berth_timer_service, 24);
BERTH_ASSERT_OFFSET(berth_timer_service, cancel, 16);
BERTH_ASSERT_SIZE(berth_metric, 8);
BERTH_ASSERT_SIZE(berth_metrics_service, 24);
BERTH_ASSERT_OFFSET(berth_metrics_service, record, 16);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BERTH_PLUGIN_HOST_H_ */
