/* SPDX-License-Identifier: Apache-2.0 */
/* What layout.c tells layout_test.cpp: a row for each struct (member empty), then its members. */
#pragma once

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

struct layout_row {
  const char* type;
  const char* member;
  size_t offset;
  size_t size;
};
extern const struct layout_row berth_layout[];
extern const size_t berth_layout_rows;

#ifdef __cplusplus
}
#endif
