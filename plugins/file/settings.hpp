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
  std::uint64_t max_files = 16;  // 0: no bound
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
  R"("sync": {"enum": ["never", "interval", "always"], "default": "interval", )"                      \
  R"("description": "When lines are forced to the disk: never, each sync_interval_ms, or before an )" \
  R"(append is answered."},)"                                                                         \
  R"("sync_interval_ms": {"type": "integer", "minimum": 10, "maximum": 3600000, "default": 1000},)"   \
  R"("max_queued_bytes": {"type": "integer", "minimum": 1048576, "maximum": 17179869184, )"           \
  R"("default": 67108864, "description": "Appends are refused when more than this waits."}}})"

}  // namespace berth::file
