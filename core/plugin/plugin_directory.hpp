// SPDX-License-Identifier: Apache-2.0
// `PluginDirectory`: the plugins an operator dropped into a directory, examined without running
// them. Files that are not called libberth_*.so are not looked at. Const access from any thread;
// `load` only on the loader thread.
//
//   auto directory = PluginDirectory::scan(config.plugin_directory);
//   if (!directory) return directory.error();
//   auto plugin = directory->load("process", config_json, [&](auto pointer) { return
//   place(pointer); });
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "plugin/config_schema.hpp"
#include "plugin/examine.hpp"
#include "plugin/loaded_plugin.hpp"

namespace berth::plugin {

// One file of the directory, as the scan found it.
struct PluginListing {
  std::filesystem::path file;
  std::string name;                  // of the note, else of the file's name, else empty
  std::string sha256;                // empty if the file could not be read
  std::optional<Manifest> manifest;  // none if the note could not be read
  Status status;                     // OK, or why it is refused
};

class PluginDirectory {
 public:
  // NOT_FOUND if there is no such directory, FAILED_PRECONDITION if others may write to it. A bad
  // file fails only itself. Two files that claim one name are both refused.
  static Result<PluginDirectory> scan(const std::filesystem::path& directory,
                                      const ExamineOptions& options = {});

  const std::filesystem::path& path() const { return path_; }
  // By file name.
  const std::vector<PluginListing>& plugins() const { return plugins_; }
  // The listing of a name that can be loaded; NOT_FOUND (naming those there are), or why it is
  // refused.
  Result<const PluginListing*> find(std::string_view name) const;

  // Checks the operator's settings of one plugin against its schema. `config_json` is a JSON
  // object.
  Status check_config(std::string_view name, std::string_view config_json,
                      const ConfigSchema::Locate& locate = {}) const;
  // The schema of one plugin, e.g. to mask its secrets.
  Result<ConfigSchema> config_schema(std::string_view name) const;

  // Examines the file again, as it is now, and its settings, then maps it.
  // [loader-thread]
  Result<std::unique_ptr<LoadedPlugin>> load(std::string_view name,
                                             std::string_view config_json = "{}",
                                             const ConfigSchema::Locate& locate = {}) const;

 private:
  PluginDirectory(std::filesystem::path path, ExamineOptions options)
      : path_(std::move(path)), options_(std::move(options)) {}
  void refuse_shared_names();

  std::filesystem::path path_;
  ExamineOptions options_;
  std::vector<PluginListing> plugins_;
};

}  // namespace berth::plugin
