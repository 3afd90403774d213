// SPDX-License-Identifier: Apache-2.0
// SmallInternet: a host with a way out, for tests. The calling process moves into a network
// namespace of its own, "the host" (and a mount namespace, with a /dev/net of its own), which is
// connected to another one with public and private servers. Everything is gone when the process and
// its child have ended.
//
// Needs root and the programs ip and nsenter. Not thread-safe; made while there is one thread.
#pragma once

#include <string>
#include <sys/types.h>

namespace berth::process::test {

class SmallInternet {
 public:
  static constexpr const char* kHostAddress = "5.6.7.1";  // towards the internet
  static constexpr const char* kOtherHostAddress = "5.6.7.9";
  static constexpr const char* kPublic = "8.8.8.8";       // serves TCP 80 and 5432, UDP 53
  static constexpr const char* kOtherPublic = "1.2.3.4";  // TCP
  static constexpr const char* kNameServer = "8.8.4.4";   // as kPublic; every name is 9.9.9.9
  static constexpr const char* kPrivate[] = {"10.1.2.3",       "10.2.3.4",   "172.16.5.5",
                                             "192.168.77.1",   "100.64.1.1", "169.254.1.1",
                                             "169.254.169.254"};  // TCP

  SmallInternet();
  ~SmallInternet();
  SmallInternet(const SmallInternet&) = delete;
  SmallInternet& operator=(const SmallInternet&) = delete;

  // Whether everything could be set up.
  bool ready() const { return ready_; }
  // Runs a shell's command in the host's namespace; its output, or "(failed)" and the output.
  static std::string sh(const std::string& command);
  // Servers answer "REMOTE LOCAL", the addresses as they see them; for UDP "LOCAL".

 private:
  [[noreturn]] static void serve(int ready_pipe);

  pid_t child_ = -1;
  bool ready_ = false;
};

}  // namespace berth::process::test
