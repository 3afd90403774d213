// SPDX-License-Identifier: Apache-2.0
// berth namespace list|create|delete|key show|key rotate, over berthd's admin socket.
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>

#include "commands.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

std::string path_of(const std::string& name) {
  return "/namespaces/" + encode_segment(name);
}

void print_key(const GlobalOptions& options, const HttpReply& reply, const std::string& done) {
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  if (!done.empty()) std::puts(done.c_str());
  std::printf("AUTH=%s\n", text_of(document(reply), "key").c_str());
}

void list(const GlobalOptions& options) {
  const HttpReply reply = admin(options, "GET", "/namespaces");
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"NAME", "UUID", "CREATED (UTC)"}};
  const json::value namespaces = document(reply);
  for (const json::value& entry : namespaces.as_array()) {
    rows.push_back(
        {text_of(entry, "name"), text_of(entry, "uuid"), format_time(number_of(entry, "created"))});
  }
  std::fputs(table(rows).c_str(), stdout);
}

}  // namespace

void add_namespace_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group = program.add_subcommand(
      "namespace", "namespaces and their keys (as the user that runs berthd)");
  group->require_subcommand(1);
  group->add_subcommand("list", "list namespaces")->callback([options] { list(*options); });

  const auto name = std::make_shared<std::string>();
  CLI::App* create = group->add_subcommand("create", "create a namespace and its key");
  create->add_option("name", *name, "name of the namespace")->required();
  create->callback([options, name] {
    const std::string body = json::serialize(json::object{{"name", *name}});
    print_key(*options, admin(*options, "POST", "/namespaces", body), "created namespace " + *name);
  });

  CLI::App* remove = group->add_subcommand("delete", "delete a namespace and its key");
  const auto force = std::make_shared<bool>(false);
  remove->add_option("name", *name, "name of the namespace")->required();
  remove->add_flag("--force", *force, "delete its actions, too");
  remove->callback([options, name, force] {
    const HttpReply reply =
        admin(*options, "DELETE", path_of(*name) + (*force ? "?force=true" : ""));
    if (options->json) {
      std::puts(reply.body.c_str());
    } else {
      std::printf("deleted namespace %s\n", name->c_str());
    }
  });

  CLI::App* key = group->add_subcommand("key", "the key of a namespace");
  key->require_subcommand(1);
  CLI::App* show = key->add_subcommand("show", "show the key");
  show->add_option("name", *name, "name of the namespace")->required();
  show->callback([options, name] {
    print_key(*options, admin(*options, "GET", path_of(*name) + "/key"), "");
  });
  CLI::App* rotate = key->add_subcommand("rotate", "make a new secret; the old one ends at once");
  rotate->add_option("name", *name, "name of the namespace")->required();
  rotate->callback([options, name] {
    print_key(*options, admin(*options, "POST", path_of(*name) + "/key"),
              "the key of namespace " + *name + " is new");
  });
}

}  // namespace berth::cli
