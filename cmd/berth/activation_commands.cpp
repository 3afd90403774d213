// SPDX-License-Identifier: Apache-2.0
// berth activation list|get|logs|result|trace; poll and grep are in log_commands.cpp
#include <CLI/CLI.hpp>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <fmt/format.h>

#include "commands.hpp"
#include "log_commands.hpp"
#include "output.hpp"
#include "session.hpp"
#include "table.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

struct ListOptions {
  std::string name;
  std::int64_t skip = 0;
  std::int64_t limit = 30;
  std::int64_t since_ms = -1;
  std::int64_t upto_ms = -1;
  bool full = false;
};

struct OneOptions {
  std::string id;
  bool last = false;
  bool strip = false;
  bool follow = false;
};

std::string status_text(std::int64_t code) {
  constexpr std::array<const char*, 4> kTexts = {"success", "application error", "developer error",
                                                 "internal error"};
  return code >= 0 && code < 4 ? kTexts[static_cast<std::size_t>(code)] : "unknown";
}

void list(const GlobalOptions& options, const ListOptions& wanted) {
  std::string path = fmt::format("/activations?limit={}&skip={}", wanted.limit, wanted.skip);
  if (!wanted.name.empty()) path += "&name=" + encode_segment(wanted.name);
  if (wanted.since_ms >= 0) path += fmt::format("&since={}", wanted.since_ms);
  if (wanted.upto_ms >= 0) path += fmt::format("&upto={}", wanted.upto_ms);
  if (wanted.full) path += "&docs=true";
  const HttpReply reply = rest(options, "GET", path);
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  if (wanted.full) {
    std::fputs(pretty(document(reply)).c_str(), stdout);
    return;
  }
  std::vector<std::vector<std::string>> rows = {
      {"START (UTC)", "ACTIVATION", "START", "DURATION", "STATUS", "ACTION"}};
  const json::value activations = document(reply);
  for (const json::value& activation : activations.as_array()) {
    bool cold = false;
    for (const json::value& annotation : activation.at("annotations").as_array()) {
      cold |= text_of(annotation, "key") == "initTime";
    }
    rows.push_back({format_time(number_of(activation, "start")),
                    text_of(activation, "activationId"), cold ? "cold" : "warm",
                    format_duration(number_of(activation, "duration")),
                    status_text(number_of(activation, "statusCode")),
                    text_of(activation, "name") + ':' + text_of(activation, "version")});
  }
  print_table(rows);
}

std::string id_of(const GlobalOptions& options, const OneOptions& wanted) {
  if (!wanted.id.empty()) return wanted.id;
  if (!wanted.last) throw Exit(ExitCode::kUsage, "which activation? Give its id, or --last");
  const json::value newest = document(rest(options, "GET", "/activations?limit=1&skip=0"));
  if (newest.as_array().empty()) throw Exit(ExitCode::kNotFound, "there is no activation yet");
  return text_of(newest.at(0), "activationId");
}

void show(const GlobalOptions& options, const OneOptions& wanted, const std::string& part) {
  if (wanted.follow) return follow_logs(options, id_of(options, wanted), wanted.strip);
  const HttpReply reply =
      rest(options, "GET", "/activations/" + encode_segment(id_of(options, wanted)) + part);
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  const json::value value = document(reply);
  if (part == "/logs") {
    for (const json::value& line : value.at("logs").as_array()) {
      const std::string_view text = line.as_string();
      const std::string out(wanted.strip ? stripped(text) : text);
      std::puts(out.c_str());
    }
    return;
  }
  std::fputs(pretty(part == "/result" ? value.at("result") : value).c_str(), stdout);
}

json::value annotation_of(const json::value& record, std::string_view key) {
  for (const json::value& annotation : record.at("annotations").as_array()) {
    if (text_of(annotation, "key") == key) return annotation.at("value");
  }
  return nullptr;
}

// The time of a sequence went into its steps; their ids are its logs.
void trace_steps(const GlobalOptions& options, const json::value& record) {
  std::vector<std::vector<std::string>> rows = {{"STEP", "ACTIVATION ID", "DURATION", "STATUS"}};
  for (const json::value& entry : record.at("logs").as_array()) {
    const std::string id(entry.as_string());
    try {
      const json::value step = document(rest(options, "GET", "/activations/" + encode_segment(id)));
      rows.push_back({text_of(step, "name"), id, format_duration(number_of(step, "duration")),
                      text_of(step.at("response"), "status")});
    } catch (const Exit& end) {
      if (end.code() != ExitCode::kNotFound) throw;
      rows.push_back({"?", id, "", "its record is gone, or not there yet"});
    }
  }
  print_table(rows);
}

