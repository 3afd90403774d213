/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The Berth plugin ABI: the types every interface is made of, and the one exported symbol.
 *
 * Only what these C99 headers declare crosses the border between berthd and a plugin: flat structs
 * of fixed-width types and tables of function pointers. C++ may stand on both sides, never between.
 *
 * Compatibility policy, version 1 (draft until the first release):
 *  1. What is released never changes in place.
 *  2. Grow by appending to a struct (guarded by struct_size, see BERTH_HAS) or by a new interface
 *     id. A changed meaning gets a new name.
 *  3. A receiver ignores a longer tail it does not know.
 *  4. Enumerations grow only from plugin to host.
 *  5. A host loads plugins of its own major version and of the one before.
 *  6. No enum, bool, long, size_t or bit-field in a struct; padding is explicit and zero; sizes and
 *     offsets are asserted below, in C and in C++.
 *
 * Thread tags, last line of every function's comment:
 *  [loader-thread]  called by the host one at a time from the thread that loads and unloads.
 *  [any-thread]     may be called from any thread, concurrently with everything else.
 * No function of a plugin may block: it returns at once and completes its operation later.
 *
 * A plugin installs no signal handler, waits only for its own children, changes no working
 * directory, umask, locale or environment, and lets nothing unwind (exception, panic, longjmp)
 * across the border.
 */
#ifndef BERTH_PLUGIN_ABI_H_
#define BERTH_PLUGIN_ABI_H_

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define BERTH_ABI_MAJOR 1
#define BERTH_ABI_MINOR 0

#if defined(__GNUC__)
#define BERTH_EXPORT __attribute__((visibility("default")))
#else
#define BERTH_EXPORT
#endif

