// SPDX-License-Identifier: Apache-2.0
// berth admin backup|check, over berthd's admin socket.
#include <CLI/CLI.hpp>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>
#include <filesystem>

#include "commands.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

// Both take as long as the store is big.
constexpr std::chrono::hours kPatience{24};

// berthd's directory is not ours.
std::string absolute(const std::string& path) {
  return std::filesystem::absolute(path).lexically_normal().string();
}

void back_up(const GlobalOptions& options, const std::string& path) {
  const HttpReply reply = admin(options, "POST", "/backup",
                                json::serialize(json::object{{"path", absolute(path)}}), kPatience);
  if (options.json) {
    std::puts(reply.body.c_str());
    return;
  }
  const json::value done = document(reply);
  std::printf("wrote %s, %lld bytes\n", text_of(done, "path").c_str(),
              static_cast<long long>(number_of(done, "bytes")));
}

void check(const GlobalOptions& options, const std::string& path) {
  const std::string body =
      path.empty() ? std::string() : json::serialize(json::object{{"path", absolute(path)}});
  const HttpReply reply = admin(options, "POST", "/check", body, kPatience);
  if (options.json) std::puts(reply.body.c_str());
  const json::value answer = document(reply);
  const json::array& problems = answer.at("problems").as_array();
  if (!options.json) {
    for (const json::value& problem : problems) {
      std::puts(std::string(problem.as_string()).c_str());
    }
    if (problems.empty()) std::puts("no damage found");
  }
  if (!problems.empty()) throw Exit(ExitCode::kFailed, "");
}

}  // namespace

void add_admin_commands(CLI::App& program, const OptionsPtr& options) {
  CLI::App* group =
      program.add_subcommand("admin", "care of berthd's store (as the user that runs berthd)");
  group->require_subcommand(1);
  const auto path = std::make_shared<std::string>();
  CLI::App* backup = group->add_subcommand("backup", "copy the store while berthd runs");
  backup->add_option("file", *path, "the new file; berthd writes it")
      ->required()
      ->type_name("FILE");
  backup->callback([options, path] { back_up(*options, *path); });
  CLI::App* check_command =
      group->add_subcommand("check", "look for damage in the store, or in a backup of it");
  check_command->add_option("file", *path, "a backup; else the store itself")->type_name("FILE");
  check_command->callback([options, path] { check(*options, *path); });
}

}  // namespace berth::cli
