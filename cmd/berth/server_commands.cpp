// SPDX-License-Identifier: Apache-2.0
// berth status, berth wskprops
#include <CLI/CLI.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cstdio>

#include "commands.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {

void add_server_commands(CLI::App& program, const OptionsPtr& options) {
  program.add_subcommand("status", "how the running berthd is (as the user that runs it)")
      ->callback([options] {
        const HttpReply reply = admin(*options, "GET", "/status");
        std::fputs(options->json ? (reply.body + '\n').c_str() : pretty(document(reply)).c_str(),
                   stdout);
      });

  program.add_subcommand("wskprops", "print address and key as ~/.wskprops of wsk has them")
      ->callback([options] {
        const std::string host = api_host(*options);
        const std::string key = auth_key(*options);
        if (options->json) {
          std::puts(boost::json::serialize(boost::json::object{{"APIHOST", host}, {"AUTH", key}})
                        .c_str());
        } else {
          std::printf("APIHOST=%s\nAUTH=%s\n", host.c_str(), key.c_str());
        }
      });
}

}  // namespace berth::cli
