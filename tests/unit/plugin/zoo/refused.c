/* SPDX-License-Identifier: Apache-2.0
 * One small plugin in many bad shapes: refused.cmake compiles it once for each, with the macros
 * below. Its constructor leaves a file: where that is missing, no code of the plugin ran. */
#include <stdio.h>
#include <stdlib.h>

#include "berth/plugin/abi.h"
#include "berth/plugin/note.h"

#ifndef ZOO_ABI_MAJOR
#define ZOO_ABI_MAJOR 1
#endif
#ifndef ZOO_ABI_MINOR
#define ZOO_ABI_MINOR 0
#endif
#ifndef ZOO_ENTRY_ID
#define ZOO_ENTRY_ID "org.example.zoo"
#endif
#ifndef ZOO_ENTRY_VERSION
#define ZOO_ENTRY_VERSION "1.2.3"
#endif
#ifndef ZOO_PROVIDES
#define ZOO_PROVIDES "\"berth.log-store/1\""
#endif
#ifndef ZOO_NEEDS
#define ZOO_NEEDS "\"berth.log/1\""
#endif
#ifndef ZOO_SCHEMA
#define ZOO_SCHEMA "{\"type\": \"object\"}"
#endif
#ifndef ZOO_PADDING
#define ZOO_PADDING ""
#endif
#ifndef ZOO_OPEN
#define ZOO_OPEN zoo_open
#endif

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define TIMES_16(x) x x x x x x x x x x x x x x x x
#define SPACES_64_KIB TIMES_16(TIMES_16(TIMES_16("                ")))

#ifndef ZOO_NOTE
#define ZOO_NOTE                                                                                \
  "{\"name\": \"" ZOO_NAME                                                                      \
  "\", \"id\": \"org.example.zoo\", \"version\": \"1.2.3\", \"abi\": \"" TEXT(                  \
      ZOO_ABI_MAJOR) "." TEXT(ZOO_ABI_MINOR) "\", \"provides\": [" ZOO_PROVIDES                 \
                                             "], \"needs\": [" ZOO_NEEDS                        \
                                             "], \"flags\": [], \"config_schema\": " ZOO_SCHEMA \
                                                 ZOO_PADDING "}"
#endif

#ifndef ZOO_WITHOUT_NOTE
BERTH_PLUGIN_NOTE(ZOO_NOTE);
#endif
#ifdef ZOO_SECOND_NOTE
#define berth_plugin_note zoo_second_note
BERTH_PLUGIN_NOTE(ZOO_NOTE);
#endif

#ifdef ZOO_UNRESOLVED
int berth_zoo_is_nowhere(void);
#endif

static int32_t zoo_open(const berth_open_args* args, void** instance) {
  static int there;
  (void)args;
#ifdef ZOO_UNRESOLVED
  there = berth_zoo_is_nowhere();
#endif
  *instance = &there;
  return BERTH_OK;
}

static const void* zoo_query(void* instance, berth_str interface_id) {
  (void)instance;
  (void)interface_id;
  return 0;
}

static void zoo_close(void* instance) {
  (void)instance;
}

#ifdef ZOO_HIDDEN_ENTRY
#define ZOO_EXPORT __attribute__((visibility("hidden"), used))
#else
#define ZOO_EXPORT BERTH_EXPORT
#endif

#ifdef ZOO_FUNCTION_ENTRY
ZOO_EXPORT int32_t berth_plugin_entry(const berth_open_args* args, void** instance);
int32_t berth_plugin_entry(const berth_open_args* args, void** instance) {
  (void)zoo_query;
  (void)zoo_close;
  return zoo_open(args, instance);
}
#else
#ifndef ZOO_REWRITES_ENTRY
const
#endif
    ZOO_EXPORT berth_plugin_entry_v1 berth_plugin_entry = {
        sizeof(berth_plugin_entry_v1),
        ZOO_ABI_MAJOR,
        ZOO_ABI_MINOR,
        0,
        ZOO_NAME,
        ZOO_ENTRY_ID,
        ZOO_ENTRY_VERSION,
        ZOO_OPEN,
        zoo_query,
        zoo_close,
};
#endif

#ifdef ZOO_SECOND_EXPORT
BERTH_EXPORT int zoo_second_export = 1;
#endif

#ifdef ZOO_TEXT_RELOCATION
/* An address within code, which the linker has to write there. */
__asm__(".text\n.quad berth_plugin_note\n");
#endif

__attribute__((constructor)) static void leave_proof(void) {
  const char* path = getenv("BERTH_ZOO_PROOF");
  FILE* file = path ? fopen(path, "w") : NULL;
  if (file) fclose(file);
#ifdef ZOO_REWRITES_ENTRY
  berth_plugin_entry.version = "6.6.6";
#endif
  /* Keeps zoo_open in use where the entry does not name it. */
  if (!path && file) zoo_open(0, 0);
}
