// SPDX-License-Identifier: Apache-2.0
#include "options.hpp"

#include <CLI/CLI.hpp>
#include <cstdlib>
#include <fmt/format.h>
#include <functional>
#include <unistd.h>

extern char** environ;

namespace berth::daemon {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

}  // namespace

std::optional<Options> parse_options(int argc, char** argv, int& exit_code) {
  CLI::App app{"berthd: runs functions in containers, over the OpenWhisk REST API."};
  Options options;
  std::string file;
  std::string data_dir;
  std::string listen;
  std::string plugin_dir;
  app.add_option("--config", file, "TOML file; docs/configuration.md lists every key")
      ->type_name("FILE");
  app.add_option("--set", options.sources.sets,
                 "set one key, e.g. --set http.listen=127.0.0.1:8080")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  auto* data_dir_option =
      app.add_option("--data-dir", data_dir, "where everything is kept (data_dir)");
  auto* listen_option = app.add_option("--listen", listen, "address of the REST API (http.listen)");
  auto* plugin_dir_option =
      app.add_option("--plugin-dir", plugin_dir, "where the plugins are (plugins.directory)");
  app.add_flag("--check", options.check, "validate, print each value with its origin, and exit");
  app.add_flag("--reference", options.reference,
               "print every key with its default and meaning, and exit");
  app.set_version_flag("--version", "berthd " BERTH_VERSION);
  app.footer(
      "Precedence: option > --set > environment (BERTH_HTTP__LISTEN) > file > default.\n"
      "Signals: SIGTERM stops after shutdown.grace, a second one at once; SIGHUP is for log "
      "rotation.\n"
      "Exit codes: 0 stopped as asked, 1 could not start or run, 2 bad usage or configuration.");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    exit_code = app.exit(error) == 0 ? 0 : 2;
    return std::nullopt;
  }
  if (!file.empty()) options.sources.file = file;
  for (char** variable = environ; *variable; ++variable) {
    const std::string text = *variable;
    const std::size_t equals = text.find('=');
    if (equals == std::string::npos) continue;
    options.sources.environment.emplace_back(text.substr(0, equals), text.substr(equals + 1));
  }
  if (*data_dir_option) options.sources.options.emplace_back("data_dir", data_dir);
  if (*listen_option) options.sources.options.emplace_back("http.listen", listen);
  if (*plugin_dir_option) options.sources.options.emplace_back("plugins.directory", plugin_dir);
  return options;
}

std::filesystem::path data_directory(const config::Document& config) {
  const std::string configured = config.text("data_dir");
  if (!configured.empty()) return std::filesystem::absolute(configured);
  if (geteuid() == 0) return "/var/lib/berth";
  const std::string state = environment("XDG_STATE_HOME");
  if (!state.empty()) return std::filesystem::path(state) / "berth";
  return std::filesystem::path(environment("HOME")) / ".local/state/berth";
}

std::filesystem::path program_directory() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).parent_path();
}

std::filesystem::path plugin_directory(const config::Document& config) {
  const std::string configured = config.text("plugins.directory");
  if (!configured.empty()) return configured;
  const auto beside = program_directory().parent_path() / "plugins";
  if (std::filesystem::is_directory(beside)) return beside;
  return program_directory().parent_path() / "lib/berth/plugins";
}

std::filesystem::path runtime_directory(const std::filesystem::path& data_directory) {
  const std::string own =
      fmt::format("{:08x}", std::hash<std::string>{}(data_directory.string()) & 0xffffffffu);
  if (geteuid() == 0) return std::filesystem::path("/run/berth") / own;
  const std::string user = environment("XDG_RUNTIME_DIR");
  if (!user.empty()) return std::filesystem::path(user) / "berth" / own;
  return std::filesystem::path(fmt::format("/tmp/berth-{}", geteuid())) / own;
}

}  // namespace berth::daemon
