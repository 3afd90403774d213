// SPDX-License-Identifier: Apache-2.0
// berth api create|list|get|delete, api key create|list|delete: HTTP paths that web actions answer.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <vector>

#include "api_calls.hpp"
#include "base/files.hpp"
#include "entity_options.hpp"
#include "exit_code.hpp"
#include "names.hpp"
#include "output.hpp"
#include "project_node.hpp"
#include "project_yaml.hpp"
#include "session.hpp"
#include "table.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxFile = 8u << 20;
struct CreateOptions {
  std::vector<std::string> words;  // [BASE_PATH] API_PATH METHOD ACTION
  std::string file;
  std::string title;
  std::string response_type = "json";
  std::string cors;
  std::string key_header;
  bool no_key = false;
};

json::object read_document(const std::string& file) {
  const Result<std::string> text = read_file(file, kMaxFile);
  if (!text) throw Exit(ExitCode::kUsage, file + ": " + text.error().message());
  const bool is_yaml = file.ends_with(".yaml") || file.ends_with(".yml");
  json::value tree;
  if (is_yaml) {
    tree = to_json(parse_yaml(*text, file));
  } else {
    boost::system::error_code error;
    tree = json::parse(*text, error);
    if (error) throw Exit(ExitCode::kUsage, file + " is no JSON: " + error.message());
  }
  if (!tree.is_object()) throw Exit(ExitCode::kUsage, file + " has no Swagger document");
  return std::move(tree.as_object());
}

std::string method_of(const std::string& word) {
  const std::string method = api_method(word);
  if (!method.empty()) return method;
  throw Exit(ExitCode::kUsage, "'" + word +
                                   "' is no method: GET, PUT, POST, DELETE, PATCH, HEAD "
                                   "or OPTIONS");
}

// The action must be one that answers HTTP; its secret, or null.
json::value secret_of(const GlobalOptions& options, const std::string& action) {
  const json::value entity =
      document(rest(options, "GET", entity_path("actions", action) + "?code=false"));
  bool is_exported = false;
  json::value secret;
  for (const json::value& annotation : entity.at("annotations").as_array()) {
    const json::value* value = annotation.as_object().if_contains("value");
    const std::string key = text_of(annotation, "key");
    if (value == nullptr) continue;
    if (key == "web-export") is_exported = value->is_bool() && value->as_bool();
    if (key == "require-whisk-auth" && (value->is_string() || value->is_number())) secret = *value;
  }
  if (is_exported) return secret;
  throw Exit(ExitCode::kFailed, "action " + action + " is no web action: berth action update " +
                                    action + " --web yes");
}

json::object wanted_endpoint(const GlobalOptions& options, const CreateOptions& wanted) {
  std::vector<std::string> words = wanted.words;
  if (words.size() == 3) words.insert(words.begin(), "/");
  if (words.size() != 4) {
    throw Exit(ExitCode::kUsage, "say [BASE_PATH] PATH METHOD ACTION, or --config-file FILE");
  }
  if (!words[1].starts_with('/')) {
    throw Exit(ExitCode::kUsage, "the path '" + words[1] + "' must begin with '/'");
  }
  const ApiOperation operation{words[1], method_of(words[2]), qualified(words[3])};
  json::object doc = endpoint_of(words[0], operation);
  if (json::value secret = secret_of(options, operation.action); !secret.is_null()) {
    doc.at("action").as_object().emplace("secureKey", std::move(secret));
  }
  if (!wanted.title.empty()) doc.emplace("apiName", wanted.title);
  if (!wanted.cors.empty()) doc.emplace("cors", wanted.cors == "yes");
  if (!wanted.key_header.empty()) doc.emplace("keyHeader", wanted.key_header);
  if (wanted.no_key) doc.emplace("keyHeader", "");
  return doc;
}

// One line for each operation of an API's `value`.
struct Line {
  ApiOperation operation;
  std::string api;
  std::string url;
};

