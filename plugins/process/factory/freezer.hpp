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

  // True if all of the group stands still now. After false it may be about to.
  bool freeze(const std::string& group) const;
  // True if it runs.
  bool thaw(const std::string& group) const;

 private:
  UniqueFd open(const std::string& group, const char* file, int flags) const;

  UniqueFd base_;
  const bool v2_;
};

}  // namespace berth::process
