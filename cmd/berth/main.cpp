// SPDX-License-Identifier: Apache-2.0
// berth: functions from the command line.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <string>
#include <string_view>
#include <vector>

#include "commands.hpp"
#include "completion.hpp"
#include "exit_code.hpp"
#include "server_names.hpp"

namespace {

int run(int argc, char** argv) {
  using berth::cli::ExitCode;
  CLI::App program("Functions on Berth: create them, invoke them, read their logs", "berth");
  const auto options = std::make_shared<berth::cli::GlobalOptions>();
  program.set_version_flag("--version", BERTH_VERSION);
  program
      .add_option("--data-dir", options->data_dir,
                  "berthd's data directory (BERTH_DATA_DIR; root: /var/lib/berth, else "
                  "~/.local/state/berth): address and key are found there")
      ->type_name("DIR");
  program.add_option("--apihost", options->api_host,
                     "address of a berthd elsewhere (BERTH_APIHOST)");
  program.add_flag("-i,--insecure", options->insecure, "do not check the server's certificate");
  program.add_flag("--json", options->json, "print JSON, as berthd sent it");
  program.footer(std::string("The key for a berthd elsewhere is BERTH_AUTH=UUID:SECRET.\n") +
                 berth::cli::kExitCodesHelp);
  program.require_subcommand(1);
  program.fallthrough();  // global options may stand after the command
  berth::cli::add_action_commands(program, options);
  berth::cli::add_activation_commands(program, options);
  berth::cli::add_api_commands(program, options);
  berth::cli::add_container_commands(program, options);
  berth::cli::add_deploy_commands(program, options);
  berth::cli::add_list_commands(program, options);
  berth::cli::add_namespace_commands(program, options);
  berth::cli::add_package_commands(program, options);
  berth::cli::add_rule_commands(program, options);
  berth::cli::add_trigger_commands(program, options);
  berth::cli::add_plugin_commands(program, options);
  berth::cli::add_server_commands(program, options);
  berth::cli::add_admin_commands(program, options);
  berth::cli::add_completion_commands(program);
  // Before anything is parsed: what is to be completed need not be right.
  if (argc > 2 && std::string_view(argv[1]) == berth::cli::kCompleteWord) {
    const std::vector<std::string> words(argv + 3, argv + argc);  // after "--"
    std::fputs(to_lines(complete(program, words, berth::cli::server_names)).c_str(), stdout);
    return static_cast<int>(ExitCode::kOk);
  }
  try {
    program.parse(argc, argv);
    return static_cast<int>(ExitCode::kOk);
  } catch (const CLI::ParseError& error) {
    const int code = program.exit(error);
    return static_cast<int>(code == 0 ? ExitCode::kOk : ExitCode::kUsage);
  } catch (const berth::cli::Exit& end) {
    // Some ends have said all there is to say.
    if (*end.what() != '\0') std::fprintf(stderr, "berth: %s\n", end.what());
    return static_cast<int>(end.code());
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "berth: %s\n", error.what());
    return static_cast<int>(berth::cli::ExitCode::kFailed);
  }
}
