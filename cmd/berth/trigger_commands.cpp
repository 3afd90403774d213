// SPDX-License-Identifier: Apache-2.0
// berth trigger create|update|get|list|delete|fire|pause|unpause
#include <boost/json/serialize.hpp>
#include <cstdio>

#include "entity_options.hpp"
#include "exit_code.hpp"
#include "feed.hpp"
#include "names.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

struct TriggerOptions : EntityOptions {
  std::string feed;
};

std::string path_of(const std::string& name) {
  return entity_path("triggers", name);
}

// The feed of a trigger that is there; "" for one without.
std::string ask_feed(const GlobalOptions& options, const std::string& name) {
  return feed_of(document(rest(options, "GET", path_of(name))));
}

// The parameters are the feed's; a trigger whose feed refuses is not there.
void create_with_feed(const GlobalOptions& options, const TriggerOptions& wanted) {
  json::object body = wanted.body();
  body.erase("parameters");
  json::array annotations;
  if (json::value* given = body.if_contains("annotations")) annotations = given->as_array();
  annotations.push_back(json::object{{"key", "feed"}, {"value", wanted.feed}});
  body["annotations"] = std::move(annotations);
  const HttpReply made = rest(options, "PUT", path_of(wanted.name), json::serialize(body));
  try {
    call_feed(options, wanted.feed, "CREATE", wanted.name,
              parse_parameters(wanted.parameter_file, wanted.parameters));
  } catch (const Exit&) {
    rest(options, "DELETE", path_of(wanted.name));
    throw;
  }
  print_done(options, made, "created trigger " + wanted.name + " with the feed " + wanted.feed);
}

void create(const GlobalOptions& options, const TriggerOptions& wanted) {
  if (!wanted.feed.empty()) return create_with_feed(options, wanted);
  const HttpReply reply =
      rest(options, "PUT", path_of(wanted.name), json::serialize(wanted.body()));
  print_done(options, reply, "created trigger " + wanted.name);
}

void update(const GlobalOptions& options, const TriggerOptions& wanted) {
  json::object body = wanted.body();
  std::string feed;
  try {
    const json::value trigger = document(rest(options, "GET", path_of(wanted.name)));
    feed = feed_of(trigger);
    // Annotations are replaced as a whole: that of the feed stays.
    if (json::value* given = body.if_contains("annotations"); given != nullptr && !feed.empty()) {
      given->as_array().push_back(json::object{{"key", "feed"}, {"value", feed}});
    }
  } catch (const Exit& end) {
    if (end.code() != ExitCode::kNotFound) throw;
  }
  if (!feed.empty()) {
    call_feed(options, feed, "UPDATE", wanted.name,
              parse_parameters(wanted.parameter_file, wanted.parameters));
    body.erase("parameters");
  }
  const HttpReply reply =
      rest(options, "PUT", path_of(wanted.name) + "?overwrite=true", json::serialize(body));
  print_done(options, reply, "updated trigger " + wanted.name);
}

void get(const GlobalOptions& options, const std::string& name) {
  const HttpReply reply = rest(options, "GET", path_of(name));
  const std::string feed = feed_of(document(reply));
  print_document(options, feed.empty() ? reply : call_feed(options, feed, "READ", name));
}

void remove(const GlobalOptions& options, const std::string& name, bool force) {
  const std::string feed = ask_feed(options, name);
  if (!feed.empty()) {
    try {
      call_feed(options, feed, "DELETE", name);
    } catch (const Exit& end) {
      if (!force) throw;
      std::fprintf(stderr, "berth: %s\n", end.what());
    }
  }
  const HttpReply reply = rest(options, "DELETE", path_of(name));
  print_done(options, reply, "deleted trigger " + name);
}

void fire(const GlobalOptions& options, const EntityOptions& wanted) {
  const HttpReply reply =
      rest(options, "POST", path_of(wanted.name),
           json::serialize(parse_parameters(wanted.parameter_file, wanted.parameters)));
  if (reply.status == 204) {
    std::puts(options.json ? "{}" : ("trigger " + wanted.name + " has no active rule").c_str());
    return;
  }
  print_done(options, reply, "fired " + wanted.name + ", activation " + reply.activation_id);
}

void tell_feed(const GlobalOptions& options, const std::string& name, const std::string& event) {
  const std::string feed = ask_feed(options, name);
  if (feed.empty()) throw Exit(ExitCode::kFailed, "trigger " + name + " has no feed");
  print_document(options, call_feed(options, feed, event, name));
}

}  // namespace

void add_trigger_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group = program.add_subcommand("trigger", "triggers: names for events, feeds");
  group->require_subcommand(1);
  for (const bool creating : {true, false}) {
    CLI::App* command = group->add_subcommand(
        creating ? "create" : "update",
        creating ? "create a trigger"
                 : "change a trigger and tell its feed, or create it; what is not given stays");
    const auto wanted = std::make_shared<TriggerOptions>();
    add_entity_options(*command, *wanted, "trigger", creating);
    if (creating) {
      command
          ->add_option("-f,--feed", wanted->feed,
                       "action that sends the events, e.g. /whisk.system/alarms/alarm; the "
                       "parameters are for it")
          ->type_name("FEED");
    }
    command->callback([options, wanted, creating] {
      creating ? create(*options, *wanted) : update(*options, *wanted);
    });
  }
  CLI::App* get_command = group->add_subcommand("get", "show a trigger; what its feed says of it");
  const auto shown = std::make_shared<std::string>();
  get_command->add_option("name", *shown, "name of the trigger")->required()->type_name("TRIGGER");
  get_command->callback([options, shown] { get(*options, *shown); });
  add_list(*group, options, "triggers");

  CLI::App* delete_command = group->add_subcommand("delete", "delete a trigger and tell its feed");
  const auto removed = std::make_shared<std::string>();
  const auto force = std::make_shared<bool>(false);
  delete_command->add_option("name", *removed, "name of the trigger")
      ->required()
      ->type_name("TRIGGER");
  delete_command->add_flag("--force", *force, "also if its feed refuses, or is gone");
  delete_command->callback([options, removed, force] { remove(*options, *removed, *force); });

  CLI::App* fire_command = group->add_subcommand("fire", "fire a trigger");
  const auto event = std::make_shared<EntityOptions>();
  fire_command->add_option("name", event->name, "name of the trigger")
      ->required()
      ->type_name("TRIGGER");
  add_pairs(*fire_command, "-p,--param", event->parameters,
            "member of the event; the value is JSON or a string");
  fire_command
      ->add_option("-P,--param-file", event->parameter_file,
                   "JSON object of the event; '-' reads standard input")
      ->type_name("FILE");
  fire_command->callback([options, event] { fire(*options, *event); });

  for (const char* word : {"pause", "unpause"}) {
    const std::string name = word;
    CLI::App* command = group->add_subcommand(
        name, name == "pause" ? "have the feed send no events" : "have the feed go on");
    const auto target = std::make_shared<std::string>();
    command->add_option("name", *target, "name of the trigger")->required()->type_name("TRIGGER");
    command->callback([options, target, event_name = name == "pause" ? "PAUSE" : "UNPAUSE"] {
      tell_feed(*options, *target, event_name);
    });
  }
}

}  // namespace berth::cli
