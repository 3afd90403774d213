/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a plugin of berth.container-factory/1 may offer besides: berth.resize/1 changes the limits
 * of a living container, berth.stats/1 tells what one uses. Each is found by `query` and named in
 * the note; the host does without those that are not there.
 *
 * `id` is a container's handle as container_factory.h has it. Operations end as described there.
 */
#ifndef BERTH_PLUGIN_CONTAINER_OPTIONAL_H_
#define BERTH_PLUGIN_CONTAINER_OPTIONAL_H_

#include "berth/plugin/abi.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- berth.resize/1 -----------------------------------------------------------------------------
 */
#define BERTH_INTERFACE_RESIZE "berth.resize/1"

/* The limits from now on, each as in berth_create_request. Borrowed until the call returns. */
typedef struct berth_resize_request {
  uint32_t struct_size;
  uint32_t cpu_shares;
  uint64_t memory_bytes; /* hard limit, swap not counted */
  uint32_t cpu_quota_millis;
  uint32_t reserved0;
} berth_resize_request;

typedef struct berth_resize {
  uint32_t struct_size;
  uint32_t reserved0;

  /* Sets the limits of a living container, which goes on meanwhile and is not killed for it. No
   * result. NOT_FOUND if there is none of that id; FAILED_PRECONDITION if it has ended or uses more
   * than that; UNIMPLEMENTED if that cannot be done here, now or ever: the host does not ask again.
   * After another failure the host takes the limits for unknown and destroys the container.
   * [any-thread] */
  void (*resize)(void* self, berth_op op, uint64_t deadline_ns, berth_str id,
                 const berth_resize_request* request);
} berth_resize;

/* ---- berth.stats/1 ------------------------------------------------------------------------------
 */
#define BERTH_INTERFACE_STATS "berth.stats/1"

/* Result of `stats`. Values of -1 mean unknown. Borrowed until `complete` returns. */
typedef struct berth_container_stats {
  uint32_t struct_size;
  uint32_t reserved0;
  int64_t memory_bytes;       /* in use, without cached files that the kernel can drop at once */
  int64_t memory_limit_bytes; /* what is enforced */
  int64_t cpu_ns;             /* of all its processes since its start; never shrinks */
  int64_t pids;               /* processes and threads */
} berth_container_stats;

typedef struct berth_stats {
  uint32_t struct_size;
  uint32_t reserved0;

  /* What a container uses now, also a paused one. NOT_FOUND if there is none of that id or it has
   * ended. The host asks for every container each few seconds: it should cost little.
   * [any-thread] */
  void (*stats)(void* self, berth_op op, uint64_t deadline_ns, berth_str id);
} berth_stats;

BERTH_ASSERT_SIZE(berth_resize_request, 24);
BERTH_ASSERT_OFFSET(berth_resize_request, memory_bytes, 8);
BERTH_ASSERT_OFFSET(berth_resize_request, cpu_quota_millis, 16);
BERTH_ASSERT_SIZE(berth_resize, 16);
BERTH_ASSERT_OFFSET(berth_resize, resize, 8);
BERTH_ASSERT_SIZE(berth_container_stats, 40);
BERTH_ASSERT_OFFSET(berth_container_stats, memory_bytes, 8);
BERTH_ASSERT_OFFSET(berth_container_stats, pids, 32);
BERTH_ASSERT_SIZE(berth_stats, 16);
BERTH_ASSERT_OFFSET(berth_stats, stats, 8);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BERTH_PLUGIN_CONTAINER_OPTIONAL_H_ */
