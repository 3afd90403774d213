// SPDX-License-Identifier: Apache-2.0
// Any text as a plugin's note, and its schema applied to a configuration with some of everything.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "plugin/config_schema.hpp"
#include "plugin/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const auto manifest = berth::plugin::parse_manifest(text);
  const auto schema = berth::plugin::ConfigSchema::parse(manifest ? manifest->config_schema : text);
  // What a manifest holds must parse again.
  if (manifest && !schema) std::abort();
  if (!schema) return 0;
  for (const char* config :
       {"{}", R"({"a": 1, "b": "text", "c": [1, "x", null], "d": {"a": {"b": 1.5}}})",
        R"({"a": {"a": {"a": true}}, "b": [], "url": "", "ttl": -1})", "[1, 1]"}) {
    (void)schema->check(config, "plugin.x");
  }
  (void)schema->is_secret("/a/0/b");
  return 0;
}
