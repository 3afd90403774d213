// SPDX-License-Identifier: Apache-2.0
// Start-up of berth-sandboxer: its directories and lock, going into the background, the privileges
// it works with, its cgroups and its socket. Used once, by main, on one thread.
#pragma once

#include <string>

#include "berth/sdk/status.hpp"
#include "cgroup.hpp"
#include "protocol/unique_fd.hpp"

namespace berth::process {

inline constexpr const char* kSocketName = "sandboxer.sock";
inline constexpr const char* kLogName = "sandboxer.log";

struct Home {
  UniqueFd data;     // the data directory: lock, log, names of our cgroups, spill files
  UniqueFd runtime;  // the runtime directory: the socket
  UniqueFd lock;     // held as long as this process lives: one sandboxer a data directory
  std::string runtime_path;
  std::string cgroup_name;  // of the base directory in each hierarchy, unique to the data directory
};

// Opens both directories (which exist) and takes the lock, waiting some seconds for a predecessor
// that is ending.
sdk::Status open_home(const std::string& data, const std::string& runtime,
                      const std::string& instance, Home& home);

// Goes on in a background process with its own session. There it returns true; `ready` takes "ok"
// or an error's text. In the foreground process it returns false once that has been said.
bool become_daemon(const Home& home, UniqueFd& ready, int& exit_code);

// Finds out whether this process may use all ids and mount as root; if not, enters a user namespace
// of its own in which it may mount. FAILED_PRECONDITION with the mend if neither works.
sdk::Status take_privileges(bool& privileged);

// Removes what a killed predecessor left and opens the cgroups.
void open_cgroups(const Home& home, Cgroups& cgroups);

sdk::Status listen_at(const Home& home, UniqueFd& listener);

}  // namespace berth::process
