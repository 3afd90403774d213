// SPDX-License-Identifier: Apache-2.0
// berth action create|update|get|list|delete|invoke
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <fmt/format.h>
#include <thread>

#include "action_get.hpp"
#include "code_file.hpp"
#include "commands.hpp"
#include "deploy_file.hpp"
#include "names.hpp"
#include "output.hpp"
#include "parameters.hpp"
#include "session.hpp"
#include "table.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

// wsk's own for programs, which are given their arguments as JSON on the command line.
constexpr const char* kNativeImage = "openwhisk/dockerskeleton";

struct ActionOptions {
  std::string name;
  std::string file;
  std::string kind;
  std::string main;
  std::string image;
  std::vector<std::string> components;  // of a sequence
  Pairs parameters;
  std::string parameter_file;
  Pairs init_parameters;
  Pairs annotations;
  std::string annotation_file;
  std::vector<std::string> removed_annotations;
  bool native = false;     // in kNativeImage
  bool copy = false;       // `file` is an action's name
  std::string web;         // yes, no, raw; empty: as it is
  std::string web_secure;  // true, false or a secret; empty: as it is
  std::int64_t timeout_ms = -1;
  std::int64_t memory_mb = -1;
  std::int64_t logs_mb = -1;
  std::int64_t concurrency = -1;
};

struct InvokeOptions {
  std::string name;
  Pairs parameters;
  std::string parameter_file;
  bool blocking = false;
  bool result = false;
  std::int64_t wait_ms = 0;
};

struct ListOptions {
  std::string package;  // empty: all of the namespace
  std::int64_t skip = 0;
  std::int64_t limit = 30;
};

std::string action_path(const std::string& name) {
  return entity_path("actions", name);
}

// "a", "pkg/a", "/ns/a" as the API wants a component named.
std::string component_name(const std::string& text) {
  return text.starts_with('/') ? text : "/_/" + text;
}

json::object exec_of(const ActionOptions& wanted) {
  json::object exec;
  if (!wanted.components.empty()) {
    if (!wanted.file.empty() || !wanted.image.empty() || !wanted.kind.empty()) {
      throw Exit(ExitCode::kUsage,
                 "a sequence has no code of its own: --sequence goes without "
                 "FILE, --kind and --docker");
    }
    exec["kind"] = "sequence";
    json::array& components = exec["components"].emplace_array();
    for (const std::string& name : wanted.components)
      components.push_back(json::string(component_name(name)));
    return exec;
  }
  if (!wanted.image.empty() || wanted.native) {
    exec["kind"] = "blackbox";
    exec["image"] = wanted.native ? kNativeImage : wanted.image;
    if (!wanted.file.empty()) {
      const Code code = read_code(wanted.file, wanted.kind);
      exec["code"] = code.text;
      exec["binary"] = code.binary;
    }
  } else {
    const Code code = read_code(wanted.file, wanted.kind);
    if (code.kind.empty()) {
      throw Exit(ExitCode::kUsage, "which kind is " + wanted.file +
                                       "? Give --kind, for example --kind python:default or "
                                       "--kind nodejs:default");
    }
    exec["kind"] = code.kind;
    exec["code"] = code.text;
    exec["binary"] = code.binary;
  }
  if (!wanted.main.empty()) exec["main"] = wanted.main;
  return exec;
}

void annotate(json::array& annotations, std::string_view key, json::value value) {
  annotations.push_back(json::object{{"key", key}, {"value", std::move(value)}});
}

// As the annotations of OpenWhisk's web actions say it. An exported action's own parameters are not
// its callers' to change.
void annotate_web(const ActionOptions& wanted, json::array& annotations) {
  if (!wanted.web.empty()) {
    const bool raw = wanted.web == "raw";
    const bool exported = raw || wanted.web == "yes" || wanted.web == "true";
    annotate(annotations, "web-export", exported);
    annotate(annotations, "raw-http", raw);
    annotate(annotations, "final", exported);
  }
  if (wanted.web_secure == "true" || wanted.web_secure == "false") {
    annotate(annotations, "require-whisk-auth", wanted.web_secure == "true");
  } else if (!wanted.web_secure.empty()) {
    annotate(annotations, "require-whisk-auth", json::string(wanted.web_secure));
  }
}

