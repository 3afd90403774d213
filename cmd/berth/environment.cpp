// SPDX-License-Identifier: Apache-2.0
#include "environment.hpp"

#include <cstdlib>
#include <string_view>
#include <system_error>
#include <unistd.h>

#include "base/files.hpp"
#include "exit_code.hpp"

namespace berth::cli {
namespace {

namespace fs = std::filesystem;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value != nullptr ? value : "";
}

std::string trimmed(std::string text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ' || text.back() == '\r')) {
    text.pop_back();
  }
  return text;
}

// The content of a file that berthd writes.
std::string read_small(const fs::path& path, const std::string& missing) {
  const Result<std::string> text = read_file(path, 4096);
  if (text) return trimmed(*text);
  if (text.error().code() == StatusCode::kNotFound) throw Exit(ExitCode::kUnreachable, missing);
  throw Exit(ExitCode::kUnauthorized, text.error().message());
}

bool is_this_machine(std::string_view host) {
  const std::size_t end = host.find_first_of(":/");
  const std::string_view name =
      host.starts_with('[') ? host.substr(0, host.find(']') + 1) : host.substr(0, end);
  return name == "localhost" || name == "[::1]" || name.starts_with("127.");
}

}  // namespace

fs::path data_directory(const GlobalOptions& options) {
  if (!options.data_dir.empty()) return options.data_dir;
  if (const std::string given = environment("BERTH_DATA_DIR"); !given.empty()) return given;
  if (::geteuid() == 0) return "/var/lib/berth";
  if (const std::string state = environment("XDG_STATE_HOME"); !state.empty()) {
    return fs::path(state) / "berth";
  }
  const std::string home = environment("HOME");
  if (home.empty()) {
    throw Exit(ExitCode::kUsage, "where is berthd's data? Set BERTH_DATA_DIR or give --data-dir");
  }
  return fs::path(home) / ".local/state/berth";
}

std::string with_scheme(std::string host) {
  while (host.ends_with('/')) host.pop_back();
  if (host.find("://") != std::string::npos) return host;
  return (is_this_machine(host) ? "http://" : "https://") + host;
}

std::string api_host(const GlobalOptions& options) {
  if (!options.api_host.empty()) return with_scheme(options.api_host);
  if (const std::string given = environment("BERTH_APIHOST"); !given.empty()) {
    return with_scheme(given);
  }
  const fs::path directory = data_directory(options);
  return with_scheme(read_small(directory / "apihost",
                                "no berthd is running on the data directory " + directory.string() +
                                    ": start it with 'berthd --data-dir " + directory.string() +
                                    "', or set BERTH_APIHOST and BERTH_AUTH for one elsewhere"));
}

std::string auth_key(const GlobalOptions& options) {
  if (!options.auth.empty()) return options.auth;
  if (const std::string given = environment("BERTH_AUTH"); !given.empty()) return given;
  const fs::path file = data_directory(options) / "guest.auth";
  return read_small(file,
                    "there is no key in " + file.string() +
                        ": set BERTH_AUTH=UUID:SECRET, or give the --data-dir that berthd uses");
}

fs::path admin_socket(const GlobalOptions& options) {
  return data_directory(options) / "admin.sock";
}

fs::path plugin_directory(const std::string& given) {
  if (!given.empty()) return given;
  if (const std::string value = environment("BERTH_PLUGINS__DIRECTORY"); !value.empty()) {
    return value;
  }
  std::error_code error;
  const fs::path program = fs::read_symlink("/proc/self/exe", error).parent_path();
  // In a build tree plugins are beside bin, installed below lib.
  for (const char* relative : {"../plugins", "../lib/berth/plugins"}) {
    const fs::path candidate = (program / relative).lexically_normal();
    if (fs::is_directory(candidate, error)) return candidate;
  }
  return (program / "../lib/berth/plugins").lexically_normal();
}

}  // namespace berth::cli
