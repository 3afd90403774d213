/* SPDX-License-Identifier: Apache-2.0 */
/*
 * berth.container-factory/1: creates, pauses, resumes, lists, adopts and destroys containers.
 *
 * A container is a sandbox in which an action proxy serves POST /init and POST /run over HTTP/1.1
 * at an address. The core drives it through that address; the factory only owns its life.
 *
 * Every operation takes a berth_op and a deadline (ns of CLOCK_MONOTONIC, 0: none) and ends with
 * berth_host.complete(op, status, result), from any thread, possibly before the call returned. The
 * host may give up on an operation at its deadline and then calls `cancel`; the plugin still
 * completes it (usually CANCELLED). A `create` that succeeds after the host gave up is answered
 * with `destroy`.
 */
#ifndef BERTH_PLUGIN_CONTAINER_FACTORY_H_
#define BERTH_PLUGIN_CONTAINER_FACTORY_H_

#include "berth/plugin/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_INTERFACE_CONTAINER_FACTORY "berth.container-factory/1"

/* What to create. Borrowed until `create` returns. */
typedef struct berth_create_request {
  uint32_t struct_size;
  uint32_t
      user_provided_image;    /* 1: the function's author named the image (pull it, distrust it) */
  berth_str transaction_id;   /* for logs */
  berth_str name;             /* unique in this instance: berth-<instance>-<n> */
  berth_str kind;             /* e.g. "python:3.11", or "blackbox" */
  berth_str image;            /* e.g. "berth/action-python:latest" */
  uint64_t memory_bytes;      /* hard limit, swap not counted */
  uint32_t cpu_shares;        /* relative weight, 2..262144, 1024 is one usual container */
  uint32_t cpu_quota_millis;  /* hard limit in 1/1000 of a core; 0: none */
  uint32_t pids_limit;        /* processes and threads; 0: the plugin's default */
  uint32_t concurrency;       /* activations that may run in it at once, >= 1 */
  berth_pairs environment;    /* of the proxy, e.g. __OW_API_HOST */
  berth_pairs labels;         /* to be found again by, where the engine keeps labels */
  berth_pairs log_parameters; /* multi-map of the LogStore's container parameters, e.g.
                                 ("log-driver", "splunk"), ("log-opt", "tag=x") */
} berth_create_request;

/* Result of `create` and element of `list`. Borrowed until `complete` returns. */
#define BERTH_CONTAINER_RUNNING 1
#define BERTH_CONTAINER_PAUSED 2
#define BERTH_CONTAINER_DEAD 3
typedef struct berth_container_info {
  uint32_t struct_size;
  int32_t state;      /* BERTH_CONTAINER_... */
  berth_str id;       /* handle for the other calls, unique while the plugin is open */
  berth_str token;    /* durable: enough to find the container again after a restart of berthd */
  berth_str address;  /* "tcp://host:port" or "unix:/path" */
  berth_str name;     /* as in the request */
  berth_pairs labels; /* as in the request; may be empty where the engine keeps none */
} berth_container_info;

/* Result of `list`. */
typedef struct berth_container_list {
  uint32_t struct_size;
  uint32_t reserved0;
  const berth_container_info* const* containers; /* array of pointers: the struct may grow */
  uint64_t count;
  berth_str next_cursor; /* empty: this was the last page */
} berth_container_list;

/* One piece of output. */
#define BERTH_STREAM_STDOUT 1
#define BERTH_STREAM_STDERR 2
#define BERTH_LOG_PARTIAL_LINE 1u /* the bytes do not end a line: the next record continues it */
#define BERTH_LOG_TIME_IS_OURS \
  2u /* the time is when the factory read it, not when it was written */
typedef struct berth_log_record {
  int32_t stream;  /* BERTH_STREAM_... */
  uint32_t flags;  /* BERTH_LOG_... */
  int64_t time_ns; /* since the epoch */
  berth_str bytes; /* without the line's end if PARTIAL_LINE is not set */
} berth_log_record;

