// SPDX-License-Identifier: Apache-2.0
// A folder as the zip archive that a runtime unpacks. Stateless.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

namespace berth::cli {

// All files below the folder but version control's and the serverless framework's own (.git,
// .serverless, .DS_Store); links to files are the files, also to those outside. The same files make
// the same bytes, so that code which did not change is seen to be the same. Throws Exit(kUsage),
// also for what is too much for an action.
//
// `takes`: whether a file is wanted, by its path below the folder; null: all are but those where
// keys use to lie (.env*, .wskprops). `main_file`: one
// that is in it as __main__.py, too; empty: none.
using TakesFile = std::function<bool(const std::string& path)>;
std::string zip_folder(const std::filesystem::path& folder, const TakesFile& takes = nullptr,
                       const std::string& main_file = "");

// What a folder's files say of its kind, "nodejs:default"; empty: nothing.
std::string kind_of_folder(const std::filesystem::path& folder);

}  // namespace berth::cli
