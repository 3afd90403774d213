// SPDX-License-Identifier: Apache-2.0
// The operator's [plugin.process] table, and what runs an image. A plain value once parsed; const
// access from several threads is fine. docs/plugins/process.md explains the keys.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "berth/sdk/status.hpp"
#include "protocol/protocol.hpp"

namespace berth::process {

struct Config {
  Settings settings;
  std::string sandboxer;         // path of berth-sandboxer
  std::string socket_directory;  // empty: the plugin's runtime directory
  uint32_t prepared_sockets = 8;
  std::map<std::string, std::string, std::less<>> images;  // name without tag to runtime
  std::map<std::string, std::vector<std::string>, std::less<>> commands;  // runtime to argv
  std::string zygote_runtime;  // whose sandboxes are forked from a zygote; empty: none's

  // Reads the table over the defaults. Where the files lie is guessed from the directory of the
  // running program (a build tree or an installation). INVALID_ARGUMENT names the key.
  static sdk::Status parse(std::string_view json, const std::string& program_directory,
                           Config& config);

  // Finds the command of an image; null if none is mapped, and `runtime` says the name it maps to.
  const std::vector<std::string>* command_of(std::string_view image, std::string& runtime) const;

  // What to tell the developer or the operator about an image that cannot be run.
  sdk::Status unmapped(std::string_view image, const std::string& runtime) const;
};

// An image's name without tag and digest: "a.b:5000/x/y:tag@sha256:..." is "a.b:5000/x/y".
std::string_view without_tag(std::string_view image);

// The directory that the running program's file is in.
std::string program_directory();

}  // namespace berth::process

// The JSON Schema of the table, a literal so that it can stand in the plugin's note.
#define BERTH_PROCESS_SCHEMA                                                                         \
  R"({"type":"object","additionalProperties":false,"properties":{)"                                  \
  R"("sandboxer":{"type":"string","pattern":"^/","description":"Path of berth-sandboxer"},)"         \
  R"("runtimes_directory":{"type":"string","pattern":"^/","description":"The runtimes' folders"},)"  \
  R"("socket_directory":{"type":"string","pattern":"^/","description":"Where functions listen"},)"   \
  R"("images":{"type":"object","additionalProperties":{"type":"string",)"                            \
  R"("pattern":"^[a-zA-Z0-9._-]+$"},"description":"Image name (no tag) to runtime folder"},)"        \
  R"("commands":{"type":"object","additionalProperties":{"type":"array","minItems":1,)"              \
  R"("items":{"type":"string"}},"description":"Runtime to its command; {runtime} is its folder"},)"  \
  R"("interpreters":{"type":"object","additionalProperties":false,"properties":{)"                   \
  R"("python":{"type":"string","pattern":"^/"},"nodejs":{"type":"string","pattern":"^/"}}},)"        \
  R"("network":{"enum":["none","nat","host"],"description":"Network of the sandboxes"},)"            \
  R"("nat":{"type":"object","additionalProperties":false,"properties":{)"                            \
  R"("subnet":{"type":"string","description":"Range of the sandboxes' addresses"},)"                 \
  R"("allow":{"type":"array","items":{"type":"string"},"description":"ADDRESS[/BITS][:PORT]"},)"     \
  R"("deny":{"type":"array","items":{"type":"string"},"description":"ADDRESS[/BITS][:PORT]"},)"      \
  R"("dns":{"type":"array","items":{"type":"string"},"description":"Name servers"},)"                \
  R"("bandwidth":{"type":"string","description":"Each way and sandbox, such as 100mbit"},)"          \
  R"("enable_forwarding":{"type":"boolean","description":"Set net.ipv4.ip_forward"}}},)"             \
  R"("detach_ttl":{"type":["integer","string"],"description":"Seconds, or with unit ms, s, m, h"},)" \
  R"("writable_bytes":{"type":["integer","string"],"description":"Size of /tmp"},)"                  \
  R"("writable_inodes":{"type":"integer","minimum":16},)"                                            \
  R"("log_bytes":{"type":["integer","string"],"description":"Kept output a sandbox"},)"              \
  R"("open_files":{"type":"integer","minimum":16,"maximum":1048576},)"                               \
  R"("pids":{"type":"integer","minimum":1,"maximum":4194304},)"                                      \
  R"("prepared":{"type":"integer","minimum":0,"maximum":1000},)"                                     \
  R"("prepared_sockets":{"type":"integer","minimum":0,"maximum":1000},)"                             \
  R"("pooled_networks":{"type":"integer","minimum":0,"maximum":10000},)"                             \
  R"("zygote":{"type":"object","additionalProperties":false,"properties":{)"                         \
  R"("enabled":{"type":"boolean","description":"Fork Python's sandboxes from a warm interpreter"},)" \
  R"("modules":{"type":"array","items":{"type":"string","pattern":"^[A-Za-z_][A-Za-z0-9_.]*$"}},)"   \
  R"("prepared":{"type":"integer","minimum":0,"maximum":1000},)"                                     \
  R"("renew_after":{"type":"integer","minimum":1,"maximum":1000000000}}},)"                          \
  R"("subordinate_ids":{"type":"object","additionalProperties":false,"properties":{)"                \
  R"("start":{"type":"integer","minimum":65536},"count":{"type":"integer","minimum":1024},)"         \
  R"("size":{"type":"integer","minimum":1001}}}}})"
