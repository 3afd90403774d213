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

  // Where all of the group stands still now, the open file that froze it, which thaws it faster than
  // one that must be opened first. If that is not valid the group may be about to.
  UniqueFd freeze(const std::string& group) const;
  // True if it runs. `frozen` is what froze it, or not valid.
  bool thaw(const std::string& group, const UniqueFd& frozen) const;
  // Whether there is room to keep such a file open as long as a group stands still: half of the
  // process's descriptors stay free of them.
  bool may_keep(const UniqueFd& frozen) const { return frozen.get() < kept_below_; }

 private:
  UniqueFd open(const std::string& group, const char* file, int flags) const;

  UniqueFd base_;
  const bool v2_;
  const int kept_below_;
};

}  // namespace berth::process
