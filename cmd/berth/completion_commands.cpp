// SPDX-License-Identifier: Apache-2.0
// berth completion bash|zsh|fish
#include <CLI/CLI.hpp>
#include <cstdio>

#include "commands.hpp"
#include "completion.hpp"

namespace berth::cli {

void add_completion_commands(CLI::App& program) {
  CLI::App* group = program.add_subcommand("completion", "have a shell complete berth's words");
  group->require_subcommand(1);
  for (const char* shell : {"bash", "zsh", "fish"}) {
    group->add_subcommand(shell, std::string("print the script for ") + shell)
        ->callback([shell = std::string(shell)] {
          std::fputs(std::string(completion_script(shell)).c_str(), stdout);
        });
  }
  group->footer(
      "For this shell:       source <(berth completion bash)    or zsh\n"
      "                      berth completion fish | source\n"
      "For all that follow:  berth completion bash > "
      "~/.local/share/bash-completion/completions/berth\n"
      "                      berth completion zsh > DIRECTORY_OF_fpath/_berth\n"
      "                      berth completion fish > ~/.config/fish/completions/berth.fish");
}

}  // namespace berth::cli