/* Asserts one fact about a layout at compile time, in every dialect we support. */
#if defined(__cplusplus)
#define BERTH_STATIC_ASSERT(condition, name) static_assert(condition, #name)
#elif defined(__STDC_VERSION__) && __STDC_VERSION__ >= 201112L
#define BERTH_STATIC_ASSERT(condition, name) _Static_assert(condition, #name)
#else
#define BERTH_STATIC_ASSERT(condition, name) typedef char berth_assert_##name[(condition) ? 1 : -1]
#endif
#define BERTH_ASSERT_SIZE(type, size) \
  BERTH_STATIC_ASSERT(sizeof(type) == (size), type##_has_size_##size)
#define BERTH_ASSERT_OFFSET(type, member, offset) \
  BERTH_STATIC_ASSERT(offsetof(type, member) == (offset), type##_##member##_at_##offset)

/* Non-zero if the struct `table` points to is long enough to hold `member` and the member is set.
 * Use it before touching anything that a newer minor version appended. */
#define BERTH_HAS(table, member)                                                                   \
  ((size_t)(table)->struct_size >=                                                                 \
       (size_t)((const char*)&(table)->member - (const char*)(table)) + sizeof((table)->member) && \
   (table)->member != 0)

/* Text or bytes that are borrowed. Text is UTF-8 and NOT terminated by NUL; nobody may read past
 * `len`. `data` may be null only if `len` is 0. Valid until the call it is passed to returns. */
typedef struct berth_str {
  const char* data;
  uint64_t len;
} berth_str;

/* Bytes that are handed over. The receiver calls `release(context, data, len)` exactly once, from
 * any thread, when done; a null `release` means there is nothing to free. */
typedef struct berth_buf {
  const char* data;
  uint64_t len;
  void (*release)(void* context, const char* data, uint64_t len);
  void* context;
} berth_buf;

/* A key and its value. A multi-map is an array in which a key may stand more than once; the order
 * among equal keys is kept. */
typedef struct berth_pair {
  berth_str key;
  berth_str value;
} berth_pair;

/* A borrowed array of pairs. */
typedef struct berth_pairs {
  const berth_pair* data;
  uint64_t count;
} berth_pairs;

/* One operation in flight: a slot and its generation, a value and never a pointer. A plugin keeps
 * it and gives it back to berth_host.complete exactly once. 0 is never an operation. */
typedef struct berth_op {
  uint64_t id;
} berth_op;

/* Canonical codes, numbered as in gRPC. int32_t in every struct. */
#define BERTH_OK 0
#define BERTH_CANCELLED 1
#define BERTH_UNKNOWN 2
#define BERTH_INVALID_ARGUMENT 3
#define BERTH_DEADLINE_EXCEEDED 4
#define BERTH_NOT_FOUND 5
#define BERTH_ALREADY_EXISTS 6
#define BERTH_PERMISSION_DENIED 7
#define BERTH_RESOURCE_EXHAUSTED 8
#define BERTH_FAILED_PRECONDITION 9
#define BERTH_ABORTED 10
#define BERTH_OUT_OF_RANGE 11
#define BERTH_UNIMPLEMENTED 12
#define BERTH_INTERNAL 13
#define BERTH_UNAVAILABLE 14
#define BERTH_DATA_LOSS 15
#define BERTH_UNAUTHENTICATED 16

/* Flags of a status. */
#define BERTH_STATUS_RETRYABLE 1u  /* the same call may succeed if it is made again */
#define BERTH_STATUS_PARTIAL 2u    /* the result holds a part of what was asked for */
#define BERTH_STATUS_USER_ERROR 4u /* the function's author caused it, not the operator */

/* How a call ended. `message` is for people: it names what, where and the mend. */
typedef struct berth_status {
  uint32_t struct_size;
  int32_t code;   /* BERTH_OK ... */
  uint32_t flags; /* BERTH_STATUS_... */
  uint32_t reserved0;
  berth_str message;
} berth_status;

struct berth_host;

/* What a plugin is told when it is opened. Borrowed until `open` returns; `host` until `close` did.
 */
typedef struct berth_open_args {
  uint32_t struct_size;
  uint32_t reserved0;
  const struct berth_host* host; /* see host.h; valid until `close` has returned */
  berth_str config_json;         /* the operator's [plugin.NAME] table as a JSON object, checked
                                    against the note's config_schema */
  berth_str instance;            /* name of this berthd instance, [a-z0-9-]{1,32} */
  berth_str data_directory;      /* private to the plugin, 0700, kept over restarts */
  berth_str runtime_directory;   /* private to the plugin, 0700, short path, lost at reboot */
} berth_open_args;

/* The one symbol a plugin exports, constant data named `berth_plugin_entry`. The ELF note (note.h)
 * states the same facts; where they differ the plugin is refused. */
typedef struct berth_plugin_entry_v1 {
  uint32_t struct_size;
  uint32_t abi_major; /* BERTH_ABI_MAJOR the plugin was built with */
  uint32_t abi_minor;
  uint32_t reserved0;
  const char* name; /* short name [a-z][a-z0-9-]*, NUL-terminated; the file is libberth_<name>.so */
  const char* id;   /* reverse DNS, NUL-terminated, e.g. "org.example.echo" */
  const char* version; /* of the plugin, NUL-terminated, e.g. "1.2.0" */

  /* Makes an instance. On success returns BERTH_OK and sets *instance (not null). On failure leaves
   * *instance alone, releases everything, and may call host->set_error first to say why. Starts no
   * work yet: that is the interface's `start`.
   * [loader-thread] */
  int32_t (*open)(const berth_open_args* args, void** instance);

  /* Returns the function table of an interface id such as "berth.container-factory/1", valid until
   * `close`, or null if this plugin does not have it.
   * [any-thread] */
  const void* (*query)(void* instance, berth_str interface_id);

  /* Ends the instance: joins every thread it started, completes what is still open. After it
   * returned nothing of the plugin runs and the host may unmap it.
   * [loader-thread] */
  void (*close)(void* instance);
} berth_plugin_entry_v1;

#define BERTH_PLUGIN_ENTRY_SYMBOL "berth_plugin_entry"

BERTH_ASSERT_SIZE(berth_str, 16);
BERTH_ASSERT_OFFSET(berth_str, len, 8);
BERTH_ASSERT_SIZE(berth_buf, 32);
BERTH_ASSERT_OFFSET(berth_buf, release, 16);
BERTH_ASSERT_OFFSET(berth_buf, context, 24);
BERTH_ASSERT_SIZE(berth_pair, 32);
BERTH_ASSERT_SIZE(berth_pairs, 16);
BERTH_ASSERT_SIZE(berth_op, 8);
BERTH_ASSERT_SIZE(berth_status, 32);
BERTH_ASSERT_OFFSET(berth_status, code, 4);
BERTH_ASSERT_OFFSET(berth_status, flags, 8);
BERTH_ASSERT_OFFSET(berth_status, message, 16);
BERTH_ASSERT_SIZE(berth_open_args, 80);
BERTH_ASSERT_OFFSET(berth_open_args, host, 8);
BERTH_ASSERT_OFFSET(berth_open_args, config_json, 16);
BERTH_ASSERT_OFFSET(berth_open_args, instance, 32);
BERTH_ASSERT_OFFSET(berth_open_args, data_directory, 48);
BERTH_ASSERT_OFFSET(berth_open_args, runtime_directory, 64);
BERTH_ASSERT_SIZE(berth_plugin_entry_v1, 64);
BERTH_ASSERT_OFFSET(berth_plugin_entry_v1, name, 16);
BERTH_ASSERT_OFFSET(berth_plugin_entry_v1, id, 24);
BERTH_ASSERT_OFFSET(berth_plugin_entry_v1, version, 32);
BERTH_ASSERT_OFFSET(berth_plugin_entry_v1, open, 40);
BERTH_ASSERT_OFFSET(berth_plugin_entry_v1, query, 48);
BERTH_ASSERT_OFFSET(berth_plugin_entry_v1, close, 56);

#ifdef __cplusplus
} /* extern "C" */
#endif

#endif /* BERTH_PLUGIN_ABI_H_ */