/* Result of `read_logs`. `bytes_owner` owns the memory that the records point into and is handed
 * over with the result; the array `records` itself is borrowed until `complete` returns. */
typedef struct berth_log_batch {
  uint32_t struct_size;
  uint32_t ended; /* 1: the container has ended and nothing will follow */
  const berth_log_record* records;
  uint64_t count;
  berth_str next_cursor;
  berth_buf bytes_owner;
} berth_log_batch;

/* Result of `capacity`. Values of -1 mean unknown or unlimited. */
#define BERTH_CAPACITY_PAUSE 1u           /* pause and resume work */
#define BERTH_CAPACITY_MEMORY_ENFORCED 2u /* memory limits are enforced */
#define BERTH_CAPACITY_CPU_ENFORCED 4u
#define BERTH_CAPACITY_PIDS_ENFORCED 8u
typedef struct berth_capacity {
  uint32_t struct_size;
  uint32_t features;    /* BERTH_CAPACITY_... */
  int64_t memory_bytes; /* in all */
  int64_t memory_free_bytes;
  int64_t cpu_millis; /* in all, 1/1000 of a core */
  int64_t containers_max;
  berth_str detail; /* for people: what is not enforced here and why; may be empty */
} berth_capacity;

#define BERTH_STOP_KILL 1   /* destroy every container */
#define BERTH_STOP_DETACH 2 /* leave them running; a later start may adopt them by their tokens */

/* How a container died. Borrowed until the call returns. */
typedef struct berth_container_died {
  uint32_t struct_size;
  int32_t exit_code; /* 0..255; 128+N: ended by signal N; -1: unknown */
  uint32_t oom;      /* 1: it ran out of memory */
  uint32_t reserved0;
  berth_str id;
  berth_str reason; /* for people; may be empty */
} berth_container_died;

/* Events, given to `start`; valid until `close` returned. */
typedef struct berth_container_events {
  uint32_t struct_size;
  uint32_t reserved0;
  void* context;

  /* Says once that a container ended by itself (not by `destroy`). `destroy` is still called for
   * it. Never re-enters the plugin. [any-thread] */
  void (*container_died)(void* context, const berth_container_died* event);

  /* Says for people what a create that takes long waits for, e.g. "pulling x: 12 of 80 MB"; `name`
   * is its request's. Any number of times until that create is completed, without effect
   * thereafter. Both texts are borrowed until the call returns. Never re-enters the plugin. Not
   * there if struct_size says so. [any-thread] */
  void (*create_progress)(void* context, berth_str name, berth_str text);
} berth_container_events;

