// SPDX-License-Identifier: Apache-2.0
// `ConfigSchema`: the schema in a plugin's note, and the check of the operator's [plugin.NAME]
// table against it, before the plugin runs. A cheap copy; const access from any thread.
//
//   auto schema = ConfigSchema::parse(manifest.config_schema);
//   Status ok = schema->check(json, "plugin.process", [&](auto pointer) { return
//   toml.place(pointer); });
//   // "berth.toml:12: plugin.process.detach_ttl (/detach_ttl) must be at least 1. Mend: ..."
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"

namespace berth::plugin {

class ConfigSchema {
 public:
  // Where in the operator's file a JSON pointer of the table is set, as "FILE:LINE"; empty if
  // unknown. The pointer may be of a table ("" is the whole one) or of a value.
  using Locate = std::function<std::string(std::string_view pointer)>;

  // INVALID_ARGUMENT if the text is no schema by the rules of schema_rules.hpp.
  static Result<ConfigSchema> parse(std::string_view json);

  // Checks one configuration, a JSON object. INVALID_ARGUMENT says place, key, JSON pointer, what
  // is wrong and the mend; never a value, which could be a secret. `table` is the TOML name of the
  // object.
  Status check(std::string_view config_json, std::string_view table,
               const Locate& locate = {}) const;

  // JSON pointers of what is marked "writeOnly": true; "*" stands for any one name.
  const std::vector<std::string>& secrets() const;
  // True if a JSON pointer is one of them or below one: show it masked.
  bool is_secret(std::string_view pointer) const;

 private:
  struct Impl;
  explicit ConfigSchema(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

}  // namespace berth::plugin
