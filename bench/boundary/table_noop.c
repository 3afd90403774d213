/* SPDX-License-Identifier: Apache-2.0 */
/* A function table as a C plugin has it, in a shared object of its own. */
#include "berth/plugin/container_factory.h"

static void noop_cancel(void* self, berth_op op) {
  (void)self;
  (void)op;
}

BERTH_EXPORT const berth_container_factory berth_bench_table = {
    .struct_size = sizeof(berth_container_factory), .cancel = noop_cancel};
