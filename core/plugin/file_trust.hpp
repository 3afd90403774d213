// SPDX-License-Identifier: Apache-2.0
// Who could have written a plugin's file? Checks the directory, its parents and the file by their
// opened descriptors, so that what was checked is what is read. Stateless; thread-safe.
//
// Trusted are root and the user. A directory or file is fine if nobody else may write to it: owner
// trusted, no write permission for others, and none for the group unless it is the owner's private
// group (of the same name, the owner's primary group, without other members, and no access control
// list). A parent may also be sticky (/tmp): there nobody can replace what belongs to somebody
// else.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <sys/types.h>

#include "base/unique_fd.hpp"
#include "plugin/refusal.hpp"

namespace berth::plugin {

struct TrustedDirectory {
  UniqueFd fd;  // O_PATH; closed if it could not be opened
  std::filesystem::path canonical;
  std::optional<Refusal> refusal;  // rule "directory"
};
// Opens a directory by its canonical path, component by component.
TrustedDirectory open_directory(const std::filesystem::path& directory, uid_t user);

struct TrustedFile {
  UniqueFd fd;  // for reading; closed if it must or can not be read
  std::uint64_t size = 0;
  std::optional<Refusal> refusal;  // rule "file"
};
// Opens `name` in the directory. A symbolic link is not followed, and nothing but a regular file is
// opened.
TrustedFile open_file(int directory, const std::string& name, uid_t user);

}  // namespace berth::plugin