json::object body_of(const ActionOptions& wanted, bool creating) {
  json::object body;
  if (!wanted.file.empty() || !wanted.image.empty() || !wanted.components.empty()) {
    body["exec"] = exec_of(wanted);
  } else if (creating) {
    throw Exit(ExitCode::kUsage,
               "the code is missing: berth action create NAME FILE, or --sequence A,B,...");
  } else if (!wanted.kind.empty() || !wanted.main.empty()) {
    throw Exit(ExitCode::kUsage, "--kind and --main go with the code: give the FILE, too");
  }
  json::array parameters = to_list(parse_parameters(wanted.parameter_file, wanted.parameters));
  for (json::value& entry : to_list(parse_parameters("", wanted.init_parameters), true)) {
    parameters.push_back(std::move(entry));
  }
  if (!parameters.empty()) body["parameters"] = std::move(parameters);
  json::array annotations = to_list(parse_parameters(wanted.annotation_file, wanted.annotations));
  annotate_web(wanted, annotations);
  if (!annotations.empty()) body["annotations"] = std::move(annotations);
  if (!wanted.removed_annotations.empty()) {
    body["delAnnotations"] =
        json::array(wanted.removed_annotations.begin(), wanted.removed_annotations.end());
  }
  json::object limits;
  if (wanted.timeout_ms >= 0) limits["timeout"] = wanted.timeout_ms;
  if (wanted.memory_mb >= 0) limits["memory"] = wanted.memory_mb;
  if (wanted.logs_mb >= 0) limits["logs"] = wanted.logs_mb;
  if (wanted.concurrency >= 0) limits["concurrency"] = wanted.concurrency;
  if (!limits.empty()) body["limits"] = std::move(limits);
  return body;
}

// Another action's code, parameters, annotations and limits under what is given.
json::object copied(const GlobalOptions& options, const ActionOptions& wanted) {
  if (wanted.file.empty()) throw Exit(ExitCode::kUsage, "--copy wants the name of an action");
  const json::value from = document(rest(options, "GET", action_path(wanted.file)));
  ActionOptions changes = wanted;
  changes.file.clear();
  json::object body = body_of(changes, false);
  for (const char* member : {"exec", "limits", "parameters"}) {
    if (!body.contains(member)) body[member] = from.at(member);
  }
  json::array annotations = from.at("annotations").as_array();
  // The copy is no part of the project that the other one belongs to, which might delete it.
  annotations.erase(std::remove_if(annotations.begin(), annotations.end(),
                                   [](const json::value& annotation) {
                                     return text_of(annotation, "key") == kProjectAnnotation;
                                   }),
                    annotations.end());
  if (const json::value* given = body.if_contains("annotations")) {
    // Of two with one key the later one counts.
    for (const json::value& annotation : given->as_array()) {
      annotations.erase(std::remove_if(annotations.begin(), annotations.end(),
                                       [&annotation](const json::value& old) {
                                         return text_of(old, "key") == text_of(annotation, "key");
                                       }),
                        annotations.end());
      annotations.push_back(annotation);
    }
  }
  body["annotations"] = std::move(annotations);
  return body;
}

void put(const GlobalOptions& options, const ActionOptions& wanted, bool creating) {
  const std::string body =
      json::serialize(wanted.copy ? copied(options, wanted) : body_of(wanted, creating));
  HttpReply reply;
  {
    const Spinner spinner(fmt::format("sending {} ({} KB)", wanted.name, body.size() / 1024));
    reply =
        rest(options, "PUT", action_path(wanted.name) + (creating ? "" : "?overwrite=true"), body);
  }
  if (options.json) {
    std::puts(reply.body.c_str());
  } else {
    std::printf("%s action %s\n", creating ? "created" : "updated", wanted.name.c_str());
  }
}