std::vector<Line> lines_of(const json::value& value) {
  std::vector<Line> lines;
  const json::object& doc = value.at("apidoc").as_object();
  const json::value* info = doc.if_contains("info");
  const std::string title = info != nullptr ? text_of(*info, "title") : "";
  for (ApiOperation& operation : operations_of(doc)) {
    const std::string slash = operation.path.starts_with('/') ? "" : "/";
    std::string url = text_of(value, "gwApiUrl") + slash + operation.path;
    lines.push_back({std::move(operation), title, std::move(url)});
  }
  return lines;
}

void create(const GlobalOptions& options, const CreateOptions& wanted) {
  json::object doc;
  if (wanted.file.empty()) {
    doc = wanted_endpoint(options, wanted);
  } else {
    if (!wanted.words.empty()) {
      throw Exit(ExitCode::kUsage, "--config-file has all of the API: leave the words out");
    }
    doc = {{"namespace", "_"}, {"swagger", read_document(wanted.file)}};
  }
  const json::object body{{"apidoc", std::move(doc)}};
  const HttpReply reply =
      rest(options, "POST",
           management("createApi", "responsetype=" + encode_segment(wanted.response_type)),
           json::serialize(body));
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  const std::string path = wanted.words.empty() ? "" : wanted.words[wanted.words.size() - 3];
  for (const Line& line : lines_of(document(reply))) {
    if (!path.empty() && (line.operation.path != path ||
                          line.operation.method != method_of(*(wanted.words.end() - 2)))) {
      continue;
    }
    std::printf("%s %s answered by %s\n", line.operation.method.c_str(),
                printable(line.url).c_str(), printable(line.operation.action).c_str());
  }
}

void list(const GlobalOptions& options, const ApiPlace& place) {
  const HttpReply reply =
      rest(options, "GET",
           management("getApi", place.api.empty() ? "limit=0" : query_of(place) + "&limit=0"));
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"ACTION", "METHOD", "API", "URL"}};
  const json::value all = document(reply);
  for (const json::value& api : all.at("apis").as_array()) {
    for (const Line& line : lines_of(api.at("value"))) {
      const ApiOperation& operation = line.operation;
      if (!place.path.empty() && place.path != operation.path) continue;
      if (!place.method.empty() && method_of(place.method) != operation.method) continue;
      rows.push_back({operation.action, operation.method, line.api, line.url});
    }
  }
  print_table(rows);
}

void get(const GlobalOptions& options, const ApiPlace& place) {
  const HttpReply reply = rest(options, "GET", management("getApi", query_of(place)));
  const json::value all = document(reply);
  const json::array& apis = all.at("apis").as_array();
  if (apis.empty()) throw Exit(ExitCode::kNotFound, "there is no API " + place.api);
  std::fputs(pretty(apis.front().at("value").at("apidoc")).c_str(), stdout);
}

void remove(const GlobalOptions& options, const ApiPlace& place) {
  const HttpReply reply = rest(options, "DELETE", management("deleteApi", query_of(place)));
  std::string what = place.api;
  if (!place.path.empty()) what = place.path + " of " + what;
  if (!place.method.empty()) what = method_of(place.method) + ' ' + what;
  print_done(options, reply, "deleted " + what);
}

void create_key(const GlobalOptions& options, const std::string& api, const std::string& note) {
  const HttpReply reply =
      rest(options, "POST",
           management("createKey", query_of({api, "", ""}) + "&note=" + encode_segment(note)));
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  const json::value key = document(reply);
  std::printf("key %s, shown this once:\n%s: %s\n", text_of(key, "id").c_str(),
              text_of(key, "header").c_str(), text_of(key, "key").c_str());
  if (const std::string header = text_of(key, "secretHeader"); !header.empty()) {
    std::printf("%s: %s\n", header.c_str(), text_of(key, "secret").c_str());
  }
}

