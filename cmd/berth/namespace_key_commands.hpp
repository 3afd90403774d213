// SPDX-License-Identifier: Apache-2.0
// The part of `berth namespace` about keys, blocked namespaces and usage.
#pragma once

#include <string>

#include "commands.hpp"
#include "http.hpp"

namespace berth::cli {

// Of the admin socket.
std::string namespace_path(const std::string& name);
// The key of a reply, behind the line `done` unless that is empty; as JSON where that is wanted.
void print_key(const GlobalOptions& options, const HttpReply& reply, const std::string& done);

// Adds key, block, unblock and usage.
void add_key_commands(CLI::App& group, const OptionsPtr& options);

}  // namespace berth::cli