void list(const GlobalOptions& options, const ListOptions& wanted) {
  const std::string collection =
      wanted.package.empty() ? "/actions" : action_path(wanted.package) + '/';
  const HttpReply reply = rest(
      options, "GET", fmt::format("{}?limit={}&skip={}", collection, wanted.limit, wanted.skip));
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows = {
      {"NAME", "VERSION", "KIND", "MEMORY", "TIMEOUT", "UPDATED (UTC)"}};
  const json::value actions = document(reply);
  for (const json::value& action : actions.as_array()) {
    std::string kind;
    for (const json::value& annotation : action.at("annotations").as_array()) {
      if (text_of(annotation, "key") == "exec") kind = text_of(annotation, "value");
    }
    const json::value& limits = action.at("limits");
    const std::string space = text_of(action, "namespace");
    const std::size_t slash = space.find('/');
    const std::string package =
        slash == std::string::npos ? std::string() : space.substr(slash + 1) + '/';
    rows.push_back({package + text_of(action, "name"), text_of(action, "version"), kind,
                    fmt::format("{} MB", number_of(limits, "memory")),
                    format_duration(number_of(limits, "timeout")),
                    format_time(number_of(action, "updated"))});
  }
  print_table(rows);
}

// The record is written after the reply, when the logs are complete. Waiting for it here lets the
// next command see it.
void wait_for_record(const GlobalOptions& options, const std::string& activation_id) {
  if (activation_id.empty()) return;
  for (int delay_ms = 2; delay_ms <= 512; delay_ms *= 2) {
    try {
      rest(options, "GET", "/activations/" + activation_id + "/result");
      return;
    } catch (const Exit& end) {
      if (end.code() != ExitCode::kNotFound) return;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(delay_ms));
  }
}

void print_outcome(const GlobalOptions& options, const HttpReply& reply) {
  const json::value value = document(reply);
  std::fputs(options.json ? (reply.body + '\n').c_str() : pretty(value).c_str(), stdout);
}

void invoke(const GlobalOptions& options, const InvokeOptions& wanted) {
  const bool blocking = wanted.blocking || wanted.result;
  std::string path = action_path(wanted.name);
  path += fmt::format("?blocking={}&result={}", blocking, wanted.result);
  if (wanted.wait_ms > 0) path += fmt::format("&timeout={}", wanted.wait_ms);
  const std::string body =
      json::serialize(parse_parameters(wanted.parameter_file, wanted.parameters));
  HttpReply reply;
  {
    const Spinner spinner("running " + wanted.name);
    reply = rest(options, "POST", path, body, true);
  }
  if (!blocking) {
    if (options.json) {
      std::puts(reply.body.c_str());
    } else {
      std::printf("invoked %s, activation %s\n", wanted.name.c_str(), reply.activation_id.c_str());
    }
    return;
  }
  if (reply.status == 202) {
    std::puts(options.json ? reply.body.c_str() : reply.activation_id.c_str());
    throw Exit(ExitCode::kNotFinished, wanted.name +
                                           " has not finished in time and goes on; later: " +
                                           "berth activation get " + reply.activation_id);
  }
  if (reply.activation_id.empty()) {
    // Refused before it ran: overload, shutdown.
    throw Exit(ExitCode::kServerError, text_of(document(reply), "error"));
  }
  print_outcome(options, reply);
  std::fflush(stdout);
  wait_for_record(options, reply.activation_id);
  if (reply.status >= 400) {
    throw Exit(ExitCode::kFunctionFailed,
               wanted.name + " failed; its logs: berth activation logs " + reply.activation_id);
  }
}

