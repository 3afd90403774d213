/* SPDX-License-Identifier: Apache-2.0 */
/*
 * berth.log-store/1: keeps and fetches the logs of activations.
 *
 * The core reads a container's output, looks for the sentinel, frames lines and applies the log
 * limit, once for all stores. A store whose note has the flag "log-store-out-of-band" gets no
 * `append`: it tells the engine where to send output (`container_parameters`) and only fetches.
 * Operations end as described in container_factory.h.
 */
#ifndef BERTH_PLUGIN_LOG_STORE_H_
#define BERTH_PLUGIN_LOG_STORE_H_

#include "berth/plugin/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_INTERFACE_LOG_STORE "berth.log-store/1"

/* Whose logs. Borrowed until the call returns. */
typedef struct berth_activation_ref {
  uint32_t struct_size;
  uint32_t reserved0;
  berth_str activation_id; /* 32 lower-case hex digits */
  berth_str namespace_name;
  berth_str namespace_id; /* uuid */
  berth_str action;       /* "ns/[pkg/]name" */
  berth_str container_id;
  int64_t start_ms; /* since the epoch; fetch: 0 if unknown */
  int64_t end_ms;   /* since the epoch; fetch: 0 if unknown or still running */
} berth_activation_ref;

/* One whole line. */
typedef struct berth_log_line {
  int32_t stream; /* BERTH_STREAM_STDOUT 1, BERTH_STREAM_STDERR 2 */
  uint32_t reserved0;
  int64_t time_ns;   /* since the epoch */
  uint64_t sequence; /* from 0 within the activation; keeps the order of equal times */
  berth_str text;    /* valid UTF-8, without the line's end */
} berth_log_line;

/* Result of `fetch`. `bytes_owner` owns what the lines point into and is handed over; the array
 * `lines` itself is borrowed until `complete` returns. */
typedef struct berth_log_page {
  uint32_t struct_size;
  uint32_t reserved0;
  const berth_log_line* lines;
  uint64_t count;
  berth_str next_cursor; /* empty: the end */
  berth_buf bytes_owner;
} berth_log_page;

/* Result of `container_parameters`: a multi-map, e.g. ("log-driver", "json-file"). */
typedef struct berth_container_parameters {
  uint32_t struct_size;
  uint32_t reserved0;
  berth_pairs parameters; /* borrowed until `complete` returns */
} berth_container_parameters;

/* The function table. `self` is the instance that `open` made. */
typedef struct berth_log_store {
  uint32_t struct_size;
  uint32_t reserved0;

  /* Makes the store ready (and recovers it after a crash). Called once, first. No result.
   * [loader-thread] */
  void (*start)(void* self, berth_op op, uint64_t deadline_ns);

  /* What a container must be created with so that its output reaches the store. Asked once after
   * `start`. Result: berth_container_parameters.
   * [any-thread] */
  void (*container_parameters)(void* self, berth_op op, uint64_t deadline_ns);

  /* Keeps lines of one activation. Called with all its lines, or in several parts in their order;
   * `final` is 1 on the last part. An activation without output gets one call with count 0 and
   * `final` 1. OK means: it is kept and can be fetched. No result. RESOURCE_EXHAUSTED with
   * RETRYABLE if the store cannot take it now. [any-thread] */
  void (*append)(void* self, berth_op op, uint64_t deadline_ns,
                 const berth_activation_ref* activation, const berth_log_line* lines,
                 uint64_t count, uint32_t final);

  /* Reads the lines of one activation in order from `cursor` (empty: the start), at most about
   * `max_bytes` (at least one line). Result: berth_log_page. NOT_FOUND if the store knows nothing
   * of it (yet); OK with PARTIAL if some lines are lost. [any-thread] */
  void (*fetch)(void* self, berth_op op, uint64_t deadline_ns,
                const berth_activation_ref* activation, berth_str cursor, uint64_t max_bytes);

  /* Completes when everything appended before is as safe as the store can make it. No result.
   * [any-thread] */
  void (*drain)(void* self, berth_op op, uint64_t deadline_ns);

  /* Ends work; after it only `close` is called. No result.
   * [loader-thread] */
  void (*stop)(void* self, berth_op op, uint64_t deadline_ns);

  /* Hints that nobody waits for `op` any more.
   * [any-thread] */
  void (*cancel)(void* self, berth_op op);
} berth_log_store;

/*
 * berth.log-follow/1 (optional): reads the logs of an activation while they grow.
 */
#define BERTH_INTERFACE_LOG_FOLLOW "berth.log-follow/1"

typedef struct berth_log_follow {
  uint32_t struct_size;
  uint32_t reserved0;

  /* As `fetch`, but `next_cursor` is empty only after the activation's last line, and the answer
   * waits for at least one line. At the deadline: OK without lines and a cursor from which to go
   * on. An activation of which nothing is known yet is waited for in the same way. Cursors of
   * `fetch` and of `follow` are exchangeable. [any-thread] */
  void (*follow)(void* self, berth_op op, uint64_t deadline_ns,
                 const berth_activation_ref* activation, berth_str cursor, uint64_t max_bytes);
} berth_log_follow;

/*
 * berth.log-out-of-band/1 (optional): for a store whose configuration decides whether the engine
 * ships output by itself. One that always does so has the note's flag "log-store-out-of-band".
 */
#define BERTH_INTERFACE_LOG_OUT_OF_BAND "berth.log-out-of-band/1"

typedef struct berth_log_out_of_band {
  uint32_t struct_size;
  uint32_t reserved0;

  /* 1: as with the flag, the core reads no output and calls no `append`. The answer is constant
   * from `open` to `close`. [any-thread] */
  uint32_t (*out_of_band)(void* self);
} berth_log_out_of_band;

BERTH_ASSERT_SIZE(berth_log_follow, 16);
BERTH_ASSERT_OFFSET(berth_log_follow, follow, 8);
BERTH_ASSERT_SIZE(berth_log_out_of_band, 16);
BERTH_ASSERT_OFFSET(berth_log_out_of_band, out_of_band, 8);
BERTH_ASSERT_SIZE(berth_activation_ref, 104);
BERTH_ASSERT_OFFSET(berth_activation_ref, activation_id, 8);
BERTH_ASSERT_OFFSET(berth_activation_ref, start_ms, 88);
BERTH_ASSERT_SIZE(berth_log_line, 40);
BERTH_ASSERT_OFFSET(berth_log_line, text, 24);
BERTH_ASSERT_SIZE(berth_log_page, 72);
BERTH_ASSERT_OFFSET(berth_log_page, bytes_owner, 40);
BERTH_ASSERT_SIZE(berth_container_parameters, 24);
BERTH_ASSERT_SIZE(berth_log_store, 64);
BERTH_ASSERT_OFFSET(berth_log_store, start, 8);
BERTH_ASSERT_OFFSET(berth_log_store, append, 24);
BERTH_ASSERT_OFFSET(berth_log_store, cancel, 56);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BERTH_PLUGIN_LOG_STORE_H_ */
