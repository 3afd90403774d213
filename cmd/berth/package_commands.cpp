// SPDX-License-Identifier: Apache-2.0
// berth package create|update|bind|get|list|delete|refresh
#include <boost/json/serialize.hpp>
#include <cstdio>

#include "entity_options.hpp"
#include "exit_code.hpp"
#include "names.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

struct PackageOptions : EntityOptions {
  std::string shared;    // yes, no; empty: as it is
  std::string provider;  // of bind
};

// "/namespace/package" as a binding's JSON.
json::object binding_of(const std::string& provider) {
  const std::string text = qualified(provider);
  const std::size_t slash = text.find('/', 1);
  if (slash == std::string::npos || text.find('/', slash + 1) != std::string::npos) {
    throw Exit(ExitCode::kUsage, "'" + provider + "' names no package: /NAMESPACE/PACKAGE does");
  }
  return {{"namespace", text.substr(1, slash - 1)}, {"name", text.substr(slash + 1)}};
}

void put(const GlobalOptions& options, const PackageOptions& wanted, const char* done,
         bool overwrite) {
  json::object body = wanted.body();
  if (!wanted.shared.empty()) body["publish"] = wanted.shared == "yes" || wanted.shared == "true";
  if (!wanted.provider.empty()) body["binding"] = binding_of(wanted.provider);
  const HttpReply reply = rest(
      options, "PUT", entity_path("packages", wanted.name) + (overwrite ? "?overwrite=true" : ""),
      json::serialize(body));
  print_done(options, reply, std::string(done) + " package " + wanted.name);
}

}  // namespace

void add_package_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group =
      program.add_subcommand("package", "packages: actions with parameters in common");
  group->require_subcommand(1);
  for (const bool creating : {true, false}) {
    CLI::App* command = group->add_subcommand(
        creating ? "create" : "update",
        creating ? "create a package" : "change a package, or create it; what is not given stays");
    const auto wanted = std::make_shared<PackageOptions>();
    add_entity_options(*command, *wanted, "package", creating);
    command->add_option("--shared", wanted->shared, "whether other namespaces may use its actions")
        ->check(CLI::IsMember({"yes", "no", "true", "false"}));
    command->callback([options, wanted, creating] {
      put(*options, *wanted, creating ? "created" : "updated", !creating);
    });
  }

  CLI::App* bind = group->add_subcommand("bind", "give a package another name and own parameters");
  const auto bound = std::make_shared<PackageOptions>();
  bind->add_option("provider", bound->provider, "/NAMESPACE/PACKAGE that it stands for")
      ->required()
      ->type_name("PACKAGE");
  add_entity_options(*bind, *bound, "new package", true);
  bind->callback([options, bound] { put(*options, *bound, "bound", false); });

  add_get(*group, options, "packages");
  add_list(*group, options, "packages");

  CLI::App* remove = group->add_subcommand("delete", "delete a package");
  const auto removed = std::make_shared<std::string>();
  const auto force = std::make_shared<bool>(false);
  remove->add_option("name", *removed, "name of the package")->required()->type_name("PACKAGE");
  remove->add_flag("-f,--force", *force, "with the actions that are in it");
  remove->callback([options, removed, force] {
    const HttpReply reply =
        rest(*options, "DELETE", entity_path("packages", *removed) + (*force ? "?force=true" : ""));
    print_done(*options, reply, "deleted package " + *removed);
  });

  // Bindings are looked up when they are used, so there is nothing to bring up to date.
  CLI::App* refresh =
      group->add_subcommand("refresh", "for scripts written for wsk: bindings are always fresh");
  const auto space = std::make_shared<std::string>();
  refresh->add_option("namespace", *space, "namespace of the bindings");
  refresh->callback([options] {
    std::puts(options->json ? R"({"added":[],"updated":[],"deleted":[]})"
                            : "nothing to refresh: bindings are always fresh");
  });
}

}  // namespace berth::cli