/* The function table. `self` is the instance that `open` made. */
typedef struct berth_container_factory {
  uint32_t struct_size;
  uint32_t reserved0;

  /* Connects to the engine. Called once, before everything else. No result.
   * [loader-thread] */
  void (*start)(void* self, berth_op op, uint64_t deadline_ns,
                const berth_container_events* events);

  /* Creates a container whose proxy accepts connections at the reported address (a connect never
   * needs a retry). Result: berth_container_info. With USER_ERROR: NOT_FOUND or INVALID_ARGUMENT, a
   * user image is missing or refused; FAILED_PRECONDITION, it lacks the command to run; ABORTED, it
   * ended before it accepted connections; DEADLINE_EXCEEDED, it never did. With
   * RETRYABLE: UNAVAILABLE, the engine is down; RESOURCE_EXHAUSTED, no room. On failure nothing is
   * left behind. [any-thread] */
  void (*create)(void* self, berth_op op, uint64_t deadline_ns,
                 const berth_create_request* request);

  /* Kills and removes a container, in whatever state. NOT_FOUND if there is none of that id. No
   * result.
   * [any-thread] */
  void (*destroy)(void* self, berth_op op, uint64_t deadline_ns, berth_str id);

  /* Freezes all processes of a container. UNIMPLEMENTED if that cannot be done here. No result.
   * [any-thread] */
  void (*pause)(void* self, berth_op op, uint64_t deadline_ns, berth_str id);

  /* Undoes `pause`. No result.
   * [any-thread] */
  void (*resume)(void* self, berth_op op, uint64_t deadline_ns, berth_str id);

  /* Lists this instance's containers, also those an earlier berthd left (DETACH or crash), which
   * from then on count as adopted under the reported ids. Pages by `cursor` (empty: start). Result:
   * berth_container_list.
   * [any-thread] */
  void (*list)(void* self, berth_op op, uint64_t deadline_ns, berth_str cursor, uint32_t limit);

  /* Reads the output from `cursor` (empty: from the oldest kept) on, at most `max_bytes`. Completes
   * when there is at least one record, the container ended, or the deadline passed (OK and empty).
   * One reader a container. Result: berth_log_batch. OUT_OF_RANGE if the cursor's place is lost.
   * [any-thread] */
  void (*read_logs)(void* self, berth_op op, uint64_t deadline_ns, berth_str id, berth_str cursor,
                    uint64_t max_bytes);

  /* What there is room for and what is enforced. Result: berth_capacity.
   * [any-thread] */
  void (*capacity)(void* self, berth_op op, uint64_t deadline_ns);

  /* Completes when no create is in flight and new ones are refused. No result.
   * [any-thread] */
  void (*drain)(void* self, berth_op op, uint64_t deadline_ns);

  /* Ends work: BERTH_STOP_KILL or BERTH_STOP_DETACH. After it only `close` is called. No result.
   * [loader-thread] */
  void (*stop)(void* self, berth_op op, uint64_t deadline_ns, int32_t mode);

  /* Hints that nobody waits for `op` any more. It may be completed already: then without effect.
   * [any-thread] */
  void (*cancel)(void* self, berth_op op);
} berth_container_factory;

BERTH_ASSERT_SIZE(berth_create_request, 144);
BERTH_ASSERT_OFFSET(berth_create_request, transaction_id, 8);
BERTH_ASSERT_OFFSET(berth_create_request, image, 56);
BERTH_ASSERT_OFFSET(berth_create_request, memory_bytes, 72);
BERTH_ASSERT_OFFSET(berth_create_request, cpu_shares, 80);
BERTH_ASSERT_OFFSET(berth_create_request, environment, 96);
BERTH_ASSERT_SIZE(berth_container_info, 88);
BERTH_ASSERT_OFFSET(berth_container_info, id, 8);
BERTH_ASSERT_OFFSET(berth_container_info, labels, 72);
BERTH_ASSERT_SIZE(berth_container_list, 40);
BERTH_ASSERT_OFFSET(berth_container_list, next_cursor, 24);
BERTH_ASSERT_SIZE(berth_log_record, 32);
BERTH_ASSERT_OFFSET(berth_log_record, bytes, 16);
BERTH_ASSERT_SIZE(berth_log_batch, 72);
BERTH_ASSERT_OFFSET(berth_log_batch, next_cursor, 24);
BERTH_ASSERT_OFFSET(berth_log_batch, bytes_owner, 40);
BERTH_ASSERT_SIZE(berth_capacity, 56);
BERTH_ASSERT_OFFSET(berth_capacity, detail, 40);
BERTH_ASSERT_SIZE(berth_container_died, 48);
BERTH_ASSERT_OFFSET(berth_container_died, id, 16);
BERTH_ASSERT_SIZE(berth_container_events, 32);
BERTH_ASSERT_OFFSET(berth_container_events, create_progress, 24);
BERTH_ASSERT_SIZE(berth_container_factory, 96);
BERTH_ASSERT_OFFSET(berth_container_factory, start, 8);
BERTH_ASSERT_OFFSET(berth_container_factory, create, 16);
BERTH_ASSERT_OFFSET(berth_container_factory, stop, 80);
BERTH_ASSERT_OFFSET(berth_container_factory, cancel, 88);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BERTH_PLUGIN_CONTAINER_FACTORY_H_ */