void add_put_options(CLI::App& command, ActionOptions& wanted, bool creating) {
  command.add_option("name", wanted.name, "name of the action")
      ->required()
      ->type_name(creating ? "NAME" : "ACTION");
  command
      .add_option("file", wanted.file,
                  "the code: source, zip, folder or program; '-' reads standard input")
      ->type_name("FILE");
  command
      .add_option("--kind", wanted.kind,
                  "runtime, e.g. python:default; else the file's extension tells")
      ->type_name("KIND");
  command.add_option("--main", wanted.main, "function or class to call");
  command.add_option("--docker", wanted.image, "run in this container image");
  command
      .add_flag("--native", wanted.native,
                "as wsk has it: a program that openwhisk/dockerskeleton runs, where the container "
                "plugin runs images; for all plugins there is --kind native:default")
      ->excludes("--docker")
      ->excludes("--kind")
      ->needs("file");
  command
      .add_option("--sequence", wanted.components,
                  "a sequence of these actions, each given the result of the one before")
      ->type_name("ACTION,...")
      ->delimiter(',')
      ->allow_extra_args(false);
  const auto add_pairs = [&command](const char* flags, Pairs& pairs, const char* help) {
    command.add_option(flags, pairs, help)->type_name("KEY VALUE")->allow_extra_args(false);
  };
  add_pairs("-p,--param", wanted.parameters, "default parameter; the value is JSON or a string");
  command
      .add_option("-P,--param-file", wanted.parameter_file,
                  "JSON object of default parameters; '-' reads standard input")
      ->type_name("FILE");
  add_pairs("-e,--env", wanted.init_parameters, "parameter given as environment variable");
  add_pairs("-a,--annotation", wanted.annotations, "annotation");
  command.add_option("-A,--annotation-file", wanted.annotation_file, "JSON object of annotations")
      ->type_name("FILE");
  command
      .add_option("--web", wanted.web,
                  "answer HTTP requests of anybody at /api/v1/web/...: raw "
                  "leaves query and body as they are")
      ->check(CLI::IsMember({"yes", "true", "no", "false", "raw"}));
  command.add_option(
      "--web-secure", wanted.web_secure,
      "who may ask a web action: true: whoever has a key of this berthd, false: anybody, "
      "else whoever sends this text as X-Require-Whisk-Auth");
  command.add_option("-t,--timeout", wanted.timeout_ms, "time limit in milliseconds");
  command.add_option("-m,--memory", wanted.memory_mb, "memory limit in MB");
  command.add_option("-l,--logsize", wanted.logs_mb, "log limit in MB");
  command.add_option("-c,--concurrency", wanted.concurrency, "activations at once in a container");
}

}  // namespace

void add_action_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group = program.add_subcommand("action", "functions: create, update, invoke, ...");
  group->require_subcommand(1);

  for (const bool creating : {true, false}) {
    CLI::App* command = group->add_subcommand(
        creating ? "create" : "update",
        creating ? "create an action" : "change an action, or create it; what is not given stays");
    const auto wanted = std::make_shared<ActionOptions>();
    add_put_options(*command, *wanted, creating);
    if (creating) command->add_flag("--copy", wanted->copy, "FILE is an action, to be copied");
    if (!creating) {
      command->add_option("--del-annotation", wanted->removed_annotations, "annotation to remove")
          ->allow_extra_args(false);
    }
    command->callback([options, wanted, creating] { put(*options, *wanted, creating); });
  }

  add_action_get(*group, options);

  CLI::App* list_command = group->add_subcommand("list", "list actions, newest first");
  const auto page = std::make_shared<ListOptions>();
  list_command->add_option("package", page->package, "only of this package")->type_name("PACKAGE");
  list_command->add_option("-s,--skip", page->skip, "leave out the first");
  list_command->add_option("-l,--limit", page->limit, "at most so many; 0: all that berthd allows");
  list_command->callback([options, page] { list(*options, *page); });

  CLI::App* remove = group->add_subcommand("delete", "delete an action");
  const auto removed = std::make_shared<std::string>();
  remove->add_option("name", *removed, "name of the action")->required()->type_name("ACTION");
  remove->callback([options, removed] {
    const HttpReply reply = rest(*options, "DELETE", action_path(*removed));
    if (options->json) {
      std::puts(reply.body.c_str());
    } else {
      std::printf("deleted action %s\n", removed->c_str());
    }
  });

  CLI::App* invoke_command = group->add_subcommand("invoke", "run an action");
  const auto run = std::make_shared<InvokeOptions>();
  invoke_command->add_option("name", run->name, "name of the action")
      ->required()
      ->type_name("ACTION");
  invoke_command
      ->add_option("-p,--param", run->parameters, "argument; the value is JSON or a string")
      ->type_name("KEY VALUE")
      ->allow_extra_args(false);
  invoke_command
      ->add_option("-P,--param-file", run->parameter_file,
                   "JSON object of arguments; '-' reads standard input")
      ->type_name("FILE");
  invoke_command->add_flag("-b,--blocking", run->blocking, "wait, and show the whole record");
  invoke_command->add_flag("-r,--result", run->result, "wait, and show the result only");
  invoke_command->add_option("--wait", run->wait_ms, "wait at most so many milliseconds");
  invoke_command->callback([options, run] { invoke(*options, *run); });
}

}  // namespace berth::cli
