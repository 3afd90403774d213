// SPDX-License-Identifier: Apache-2.0
// What the commands of packages, triggers and rules share: options, lists, and what they print.
#pragma once

#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "commands.hpp"
#include "http.hpp"
#include "parameters.hpp"

namespace berth::cli {

struct EntityOptions {
  std::string name;
  Pairs parameters;
  std::string parameter_file;
  Pairs annotations;
  std::string annotation_file;

  // The members of a PUT's body; those that were not given are left out.
  boost::json::object body() const;
};

void add_pairs(CLI::App& command, const char* flags, Pairs& pairs, const char* help);
// The name, and parameters and annotations unless it is a rule. `is_new`: there is none of the name
// yet to complete it by.
void add_entity_options(CLI::App& command, EntityOptions& wanted, const std::string& kind,
                        bool is_new);

// "NAME is sent; what is printed: the document, or one line".
void print_document(const GlobalOptions& options, const HttpReply& reply);
void print_done(const GlobalOptions& options, const HttpReply& reply, const std::string& line);

// `get`: shows the entity of a collection ("packages").
void add_get(CLI::App& group, const OptionsPtr& options, const std::string& collection);
// `list` with --skip and --limit, a table of names.
void add_list(CLI::App& group, const OptionsPtr& options, const std::string& collection);

}  // namespace berth::cli
