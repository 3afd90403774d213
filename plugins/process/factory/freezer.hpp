// SPDX-License-Identifier: Apache-2.0
// Freezer: freezes and thaws sandboxes by writing to their cgroups, where this process may, which
// takes a fraction of asking berth-sandboxer to do it. Whatever does not work at once is the
// sandboxer's to do or to refuse. Made once for a sandboxer and not changed.
//
// [any-thread]
#pragma once

#include <string>

#include "protocol/unique_fd.hpp"

namespace berth::process {

class Freezer {
 public:
  // `base` is the directory of the sandboxes' groups, empty if there is none for us.
  Freezer(const std::string& base, bool v2);

  // The file of a group that freezes and thaws it, not valid if it cannot be opened. Keeping it
  // spares opening it each time.
  UniqueFd open(const std::string& group) const;
  // Whether there is room to keep this one open: half of the process's descriptors stay free of
  // them.
  bool may_keep(const UniqueFd& file) const { return file.get() < kept_below_; }

  // True if all of the group, whose file this is, stands still now. After false it may be about to.
  bool freeze(const std::string& group, const UniqueFd& file) const;
  // True if it runs.
  bool thaw(const UniqueFd& file) const;

 private:
  UniqueFd open(const std::string& group, const char* name, int flags) const;

  UniqueFd base_;
  const bool v2_;
  const int kept_below_;
};

}  // namespace berth::process
