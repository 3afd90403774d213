// SPDX-License-Identifier: Apache-2.0
// `Manifest`: what a plugin says of itself in its ELF note (berth/plugin/note.h), read without
// running a line of it. A value; thread-compatible.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/refusal.hpp"

namespace berth::plugin {

struct AbiVersion {
  std::uint32_t major = 0;
  std::uint32_t minor = 0;
  friend bool operator==(const AbiVersion&, const AbiVersion&) = default;
};
// "1.0"
std::string to_string(AbiVersion version);

struct Manifest {
  std::string name;     // [a-z][a-z0-9-]*, at most 32 characters
  std::string id;       // reverse DNS, e.g. "org.example.echo"
  std::string version;  // of the plugin, e.g. "1.2.0"
  AbiVersion abi;
  std::vector<std::string> provides;  // interface ids, at least one
  std::vector<std::string> needs;     // host service ids
  std::vector<std::string> flags;     // words this host knows
  std::string config_schema;  // JSON Schema draft 4 as text; parses with ConfigSchema::parse

  bool has_interface(std::string_view interface_id) const;
  bool has_flag(std::string_view flag) const;
};

// Reads a note's payload. Refuses, each with its own detail: more than 64 KiB, no UTF-8, no JSON
// object, a field that is missing, of the wrong type or malformed, an unknown flag, a config_schema
// that is no schema. Unknown keys are ignored: a newer minor version may have added them.
Checked<Manifest> parse_manifest(std::string_view payload);

// Refuses (rule "abi") a major version that this host does not load.
std::optional<Refusal> check_abi(AbiVersion abi);

// True for [a-z][a-z0-9-]* of at most 32 characters.
bool is_plugin_name(std::string_view name);
// "log-driver" -> "libberth_log_driver.so".
std::string plugin_file_name(std::string_view name);
// "libberth_log_driver.so" -> "log-driver"; empty if no plugin's file is called so.
std::string plugin_name_of_file(std::string_view file_name);

}  // namespace berth::plugin
