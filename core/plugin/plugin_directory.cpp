// SPDX-License-Identifier: Apache-2.0
#include "plugin/plugin_directory.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <system_error>

#include "plugin/file_trust.hpp"

namespace berth::plugin {
namespace {

bool looks_like_plugin(std::string_view file_name) {
  return file_name.starts_with("libberth_") && file_name.ends_with(".so");
}

// A file of some hundred bytes could hold a schema that is slow to compile: do it once a call.
Status check_against(const Manifest& manifest, std::string_view config_json,
                     const ConfigSchema::Locate& locate) {
  const auto schema = ConfigSchema::parse(manifest.config_schema);
  if (!schema) return schema.error();
  return schema->check(config_json, "plugin." + manifest.name, locate);
}

}  // namespace

Result<PluginDirectory> PluginDirectory::scan(const std::filesystem::path& directory,
                                              const ExamineOptions& options) {
  const TrustedDirectory opened = open_directory(directory, options.user);
  if (!opened.fd) {
    return sdk::not_found(
        fmt::format("{}. Mend: {}.", opened.refusal->detail, opened.refusal->mend));
  }
  if (opened.refusal) return opened.refusal->status(opened.canonical);

  PluginDirectory result(opened.canonical, options);
  std::vector<std::string> names;
  std::error_code error;
  for (std::filesystem::directory_iterator at(opened.canonical, error), end; !error && at != end;
       at.increment(error)) {
    std::string name = at->path().filename().string();
    if (looks_like_plugin(name)) names.push_back(std::move(name));
  }
  if (error) {
    return sdk::unavailable(fmt::format("cannot read the directory {}: {}",
                                        opened.canonical.string(), error.message()));
  }
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    Examination examination = examine(opened.canonical / name, options);
    PluginListing listing;
    listing.file = examination.file;
    listing.sha256 = examination.sha256;
    listing.name = examination.manifest ? examination.manifest->name : plugin_name_of_file(name);
    listing.manifest = examination.manifest;
    listing.status = examination.status();
    result.plugins_.push_back(std::move(listing));
  }
  result.refuse_shared_names();
  return result;
}

void PluginDirectory::refuse_shared_names() {
  for (PluginListing& one : plugins_) {
    if (!one.manifest) continue;
    std::vector<std::string> others;
    for (const PluginListing& other : plugins_) {
      if (&other != &one && other.manifest && other.name == one.name) {
        others.push_back(other.file.filename().string());
      }
    }
    if (others.empty()) continue;
    one.status =
        Refusal{"unique",
                fmt::format("{} says that it is {}, too", fmt::join(others, ", "), one.name),
                "remove one of them: which one is meant cannot be told"}
            .status(one.file);
  }
}

Result<const PluginListing*> PluginDirectory::find(std::string_view name) const {
  std::vector<std::string> names;
  const PluginListing* refused = nullptr;
  for (const PluginListing& listing : plugins_) {
    if (listing.status.ok()) names.push_back(listing.name);
    if (listing.name != name) continue;
    if (listing.status.ok()) return &listing;
    // The file that is called so says more than one that only claims the name.
    if (!refused || listing.file.filename() == plugin_file_name(name)) refused = &listing;
  }
  if (refused) return refused->status;
  if (names.empty()) names.push_back("none");
  return sdk::not_found(fmt::format(
      "there is no plugin {} in {}; there are: {}. Mend: put {} there, or name one of those.", name,
      path_.string(), fmt::join(names, ", "), plugin_file_name(name)));
}

Status PluginDirectory::check_config(std::string_view name, std::string_view config_json,
                                     const ConfigSchema::Locate& locate) const {
  const auto listing = find(name);
  if (!listing) return listing.error();
  return check_against(*(*listing)->manifest, config_json, locate);
}

Result<ConfigSchema> PluginDirectory::config_schema(std::string_view name) const {
  const auto listing = find(name);
  if (!listing) return listing.error();
  return ConfigSchema::parse((*listing)->manifest->config_schema);
}

Result<std::unique_ptr<LoadedPlugin>> PluginDirectory::load(
    std::string_view name, std::string_view config_json, const ConfigSchema::Locate& locate) const {
  const auto listing = find(name);
  if (!listing) return listing.error();
  Examination examination = examine((*listing)->file, options_);
  if (Status status = examination.status(); !status.ok()) return status;
  if (Status status = check_against(*examination.manifest, config_json, locate); !status.ok()) {
    return status;
  }
  return LoadedPlugin::load(std::move(examination));
}

}  // namespace berth::plugin
