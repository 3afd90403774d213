// SPDX-License-Identifier: Apache-2.0
#include "entity_options.hpp"

#include <algorithm>
#include <cstdio>
#include <fmt/format.h>

#include "names.hpp"
#include "output.hpp"
#include "session.hpp"
#include "table.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

// "packages" and "a package".
std::string singular(const std::string& collection) {
  return collection.substr(0, collection.size() - 1);
}

// The type of an argument that names one: "PACKAGE".
std::string type_of(std::string kind) {
  std::transform(kind.begin(), kind.end(), kind.begin(),
                 [](char c) { return static_cast<char>(c - 'a' + 'A'); });
  return kind;
}

struct Page {
  std::string space;  // "/namespace"; empty: the caller's
  std::int64_t skip = 0;
  std::int64_t limit = 30;
};

void print_list(const GlobalOptions& options, const std::string& collection, const Page& page) {
  std::string space = page.space.empty() ? "_" : page.space;
  if (space.starts_with('/')) space.erase(0, 1);
  const HttpReply reply =
      rest(options, "GET",
           fmt::format("/api/v1/namespaces/{}/{}?limit={}&skip={}", encode_segment(space),
                       collection, page.limit, page.skip));
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  const bool packages = collection == "packages";
  std::vector<std::vector<std::string>> rows;
  rows.push_back(
      packages ? std::vector<std::string>{"NAME", "VERSION", "PUBLIC", "BINDING", "UPDATED (UTC)"}
               : std::vector<std::string>{"NAME", "VERSION", "UPDATED (UTC)"});
  const json::value list = document(reply);
  for (const json::value& entity : list.as_array()) {
    std::vector<std::string> row = {text_of(entity, "name"), text_of(entity, "version")};
    if (packages) {
      row.push_back(text_of(entity, "publish") == "true" ? "yes" : "no");
      const json::value* binding = entity.as_object().if_contains("binding");
      row.push_back(binding != nullptr && binding->is_object()
                        ? '/' + text_of(*binding, "namespace") + '/' + text_of(*binding, "name")
                        : "");
    }
    row.push_back(format_time(number_of(entity, "updated")));
    rows.push_back(std::move(row));
  }
  print_table(rows);
}

}  // namespace

json::object EntityOptions::body() const {
  json::object body;
  if (!parameter_file.empty() || !parameters.empty()) {
    body["parameters"] = to_list(parse_parameters(parameter_file, parameters));
  }
  if (!annotation_file.empty() || !annotations.empty()) {
    body["annotations"] = to_list(parse_parameters(annotation_file, annotations));
  }
  return body;
}

void add_pairs(CLI::App& command, const char* flags, Pairs& pairs, const char* help) {
  command.add_option(flags, pairs, help)->type_name("KEY VALUE")->allow_extra_args(false);
}

void add_entity_options(CLI::App& command, EntityOptions& wanted, const std::string& kind,
                        bool is_new) {
  command.add_option("name", wanted.name, "name of the " + kind)
      ->required()
      ->type_name(is_new ? "NAME" : type_of(kind));
  if (kind != "rule") {
    add_pairs(command, "-p,--param", wanted.parameters,
              "default parameter; the value is JSON or a string");
    command
        .add_option("-P,--param-file", wanted.parameter_file,
                    "JSON object of default parameters; '-' reads standard input")
        ->type_name("FILE");
  }
  add_pairs(command, "-a,--annotation", wanted.annotations, "annotation");
  command.add_option("-A,--annotation-file", wanted.annotation_file, "JSON object of annotations")
      ->type_name("FILE");
}

void print_document(const GlobalOptions& options, const HttpReply& reply) {
  std::fputs(options.json ? (reply.body + '\n').c_str() : pretty(document(reply)).c_str(), stdout);
}

void print_done(const GlobalOptions& options, const HttpReply& reply, const std::string& line) {
  std::puts(options.json ? reply.body.c_str() : line.c_str());
}

void add_get(CLI::App& group, const OptionsPtr& options, const std::string& collection) {
  const std::string kind = singular(collection);
  CLI::App* command = group.add_subcommand("get", "show a " + kind);
  const auto name = std::make_shared<std::string>();
  command->add_option("name", *name, "name of the " + kind)->required()->type_name(type_of(kind));
  command->callback([options, name, collection] {
    print_document(*options, rest(*options, "GET", entity_path(collection, *name)));
  });
}

void add_list(CLI::App& group, const OptionsPtr& options, const std::string& collection) {
  CLI::App* command = group.add_subcommand("list", "list " + collection + ", newest first");
  const auto page = std::make_shared<Page>();
  if (collection == "packages") {
    command->add_option("namespace", page->space, "/NAMESPACE of another: what it has made public");
  }
  command->add_option("-s,--skip", page->skip, "leave out the first");
  command->add_option("-l,--limit", page->limit, "at most so many; 0: all that berthd allows");
  command->callback([options, page, collection] { print_list(*options, collection, *page); });
}

}  // namespace berth::cli