// Where the time of one activation went.
void trace(const GlobalOptions& options, const OneOptions& wanted) {
  const HttpReply reply =
      rest(options, "GET", "/activations/" + encode_segment(id_of(options, wanted)));
  const json::value record = document(reply);
  const json::value trace = annotation_of(record, "trace");
  if (options.json) {
    std::puts(json::serialize(trace).c_str());
    return;
  }
  std::printf("activation   %s\n", text_of(record, "activationId").c_str());
  const json::value path = annotation_of(record, "path");
  std::printf("action       %s %s\n",
              path.is_string() ? std::string(path.get_string()).c_str() : "?",
              text_of(record, "version").c_str());
  std::printf("status       %s\n", text_of(record.at("response"), "status").c_str());
  if (annotation_of(record, "kind") == json::value("sequence")) {
    std::printf("duration     %s\n\n", format_duration(number_of(record, "duration")).c_str());
    return trace_steps(options, record);
  }
  if (!trace.is_object()) {
    throw Exit(ExitCode::kFailed, "its record tells no more: an earlier Berth wrote it");
  }
  std::printf("transaction  %s\n", text_of(trace, "transaction").c_str());
  if (const std::string container = text_of(trace, "container"); !container.empty()) {
    std::printf("container    %s, %s\n", container.c_str(), text_of(trace, "start").c_str());
  }
  if (const std::int64_t times = number_of(trace, "reschedules"); times > 0) {
    std::printf("rescheduled  %lld times: the container was gone\n", static_cast<long long>(times));
  }
  std::printf("started      %s UTC\n\n", format_time(number_of(record, "start")).c_str());

  struct Phase {
    const char* key;
    const char* meaning;
  };
  constexpr std::array<Phase, 4> kPhases = {{
      {"queue", "from acceptance to a container"},
      {"mark", "to have its start on disk"},
      {"init", "/init of the container"},
      {"run", "/run of the function"},
  }};
  std::vector<std::vector<std::string>> rows = {{"PHASE", "MS", ""}};
  for (const Phase& phase : kPhases) {
    if (trace.get_object().if_contains(phase.key) == nullptr) continue;
    const auto us = static_cast<double>(number_of(trace, phase.key));
    rows.push_back({phase.key, fmt::format("{:.3f}", us / 1000), phase.meaning});
  }
  print_table(rows);
}

}  // namespace

void add_activation_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group = program.add_subcommand("activation", "what ran: records, results, logs");
  group->require_subcommand(1);

  CLI::App* list_command = group->add_subcommand("list", "list activations, newest first");
  const auto page = std::make_shared<ListOptions>();
  list_command->add_option("action", page->name, "only of this action")->type_name("ACTION");
  list_command->add_option("-s,--skip", page->skip, "leave out the first");
  list_command->add_option("-l,--limit", page->limit, "at most so many; 0: all that berthd allows");
  list_command->add_option("--since", page->since_ms, "started at or after (ms since the epoch)");
  list_command->add_option("--upto", page->upto_ms, "started at or before (ms since the epoch)");
  list_command->add_flag("-f,--full", page->full, "whole records, with results and logs");
  list_command->callback([options, page] { list(*options, *page); });

  CLI::App* trace_command =
      group->add_subcommand("trace", "show where the time of one activation went");
  const auto traced = std::make_shared<OneOptions>();
  trace_command->add_option("id", traced->id, "the activation's id")->type_name("ACTIVATION");
  trace_command->add_flag("--last", traced->last, "the newest one");
  trace_command->callback([options, traced] { trace(*options, *traced); });

  struct Command {
    const char* name;
    const char* help;
    const char* part;
  };
  for (const Command& one : {Command{"get", "show the whole record", ""},
                             Command{"logs", "show what it printed", "/logs"},
                             Command{"result", "show what it returned", "/result"}}) {
    CLI::App* command = group->add_subcommand(one.name, one.help);
    const auto wanted = std::make_shared<OneOptions>();
    command->add_option("id", wanted->id, "the activation's id")->type_name("ACTIVATION");
    command->add_flag("--last", wanted->last, "the newest one");
    if (std::string_view(one.part) == "/logs") {
      command->add_flag("--strip", wanted->strip, "without time and stream");
      command->add_flag("-f,--follow", wanted->follow, "go on until it has ended");
    }
    command->callback(
        [options, wanted, part = std::string(one.part)] { show(*options, *wanted, part); });
  }
  add_log_commands(*group, options);
}

}  // namespace berth::cli
