// SPDX-License-Identifier: Apache-2.0
// `LoadedPlugin`: a plugin whose file passed every check and whose code is mapped into this
// process. It is not opened: that is PluginInstance's work, which borrows a LoadedPlugin and
// outlives nothing of it.
//
//   auto directory = PluginDirectory::scan("/usr/lib/berth/plugins");
//   auto plugin = directory->load("process");
//   use((*plugin)->entry());
//
// What is mapped is a sealed copy in memory, the same bytes that were checked: whatever happens to
// the file afterwards changes nothing here.
//
// Threads: load and destroy it on one thread, the loader thread, and never from inside a
// completion. The accessors are const and may be called from any thread meanwhile.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.hpp"
#include "berth/plugin/abi.h"
#include "plugin/manifest.hpp"

namespace berth::plugin {

struct Examination;

class LoadedPlugin {
 public:
  // Maps the examined copy. Constructors of the plugin run here. Refuses, with the file's name, an
  // examination that is not ok, what the dynamic linker cannot resolve, and an entry that (at run
  // time) does not say what the note says. [loader-thread]
  static Result<std::unique_ptr<LoadedPlugin>> load(Examination examination);

  // Unmaps. Nothing of the plugin may be running or be called any more.
  // [loader-thread]
  ~LoadedPlugin();
  LoadedPlugin(const LoadedPlugin&) = delete;
  LoadedPlugin& operator=(const LoadedPlugin&) = delete;

  const Manifest& manifest() const;
  // The operator's file, canonical; what is mapped is a copy of it.
  const std::filesystem::path& file() const;
  // 64 lower-case hex digits, of the bytes that are mapped.
  const std::string& sha256() const;
  // The plugin's own constant data: valid as long as this object.
  const berth_plugin_entry_v1& entry() const;

 private:
  struct Impl;
  explicit LoadedPlugin(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

}  // namespace berth::plugin
