// SPDX-License-Identifier: Apache-2.0
// What may come next on a command line, read off the program's own commands and options, so that
// it knows what they know. The shells' scripts only ask for it: `berth __complete -- WORD...`.
// Stateless.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "environment.hpp"

namespace CLI {
class App;
}

namespace berth::cli {

// The word that has a shell's script answered in place of a command run.
inline constexpr const char* kCompleteWord = "__complete";

struct Candidate {
  std::string text;  // the whole word
  std::string help;  // one line; may be empty
};

struct Completion {
  std::vector<Candidate> candidates;
  bool files = false;  // names of files will do, too
};

// What there is of a kind: ACTION, PACKAGE, TRIGGER, RULE, ACTIVATION, FEED, KIND, NAMESPACE,
// PLUGIN, as options and arguments have it for their type. Of other kinds, and when nobody can be
// asked: nothing. Does not throw. The options are those of the command line so far.
using AskNames = std::function<std::vector<Candidate>(
    const GlobalOptions& options, std::string_view kind, const std::string& begin)>;

// `words`: those after the program's name; the last one, which may be empty, is to be completed.
Completion complete(const CLI::App& program, const std::vector<std::string>& words,
                    const AskNames& ask);

// As the shells' scripts read it: a candidate a line, a TAB before its help; ":files" if files will
// do, too.
std::string to_lines(const Completion& completion);

// The script of a shell, "bash", "zsh" or "fish".
std::string_view completion_script(std::string_view shell);

}  // namespace berth::cli
