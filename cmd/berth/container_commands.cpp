// SPDX-License-Identifier: Apache-2.0
// berth container list|stats: which containers the running berthd has, and how its pool is.
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <fmt/format.h>
#include <vector>

#include "commands.hpp"
#include "output.hpp"
#include "session.hpp"
#include "table.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

std::int64_t number_of(const json::value& entry, const char* key) {
  const json::value* value = entry.is_object() ? entry.get_object().if_contains(key) : nullptr;
  return value != nullptr && value->is_number() ? value->to_number<std::int64_t>() : 0;
}

std::string megabytes(std::int64_t bytes) {
  return fmt::format("{} MB", bytes >> 20);
}

// A number of the entry's "usage", or "" where the container factory tells nothing.
std::string usage_of(const json::value& entry, const char* key, std::string (*show)(std::int64_t)) {
  const json::value* usage = entry.is_object() ? entry.get_object().if_contains("usage") : nullptr;
  const bool known = usage != nullptr && usage->is_object() && usage->get_object().contains(key);
  return known ? show(number_of(*usage, key)) : "";
}

std::string plain(std::int64_t number) {
  return fmt::to_string(number);
}

void list(const GlobalOptions& options, const std::string& state) {
  const HttpReply reply = admin(options, "GET", "/containers");
  if (options.json && state.empty()) {
    std::puts(reply.body.c_str());
    return;
  }
  json::array chosen;
  std::vector<std::vector<std::string>> rows = {{"NAME", "STATE", "KIND", "MEMORY", "USED", "CPU",
                                                 "PIDS", "NAMESPACE", "ACTION", "RUNS", "IDLE",
                                                 "AGE", "DETAIL"}};
  const json::value containers = document(reply);
  for (const json::value& entry : containers.as_array()) {
    if (!state.empty() && text_of(entry, "state") != state) continue;
    chosen.push_back(entry);
    const std::int64_t idle = number_of(entry, "idle_ms");
    rows.push_back(
        {text_of(entry, "name"), text_of(entry, "state"), text_of(entry, "kind"),
         megabytes(number_of(entry, "memory_bytes")), usage_of(entry, "memory_bytes", megabytes),
         usage_of(entry, "cpu_ms", format_duration), usage_of(entry, "pids", plain),
         text_of(entry, "namespace"), text_of(entry, "action"),
         fmt::to_string(number_of(entry, "active")), idle > 0 ? format_duration(idle) : "",
         format_duration(number_of(entry, "age_ms")), text_of(entry, "detail")});
  }
  if (options.json) {
    std::puts(json::serialize(chosen).c_str());
  } else {
    print_table(rows);
  }
}

}  // namespace

void add_container_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group = program.add_subcommand(
      "container", "the containers of the running berthd (as the user that runs it)");
  group->require_subcommand(1);
  const auto state = std::make_shared<std::string>();
  CLI::App* list_command = group->add_subcommand("list", "list them");
  list_command->add_option("--state", *state,
                           "only those in this state: creating, prewarmed, initialising, ready, "
                           "running, pausing, paused, resuming, resizing, removing");
  list_command->callback([options, state] { list(*options, *state); });

  group->add_subcommand("stats", "memory, states, queue, prewarming, and what all use")
      ->callback([options] {
        const HttpReply reply = admin(*options, "GET", "/pool");
        std::fputs(options->json ? (reply.body + '\n').c_str() : pretty(document(reply)).c_str(),
                   stdout);
      });
}

}  // namespace berth::cli
