// SPDX-License-Identifier: Apache-2.0
// berthd: parses what it is told and runs.
#include <cstdio>

#include "backends.hpp"
#include "daemon.hpp"
#include "keys.hpp"
#include "options.hpp"
#include "settings.hpp"

namespace {

using namespace berth;

constexpr int kCannotRun = 1;
constexpr int kBadUsage = 2;

int fail(const Status& status, int code) {
  std::fprintf(stderr, "berthd: %s\n", status.message().c_str());
  return code;
}

// --check: what a start would use, or what is wrong with it.
int check(const config::Document& config) {
  const auto choice = daemon::PluginChoice::make(config, daemon::plugin_directory(config));
  if (!choice) return fail(choice.error(), kBadUsage);
  const auto manifest = daemon::runtimes_manifest(config);
  if (!manifest) return fail(manifest.error(), kBadUsage);
  std::fputs(config.describe(choice->secrets()).c_str(), stdout);
  std::printf("# data_dir is %s\n# plugins.directory is %s\n# runtimes: %s\n",
              daemon::data_directory(config).c_str(), choice->directory().path().c_str(),
              manifest->kinds_text().c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  int exit_code = 0;
  const auto options = daemon::parse_options(argc, argv, exit_code);
  if (!options) return exit_code;
  if (options->reference) {
    std::fputs(config::reference(daemon::keys()).c_str(), stdout);
    return 0;
  }
  const auto config = config::Document::load(daemon::keys(), options->sources);
  if (!config) return fail(config.error(), kBadUsage);
  const Status sane = daemon::check(*config);
  if (!sane.ok()) return fail(sane, kBadUsage);
  if (options->check) return check(*config);
  daemon::configure_log(*config);
  const Status ran = daemon::run(*config);
  if (ran.ok()) return 0;
  return fail(ran, ran.code() == StatusCode::kInvalidArgument ? kBadUsage : kCannotRun);
}
