// SPDX-License-Identifier: Apache-2.0
// Where berthd is and which key to use: options, then environment, then the data directory.
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <string>

namespace berth::cli {

// What the command line says for all commands.
struct GlobalOptions {
  std::string data_dir;  // --data-dir; empty: BERTH_DATA_DIR, else the default for this user
  std::string api_host;  // --apihost; empty: BERTH_APIHOST, else the data directory's
  std::string auth;      // BERTH_AUTH only: options are seen by everyone on the machine
  bool json = false;
  bool insecure = false;
  std::chrono::seconds patience{120};  // of each request
};

// /var/lib/berth for root, else ${XDG_STATE_HOME:-~/.local/state}/berth.
std::filesystem::path data_directory(const GlobalOptions& options);

// "http://127.0.0.1:3233". Throws Exit with what to do.
std::string api_host(const GlobalOptions& options);
// With a scheme, without a slash at the end: https, but http for this machine.
std::string with_scheme(std::string host);

// "uuid:secret". Throws Exit with what to do.
std::string auth_key(const GlobalOptions& options);

// The socket of berthd's administration.
std::filesystem::path admin_socket(const GlobalOptions& options);

// Where plugins are: `given`, else BERTH_PLUGINS__DIRECTORY, else beside this program.
std::filesystem::path plugin_directory(const std::string& given);

}  // namespace berth::cli
