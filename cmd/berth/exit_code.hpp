// SPDX-License-Identifier: Apache-2.0
// How the berth program ends. Scripts rely on the numbers; --help shows them.
#pragma once

#include <stdexcept>
#include <string>

namespace berth::cli {

enum class ExitCode : int {
  kOk = 0,
  kFailed = 1,          // anything that has no code of its own
  kUsage = 2,           // the command line, or a file it names
  kUnreachable = 3,     // no berthd answers
  kUnauthorized = 4,    // 401, 403
  kNotFound = 5,        // 404
  kConflict = 6,        // 409
  kFunctionFailed = 7,  // the function ended with an error
  kNotFinished = 8,     // the function still runs; its record comes later
  kServerError = 9,     // 5xx, 429: trying again may help
};

inline constexpr const char* kExitCodesHelp =
    "Exit codes: 0 done, 1 refused or failed, 2 bad command line or file, 3 no berthd answers,\n"
    "  4 not authorised, 5 not found, 6 exists or changed, 7 the function failed, 8 the function "
    "has\n"
    "  not finished in time, 9 berthd failed or is overloaded";

// The end of a command: what went wrong and what to do. Thrown by commands, caught in main.
class Exit : public std::runtime_error {
 public:
  Exit(ExitCode code, const std::string& message) : std::runtime_error(message), code_(code) {}
  ExitCode code() const { return code_; }

 private:
  ExitCode code_;
};

}  // namespace berth::cli
