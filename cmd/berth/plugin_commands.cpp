// SPDX-License-Identifier: Apache-2.0
// berth plugin list|inspect: what plugins say of themselves, read without running them; and, with
// --running, what the running berthd says of those it loaded.
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <filesystem>

#include "commands.hpp"
#include "output.hpp"
#include "plugin/describe.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

struct PluginOptions {
  std::string directory;
  std::string subject;  // a file, or a plugin's name
  bool running = false;
};

void print_json(const json::value& value) {
  std::puts(json::serialize(value).c_str());
}

// One of the loaded plugins, or all of them for an empty name.
void show_running(const GlobalOptions& options, const std::string& name) {
  const json::value plugins = document(admin(options, "GET", "/plugins"));
  if (name.empty()) {
    if (options.json) return print_json(plugins);
    std::fputs(pretty(plugins).c_str(), stdout);
    return;
  }
  for (const json::value& entry : plugins.as_array()) {
    if (text_of(entry, "name") != name) continue;
    if (options.json) return print_json(entry);
    std::fputs(pretty(entry).c_str(), stdout);
    return;
  }
  throw Exit(ExitCode::kNotFound, "berthd has not loaded a plugin '" + name + "'");
}

void list(const GlobalOptions& options, const PluginOptions& wanted) {
  if (wanted.running) return show_running(options, "");
  const auto directory = plugin::PluginDirectory::scan(plugin_directory(wanted.directory));
  if (!directory) throw Exit(ExitCode::kFailed, directory.error().message());
  if (options.json) return print_json(plugin::list_json(*directory));
  std::fputs(plugin::list_text(*directory).c_str(), stdout);
}

void inspect(const GlobalOptions& options, const PluginOptions& wanted) {
  if (wanted.running) return show_running(options, wanted.subject);
  if (wanted.subject.empty()) {
    throw Exit(ExitCode::kUsage, "which plugin? Give its file or its name");
  }
  std::filesystem::path file = wanted.subject;
  if (plugin::is_plugin_name(wanted.subject) && !std::filesystem::exists(file)) {
    file = plugin_directory(wanted.directory) / plugin::plugin_file_name(wanted.subject);
  }
  const plugin::Examination examination = plugin::examine(file);
  if (options.json) {
    print_json(plugin::inspect_json(examination));
  } else {
    std::fputs(plugin::inspect_text(examination).c_str(), stdout);
  }
  // The text has said why.
  if (!examination.ok()) throw Exit(ExitCode::kFailed, "");
}

}  // namespace

void add_plugin_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group = program.add_subcommand("plugin", "container and log plugins");
  group->require_subcommand(1);
  const auto wanted = std::make_shared<PluginOptions>();

  CLI::App* list_command = group->add_subcommand("list", "list the plugin directory");
  list_command
      ->add_option("--plugin-dir", wanted->directory,
                   "another directory (BERTH_PLUGINS__DIRECTORY)")
      ->type_name("DIR");
  list_command->add_flag("--running", wanted->running, "what the running berthd has loaded");
  list_command->callback([options, wanted] { list(*options, *wanted); });

  CLI::App* inspect_command =
      group->add_subcommand("inspect", "examine a plugin without running a line of it");
  inspect_command->add_option("plugin", wanted->subject, "its file, or its name")
      ->type_name("PLUGIN");
  inspect_command->add_option("--plugin-dir", wanted->directory, "where a name is looked for")
      ->type_name("DIR");
  inspect_command->add_flag("--running", wanted->running, "ask the running berthd instead");
  inspect_command->callback([options, wanted] { inspect(*options, *wanted); });
}

}  // namespace berth::cli
