// SPDX-License-Identifier: Apache-2.0
// The operator's [plugin.file] table. A value.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string_view>

namespace berth::file {

// When what was written goes to the disk itself. Until then it survives the end of berthd, but not
// that of the machine.
enum class Sync { kNever, kInterval, kAlways };

struct Settings {
  std::filesystem::path directory;
  std::uint64_t max_file_bytes = 64ull * 1024 * 1024;
  std::uint64_t max_files = 16;          // 0: no bound
  std::uint64_t max_bytes = 0;           // of all files on disk; 0: no bound
  std::chrono::seconds max_age{0};       // 0: no bound
  std::chrono::seconds max_file_age{0};  // 0: no bound
  bool compress = false;
  std::filesystem::path userlogs_directory;  // empty: none
  Sync sync = Sync::kInterval;
  std::chrono::milliseconds sync_interval{1000};
  std::uint64_t max_queued_bytes = 64ull * 1024 * 1024;

  // `config_json` was checked against kSchema by the host. Throws sdk::Error.
  static Settings parse(std::string_view config_json, std::string_view data_directory);
};

// JSON Schema of the table, draft 4; a macro because the note wants a literal.
#define BERTH_FILE_SCHEMA                                                                             \
  R"({"type": "object", "additionalProperties": false, "properties": {)"                              \
  R"("directory": {"type": "string", "pattern": "^/", )"                                              \
  R"("description": "Where the log files are; default: the plugin's own data directory."},)"          \
  R"("max_file_bytes": {"type": "integer", "minimum": 65536, "maximum": 1099511627776, )"             \
  R"("default": 67108864, "description": "A new file is begun when this one would get longer."},)"    \
  R"("max_files": {"type": "integer", "minimum": 0, "maximum": 1000000, "default": 16, )"             \
  R"("description": "The oldest file is deleted when there are more; 0: none is."},)"                 \
  R"("max_bytes": {"type": "integer", "minimum": 0, "maximum": 1152921504606846976, "default": 0, )"  \
  R"("description": "The oldest file is deleted when all take more on disk; 0: no bound."},)"         \
  R"("max_age_s": {"type": "integer", "minimum": 0, "maximum": 3153600000, "default": 0, )"           \
  R"("description": "A file is deleted when its last line is so old; 0: none is."},)"                 \
  R"("max_file_age_s": {"type": "integer", "minimum": 0, "maximum": 3153600000, "default": 0, )"      \
  R"("description": "A new file is begun when its first line is so old; 0: none is."},)"              \
  R"("compress": {"enum": ["none", "gzip"], "default": "none", )"                                     \
  R"("description": "What is done with full files. They stay readable for us and for zcat."},)"       \
  R"("userlogs_directory": {"type": "string", "pattern": "^/", "description": "Lines are also )"      \
  R"(written there as OpenWhisk does, userlogs-<ms>.log, for shippers made for it."},)"               \
  R"("sync": {"enum": ["never", "interval", "always"], "default": "interval", )"                      \
  R"("description": "When lines are forced to the disk: never, each sync_interval_ms, or before an )" \
  R"(append is answered."},)"                                                                         \
  R"("sync_interval_ms": {"type": "integer", "minimum": 10, "maximum": 3600000, "default": 1000},)"   \
  R"("max_queued_bytes": {"type": "integer", "minimum": 1048576, "maximum": 17179869184, )"           \
  R"("default": 67108864, "description": "Appends are refused when more than this waits."}}})"

}  // namespace berth::file