void list_keys(const GlobalOptions& options, const std::string& api) {
  const HttpReply reply = rest(options, "GET", management("getKeys", query_of({api, "", ""})));
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  std::vector<std::vector<std::string>> rows = {{"ID", "NOTE", "CREATED (UTC)"}};
  const json::value all = document(reply);
  for (const json::value& key : all.at("keys").as_array()) {
    rows.push_back(
        {text_of(key, "id"), text_of(key, "note"), format_time(number_of(key, "created"))});
  }
  print_table(rows);
}

void add_create(CLI::App& group, const OptionsPtr& options) {
  CLI::App* command =
      group.add_subcommand("create", "have a web action answer a path, or make a whole API");
  const auto wanted = std::make_shared<CreateOptions>();
  command
      ->add_option("words", wanted->words,
                   "[BASE_PATH] PATH METHOD ACTION; PATH may have parameters, /books/{isbn}")
      ->expected(0, 4);
  command->add_option("-c,--config-file", wanted->file,
                      "a Swagger 2.0 document, JSON or YAML, in place of what the API was");
  command->add_option("-n,--apiname", wanted->title, "name of an API that is new");
  command
      ->add_option("--response-type", wanted->response_type,
                   "what is made of the action's result: json (standard), http, html, svg, text")
      ->check(CLI::IsMember({"json", "http", "html", "svg", "text"}));
  command->add_option("--cors", wanted->cors, "whether pages of other origins may ask the API")
      ->check(CLI::IsMember({"yes", "no"}));
  command
      ->add_option("--key-header", wanted->key_header,
                   "ask for a key in this header, as x-api-key, on all paths of the API")
      ->check([](const std::string& name) {
        return name.empty() ? std::string("a header has a name") : std::string();
      });
  command->add_flag("--no-key", wanted->no_key, "ask for no key")->excludes("--key-header");
  command->callback([options, wanted] { create(*options, *wanted); });
}

void add_keys(CLI::App& group, const OptionsPtr& options) {
  CLI::App* keys = group.add_subcommand("key", "keys of an API that asks for one");
  keys->require_subcommand(1);
  const auto api = std::make_shared<std::string>();
  const auto word = std::make_shared<std::string>();
  CLI::App* make = keys->add_subcommand("create", "make a key; it is shown this once");
  make->add_option("api", *api, "base path or name of the API")->required();
  make->add_option("--note", *word, "whose it is");
  make->callback([options, api, word] { create_key(*options, *api, *word); });
  CLI::App* show = keys->add_subcommand("list", "list keys, without the keys themselves");
  show->add_option("api", *api, "base path or name of the API")->required();
  show->callback([options, api] { list_keys(*options, *api); });
  CLI::App* remove = keys->add_subcommand("delete", "let a key in no more");
  remove->add_option("api", *api, "base path or name of the API")->required();
  remove->add_option("id", *word, "of the key, as list shows it")->required();
  remove->callback([options, api, word] {
    const std::string query = query_of({*api, "", ""}) + "&id=" + encode_segment(*word);
    print_done(*options, rest(*options, "DELETE", management("deleteKey", query)),
               "deleted key " + *word);
  });
}

}  // namespace

void add_api_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group = program.add_subcommand("api", "HTTP paths that web actions answer");
  group->require_subcommand(1);
  add_create(*group, options);
  const auto add_place = [&](const char* name, const char* help, bool required, bool parts,
                             void (*run)(const GlobalOptions&, const ApiPlace&)) {
    CLI::App* command = group->add_subcommand(name, help);
    const auto place = std::make_shared<ApiPlace>();
    command->add_option("api", place->api, "base path or name of the API")->required(required);
    if (parts) {
      command->add_option("path", place->path, "only this path of it");
      command->add_option("method", place->method, "only this method of the path");
    }
    command->callback([options, place, run] { run(*options, *place); });
  };
  add_place("list", "list what is answered, and where", false, true, list);
  add_place("get", "show an API's Swagger document, as create --config-file takes it", true, false,
            get);
  add_place("delete", "delete an API, or a part of it", true, true, remove);
  add_keys(*group, options);
}

}  // namespace berth::cli
