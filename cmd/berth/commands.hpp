// SPDX-License-Identifier: Apache-2.0
// The commands. Each function adds its subcommands to the program; CLI11 runs the chosen one, which
// throws Exit when it fails.
#pragma once

#include <memory>

#include "environment.hpp"

namespace CLI {
class App;
}

namespace berth::cli {

using OptionsPtr = std::shared_ptr<GlobalOptions>;

void add_action_commands(CLI::App& program, const OptionsPtr& options);
void add_activation_commands(CLI::App& program, const OptionsPtr& options);
void add_api_commands(CLI::App& program, const OptionsPtr& options);
// completion.
void add_completion_commands(CLI::App& program);
void add_container_commands(CLI::App& program, const OptionsPtr& options);
// deploy, undeploy.
void add_deploy_commands(CLI::App& program, const OptionsPtr& options);
// list.
void add_list_commands(CLI::App& program, const OptionsPtr& options);
void add_namespace_commands(CLI::App& program, const OptionsPtr& options);
void add_package_commands(CLI::App& program, const OptionsPtr& options);
void add_rule_commands(CLI::App& program, const OptionsPtr& options);
void add_trigger_commands(CLI::App& program, const OptionsPtr& options);
void add_plugin_commands(CLI::App& program, const OptionsPtr& options);
// admin backup, admin check.
void add_admin_commands(CLI::App& program, const OptionsPtr& options);
// status, wskprops.
void add_server_commands(CLI::App& program, const OptionsPtr& options);

}  // namespace berth::cli
