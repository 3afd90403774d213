// SPDX-License-Identifier: Apache-2.0
// berth namespace key show|list|create|rotate|delete, block, unblock, usage, over berthd's admin
// socket.
#include "namespace_key_commands.hpp"

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <cstdio>
#include <memory>

#include "exit_code.hpp"
#include "output.hpp"
#include "session.hpp"
#include "table.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

struct KeyOptions {
  std::string name;
  std::string uuid;
  std::string subject;
  std::string rights;
  std::string time;  // "24h"
};

// "90s", "15m", "24h" or "7d" as seconds; "": 0.
std::int64_t seconds_of(const std::string& text) {
  if (text.empty()) return 0;
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (error == std::errc() && number >= 0 && number < 1'000'000'000) {
    if (unit == "s") return number;
    if (unit == "m") return number * 60;
    if (unit == "h") return number * 3600;
    if (unit == "d") return number * 86400;
  }
  throw Exit(ExitCode::kUsage, "'" + text + "' is no time: write 90s, 15m, 24h or 7d");
}

std::string time_of(const json::value& key, const char* member) {
  const std::int64_t ms = number_of(key, member);
  return ms == 0 ? "" : format_time(ms);
}

void list(const GlobalOptions& options, const KeyOptions& wanted) {
  if (!wanted.name.empty() && !wanted.subject.empty()) {
    throw Exit(ExitCode::kUsage, "name a namespace or --subject, not both");
  }
  const HttpReply reply =
      admin(options, "GET",
            wanted.name.empty() ? "/keys?subject=" + encode_segment(wanted.subject)
                                : namespace_path(wanted.name) + "/keys");
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows = {
      {"NAMESPACE", "SUBJECT", "UUID", "RIGHTS", "CREATED (UTC)", "ENDS", "OLD SECRET ENDS"}};
  const json::value keys = document(reply);
  for (const json::value& key : keys.as_array()) {
    rows.push_back({text_of(key, "namespace"), text_of(key, "subject"), text_of(key, "uuid"),
                    text_of(key, "rights"), time_of(key, "created"), time_of(key, "expires"),
                    time_of(key, "oldSecretUntil")});
  }
  print_table(rows);
}

void create(const GlobalOptions& options, const KeyOptions& wanted) {
  json::object body;
  if (!wanted.subject.empty()) body.emplace("subject", wanted.subject);
  if (!wanted.rights.empty()) body.emplace("rights", wanted.rights);
  if (!wanted.time.empty()) {
    const std::int64_t life = seconds_of(wanted.time);
    if (life == 0) throw Exit(ExitCode::kUsage, "a key that ends at once opens nothing");
    body.emplace("expiresIn", life);
  }
  print_key(options,
            admin(options, "POST", namespace_path(wanted.name) + "/keys", json::serialize(body)),
            "created a key of namespace " + wanted.name);
}

void rotate(const GlobalOptions& options, const KeyOptions& wanted) {
  const std::string path =
      namespace_path(wanted.name) +
      (wanted.uuid.empty() ? std::string("/key") : "/keys/" + encode_segment(wanted.uuid));
  const std::int64_t overlap = seconds_of(wanted.time);
  const std::string body = json::serialize(json::object{{"overlap", overlap}});
  print_key(options, admin(options, "POST", path, body),
            "the key of namespace " + wanted.name + " is new" +
                (overlap > 0 ? "; the old one opens for " + wanted.time + " more" : ""));
}

void set_blocked(const GlobalOptions& options, const std::string& name, bool blocked) {
  const HttpReply reply = admin(options, "POST", namespace_path(name) + "/blocked",
                                json::serialize(json::object{{"blocked", blocked}}));
  if (options.json) {
    std::puts(reply.body.c_str());
  } else {
    std::printf("%s namespace %s\n", blocked ? "blocked" : "opened", name.c_str());
  }
}

void usage(const GlobalOptions& options, const std::string& name) {
  const HttpReply reply = admin(options, "GET", namespace_path(name) + "/usage");
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"WHAT", "NUMBER"}};
  const json::value all = document(reply);
  for (const auto& member : all.as_object()) {
    if (member.key() == "name") continue;
    rows.push_back({std::string(member.key()), json::serialize(member.value())});
  }
  print_table(rows);
}

}  // namespace

std::string namespace_path(const std::string& name) {
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

void add_key_commands(CLI::App& group, const OptionsPtr& options) {
  CLI::App* key = group.add_subcommand("key", "the keys of a namespace");
  key->require_subcommand(1);
  const auto wanted = std::make_shared<KeyOptions>();
  CLI::App* show = key->add_subcommand("show", "show the namespace's own key");
  show->add_option("name", wanted->name, "name of the namespace")->required();
  show->callback([options, wanted] {
    print_key(*options, admin(*options, "GET", namespace_path(wanted->name) + "/key"), "");
  });
  CLI::App* list_command = key->add_subcommand("list", "list keys, without their secrets");
  list_command->add_option("name", wanted->name, "name of the namespace; else of all");
  list_command->add_option("--subject", wanted->subject, "those of one subject");
  list_command->callback([options, wanted] { list(*options, *wanted); });
  CLI::App* make = key->add_subcommand("create", "make another key; it is shown this once");
  make->add_option("name", wanted->name, "name of the namespace")->required();
  make->add_option("--subject", wanted->subject,
                   "whose it is; one subject may have keys of several namespaces");
  make->add_option("--rights", wanted->rights,
                   "what it allows, with commas: read, put, delete, activate, write (put and "
                   "delete), invoke (activate), all (standard)");
  make->add_option("--expires", wanted->time, "after that time it opens nothing: 15m, 24h, 30d");
  make->callback([options, wanted] { create(*options, *wanted); });
  CLI::App* rotate_command = key->add_subcommand("rotate", "make a new secret");
  rotate_command->add_option("name", wanted->name, "name of the namespace")->required();
  rotate_command->add_option("uuid", wanted->uuid, "of another key than the namespace's own");
  rotate_command->add_option("--overlap", wanted->time,
                             "so long the old secret opens, too: 15m, 24h, 7d; else it ends at "
                             "once");
  rotate_command->callback([options, wanted] { rotate(*options, *wanted); });
  CLI::App* remove = key->add_subcommand("delete", "have a key open nothing any more");
  remove->add_option("name", wanted->name, "name of the namespace")->required();
  remove->add_option("uuid", wanted->uuid, "of the key, as list shows it")->required();
  remove->callback([options, wanted] {
    const HttpReply reply = admin(
        *options, "DELETE", namespace_path(wanted->name) + "/keys/" + encode_segment(wanted->uuid));
    std::puts(options->json ? reply.body.c_str() : ("deleted key " + wanted->uuid).c_str());
  });

  for (const bool blocked : {true, false}) {
    CLI::App* command = group.add_subcommand(
        blocked ? "block" : "unblock",
        blocked ? "have no key open a namespace, and its web actions, APIs and triggers not answer"
                : "open a namespace again");
    command->add_option("name", wanted->name, "name of the namespace")->required();
    command->callback([options, wanted, blocked] { set_blocked(*options, wanted->name, blocked); });
  }
  CLI::App* usage_command =
      group.add_subcommand("usage", "show what a namespace has, and what it does now");
  usage_command->add_option("name", wanted->name, "name of the namespace")->required();
  usage_command->callback([options, wanted] { usage(*options, wanted->name); });
}

}  // namespace berth::cli
