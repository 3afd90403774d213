/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ELF note: what a plugin says of itself, readable without running a line of it.
 *
 * A plugin carries one note in the section ".note.berth" (a PT_NOTE segment, so it survives strip):
 * owner "Berth", type BERTH_NOTE_TYPE, and as payload one UTF-8 JSON object of at most
 * BERTH_NOTE_MAX_BYTES:
 *
 *   name           short name, as in the entry
 *   id             reverse DNS, as in the entry
 *   version        as in the entry
 *   abi            "1.0": major and minor it was built with
 *   provides       array of interface ids, e.g. ["berth.container-factory/1"]
 *   needs          array of host service ids it cannot do without; may be empty
 *   flags          array of words: "log-store-out-of-band" (the core must not read logs)
 *   config_schema  JSON Schema (draft 4) of the [plugin.NAME] table; "writeOnly": true marks
 *                  a secret
 */
#ifndef BERTH_PLUGIN_NOTE_H_
#define BERTH_PLUGIN_NOTE_H_

#include "berth/plugin/abi.h"

#define BERTH_NOTE_SECTION ".note.berth"
#define BERTH_NOTE_OWNER "Berth"
#define BERTH_NOTE_TYPE 0x42525448u /* "BRTH" */
#define BERTH_NOTE_MAX_BYTES 65536

/* clang's AddressSanitizer would pad and realign the note like any other global. */
#if defined(__clang__) && defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BERTH_NOTE_PLAIN_ __attribute__((no_sanitize("address")))
#endif
#endif
#ifndef BERTH_NOTE_PLAIN_
#define BERTH_NOTE_PLAIN_
#endif

/* Emits the note; use it once, at file scope. `json` is a string literal (adjacent literals are
 * joined). The layout is that of an ELF note: owner padded to 4 bytes, then the payload, whose
 * length excludes the terminating NUL. */
#define BERTH_PLUGIN_NOTE(json)                                                       \
  __attribute__((used, aligned(4), section(BERTH_NOTE_SECTION)))                      \
  BERTH_NOTE_PLAIN_ static const struct {                                             \
    uint32_t owner_size;                                                              \
    uint32_t payload_size;                                                            \
    uint32_t type;                                                                    \
    char owner[8];                                                                    \
    char payload[((sizeof(json) + 3) / 4) * 4];                                       \
  } berth_plugin_note = {sizeof(BERTH_NOTE_OWNER), sizeof(json) - 1, BERTH_NOTE_TYPE, \
                         BERTH_NOTE_OWNER, json}

#endif /* BERTH_PLUGIN_NOTE_H_ */
