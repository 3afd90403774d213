// SPDX-License-Identifier: Apache-2.0
// berth namespace list|create|delete|limits, over berthd's admin socket.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cstdio>

#include "commands.hpp"
#include "namespace_key_commands.hpp"
#include "output.hpp"
#include "session.hpp"
#include "table.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

void list(const GlobalOptions& options) {
  const HttpReply reply = admin(options, "GET", "/namespaces");
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"NAME", "UUID", "CREATED (UTC)", "BLOCKED"}};
  const json::value namespaces = document(reply);
  for (const json::value& entry : namespaces.as_array()) {
    rows.push_back({text_of(entry, "name"), text_of(entry, "uuid"),
                    format_time(number_of(entry, "created")),
                    text_of(entry, "blocked") == "true" ? "yes" : ""});
  }
  print_table(rows);
}

// "KEY=VALUE" of one limit: VALUE is a number, a list of kinds with commas between, or "none".
json::object parse_limits(const std::vector<std::string>& settings) {
  json::object limits;
  for (const std::string& setting : settings) {
    const std::size_t equals = setting.find('=');
    if (equals == std::string::npos) {
      throw Exit(ExitCode::kUsage, "'" + setting + "' is no KEY=VALUE");
    }
    const std::string key = setting.substr(0, equals);
    const std::string text = setting.substr(equals + 1);
    if (text == "none") {
      limits[key] = nullptr;
    } else if (key == "allowedKinds") {
      json::array kinds;
      for (std::size_t at = 0; at <= text.size();) {
        const std::size_t comma = std::min(text.find(',', at), text.size());
        if (comma > at) kinds.emplace_back(text.substr(at, comma - at));
        at = comma + 1;
      }
      limits[key] = std::move(kinds);
    } else {
      std::int64_t number = 0;
      const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
      if (error != std::errc() || end != text.data() + text.size()) {
        throw Exit(ExitCode::kUsage, key + " needs a number or none, not '" + text + "'");
      }
      limits[key] = number;
    }
  }
  return limits;
}

void limits(const GlobalOptions& options, const std::string& name,
            const std::vector<std::string>& settings) {
  const std::string path = namespace_path(name) + "/limits";
  const HttpReply reply =
      settings.empty() ? admin(options, "GET", path)
                       : admin(options, "POST", path, json::serialize(parse_limits(settings)));
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  const json::value set = document(reply);
  if (set.as_object().empty()) {
    std::printf("namespace %s has no limits of its own\n", name.c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"LIMIT", "VALUE"}};
  for (const auto& limit : set.as_object()) {
    rows.push_back({std::string(limit.key()), json::serialize(limit.value())});
  }
  print_table(rows);
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
  remove->add_option("name", *name, "name of the namespace")->required()->type_name("NAMESPACE");
  remove->add_flag("--force", *force, "delete its actions, too");
  remove->callback([options, name, force] {
    const HttpReply reply =
        admin(*options, "DELETE", namespace_path(*name) + (*force ? "?force=true" : ""));
    if (options->json) {
      std::puts(reply.body.c_str());
    } else {
      std::printf("deleted namespace %s\n", name->c_str());
    }
  });

  CLI::App* limits_command =
      group->add_subcommand("limits", "show or set what one namespace may, over the limits of all");
  limits_command->add_option("name", *name, "name of the namespace")
      ->required()
      ->type_name("NAMESPACE");
  const auto settings = std::make_shared<std::vector<std::string>>();
  limits_command->add_option(
      "settings", *settings,
      "KEY=VALUE or KEY=none: invocationsPerMinute, concurrentInvocations, firesPerMinute (0: no "
      "limit), min/maxActionMemory, min/maxActionLogs (MB), min/maxActionTimeout (ms), "
      "maxActionConcurrency, maxParameterSize, maxPayloadSize (bytes), keptActivations, "
      "allowedKinds (KIND,KIND...)");
  limits_command->callback([options, name, settings] { limits(*options, *name, *settings); });

  add_key_commands(*group, options);
}

}  // namespace berth::cli
