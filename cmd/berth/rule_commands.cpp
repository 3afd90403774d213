// SPDX-License-Identifier: Apache-2.0
// berth rule create|update|get|list|delete|enable|disable|status
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <functional>

#include "entity_options.hpp"
#include "names.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

struct RuleOptions : EntityOptions {
  std::string trigger;
  std::string action;
};

std::string path_of(const std::string& name) {
  return entity_path("rules", name);
}

void put(const GlobalOptions& options, const RuleOptions& wanted, bool creating) {
  json::object body = wanted.body();
  body["trigger"] = qualified(wanted.trigger);
  body["action"] = qualified(wanted.action);
  const HttpReply reply =
      rest(options, "PUT", path_of(wanted.name) + (creating ? "" : "?overwrite=true"),
           json::serialize(body));
  print_done(options, reply, (creating ? "created rule " : "updated rule ") + wanted.name);
}

CLI::App* add_named(CLI::App& group, const std::string& word, const std::string& help,
                    std::function<void(const std::string& name)> run) {
  CLI::App* command = group.add_subcommand(word, help);
  const auto name = std::make_shared<std::string>();
  command->add_option("name", *name, "name of the rule")->required()->type_name("RULE");
  command->callback([name, run = std::move(run)] { run(*name); });
  return command;
}

}  // namespace

void add_rule_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group = program.add_subcommand("rule", "rules: which action a trigger invokes");
  group->require_subcommand(1);
  for (const bool creating : {true, false}) {
    CLI::App* command =
        group->add_subcommand(creating ? "create" : "update",
                              creating ? "create an active rule" : "change a rule, or create it");
    const auto wanted = std::make_shared<RuleOptions>();
    add_entity_options(*command, *wanted, "rule", creating);
    command->add_option("trigger", wanted->trigger, "trigger that it waits for")
        ->required()
        ->type_name("TRIGGER");
    command->add_option("action", wanted->action, "action that it invokes")
        ->required()
        ->type_name("ACTION");
    command->callback([options, wanted, creating] { put(*options, *wanted, creating); });
  }
  add_get(*group, options, "rules");
  add_list(*group, options, "rules");
  add_named(*group, "delete", "delete a rule", [options](const std::string& name) {
    print_done(*options, rest(*options, "DELETE", path_of(name)), "deleted rule " + name);
  });
  add_named(*group, "status", "say whether a rule is active", [options](const std::string& name) {
    const HttpReply reply = rest(*options, "GET", path_of(name));
    print_done(*options, reply, text_of(document(reply), "status"));
  });
  for (const bool enabling : {true, false}) {
    add_named(*group, enabling ? "enable" : "disable",
              enabling ? "make a rule active" : "make a rule inactive",
              [options, enabling](const std::string& name) {
                const std::string body =
                    enabling ? R"({"status":"active"})" : R"({"status":"inactive"})";
                rest(*options, "POST", path_of(name), body);
                // berthd itself answers nothing.
                const std::string done = enabling ? "enabled rule " : "disabled rule ";
                std::puts(options->json ? body.c_str() : (done + name).c_str());
              });
  }
}

}  // namespace berth::cli
