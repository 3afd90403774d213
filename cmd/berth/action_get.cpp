// SPDX-License-Identifier: Apache-2.0
// berth action get, and berth list.
#include "action_get.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <utility>

#include "base/base64.hpp"
#include "base/unique_fd.hpp"
#include "entity_options.hpp"
#include "names.hpp"
#include "output.hpp"
#include "session.hpp"
#include "table.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

struct GetOptions {
  std::string name;
  bool code = false;
  bool url = false;
  bool summary = false;
  bool save = false;
  std::string save_as;
};

json::value annotation_of(const json::value& entity, std::string_view key) {
  for (const json::value& annotation : entity.at("annotations").as_array()) {
    if (text_of(annotation, "key") == key) return annotation.at("value");
  }
  return nullptr;
}

// Where HTTP requests reach it: a web action for anybody, others with a key.
std::string url_of(const GlobalOptions& options, const json::value& action) {
  const std::string space = text_of(action, "namespace");
  const std::size_t slash = std::min(space.find('/'), space.size());
  const std::string owner = encode_segment(space.substr(0, slash));
  const std::string package = slash < space.size() ? encode_segment(space.substr(slash + 1)) : "";
  const std::string name = encode_segment(text_of(action, "name"));
  const std::string host = api_host(options);
  if (annotation_of(action, "web-export") == json::value(true)) {
    return host + "/api/v1/web/" + owner + '/' + (package.empty() ? "default" : package) + '/' +
           name;
  }
  return host + "/api/v1/namespaces/" + owner + "/actions/" +
         (package.empty() ? "" : package + '/') + name;
}

std::string extension_of(std::string_view kind) {
  constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kExtensions = {{
      {"python", ".py"},
      {"nodejs", ".js"},
      {"go", ".go"},
      {"ruby", ".rb"},
      {"php", ".php"},
      {"swift", ".swift"},
      {"java", ".java"},
      {"rust", ".rs"},
  }};
  for (const auto& [family, extension] : kExtensions) {
    if (kind.starts_with(family)) return std::string(extension);
  }
  return "";
}

// Into a file that is not there yet.
void save_code(const GetOptions& wanted, const json::value& action) {
  const json::object& exec = action.at("exec").as_object();
  const json::value* code = exec.if_contains("code");
  if (code == nullptr || !code->is_string() || code->get_string().empty()) {
    throw Exit(ExitCode::kFailed, wanted.name + " has no code: it is a sequence, or an image");
  }
  std::string content(code->get_string());
  const json::value* binary = exec.if_contains("binary");
  const bool is_binary = binary != nullptr && *binary == true;
  if (is_binary) {
    const Result<std::string> bytes = base64_decode(content);
    if (!bytes) throw Exit(ExitCode::kFailed, "the server's code cannot be decoded");
    content = *bytes;
  }
  std::string file = wanted.save_as;
  if (file.empty()) {
    const std::string kind = text_of(action.at("exec"), "kind");
    const std::string binary_end = content.starts_with("PK\x03\x04") ? ".zip" : ".bin";
    file = text_of(action, "name") + (is_binary ? binary_end : extension_of(kind));
  }
  const UniqueFd out(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (out.get() < 0) {
    throw Exit(ExitCode::kUsage, file + ": " + std::strerror(errno) +
                                     (errno == EEXIST ? ": give another with --save-as" : ""));
  }
  std::string_view rest = content;
  while (!rest.empty()) {
    const ssize_t count = ::write(out.get(), rest.data(), rest.size());
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) throw Exit(ExitCode::kFailed, file + ": " + std::strerror(errno));
    rest.remove_prefix(static_cast<std::size_t>(count));
  }
  std::printf("saved %s in %s\n", wanted.name.c_str(), file.c_str());
}

void summarise(const json::value& action) {
  const json::value description = annotation_of(action, "description");
  std::printf("action /%s/%s%s\n", printable(text_of(action, "namespace")).c_str(),
              printable(text_of(action, "name")).c_str(),
              description.is_string()
                  ? (": " + printable(std::string(description.get_string()))).c_str()
                  : "");
  std::string names;
  for (const json::value& parameter : action.at("parameters").as_array()) {
    names += (names.empty() ? "" : ", ") + text_of(parameter, "key");
  }
  std::printf("  parameters: %s\n", names.empty() ? "none" : printable(names).c_str());
}

void get(const GlobalOptions& options, const GetOptions& wanted) {
  const bool saves = wanted.save || !wanted.save_as.empty();
  const HttpReply reply =
      rest(options, "GET",
           entity_path("actions", wanted.name) + (wanted.code || saves ? "" : "?code=false"));
  if (saves) return save_code(wanted, document(reply));
  if (wanted.url) {
    const std::string url = url_of(options, document(reply));
    std::puts(options.json ? json::serialize(json::object{{"url", url}}).c_str() : url.c_str());
  } else if (wanted.summary && !options.json) {
    summarise(document(reply));
  } else {
    print_document(options, reply);
  }
}

// Everything of the namespace, by name.
void list_all(const GlobalOptions& options) {
  json::object all;
  Rows rows = {{"KIND", "NAME", "VERSION", "UPDATED (UTC)"}};
  for (const char* collection : {"packages", "actions", "triggers", "rules"}) {
    json::array entities;
    const std::string kind(collection, std::strlen(collection) - 1);
    constexpr std::size_t kPage = 200;
    while (true) {
      const json::value page = document(rest(
          options, "GET", fmt::format("/{}?limit={}&skip={}", collection, kPage, entities.size())));
      for (const json::value& entity : page.as_array()) {
        const std::string space = text_of(entity, "namespace");
        const std::size_t slash = space.find('/');
        const std::string package =
            slash == std::string::npos ? std::string() : space.substr(slash + 1) + '/';
        rows.push_back({kind, package + text_of(entity, "name"), text_of(entity, "version"),
                        format_time(number_of(entity, "updated"))});
        entities.push_back(entity);
      }
      if (page.as_array().size() < kPage) break;
    }
    all[collection] = std::move(entities);
  }
  if (options.json) {
    std::puts(json::serialize(all).c_str());
  } else {
    print_table(rows);
  }
}

}  // namespace

void add_action_get(CLI::App& group, const OptionsPtr& options) {
  CLI::App* command = group.add_subcommand("get", "show an action, without its code");
  const auto wanted = std::make_shared<GetOptions>();
  command->add_option("name", wanted->name, "name of the action")->required()->type_name("ACTION");
  command->add_flag("--code", wanted->code, "with its code");
  command->add_flag("--url", wanted->url, "only the URL that invokes it");
  command->add_flag("--summary", wanted->summary, "only what it is, and its parameters' names");
  command->add_flag("--save", wanted->save, "save its code in a file of its name");
  command->add_option("--save-as", wanted->save_as, "save its code in this file")
      ->type_name("FILE");
  command->callback([options, wanted] { get(*options, *wanted); });
}

void add_list_commands(CLI::App& program, const OptionsPtr& options) {
  program.add_subcommand("list", "list packages, actions, triggers and rules")->callback([options] {
    list_all(*options);
  });
}

}  // namespace berth::cli
