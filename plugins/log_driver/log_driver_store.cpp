// SPDX-License-Identifier: Apache-2.0
#include "log_driver_store.hpp"

#include <string>
#include <utility>

#include "link.hpp"

namespace berth::log_driver {

LogDriverStore::LogDriverStore(const sdk::OpenArgs& args)
    : settings_(Settings::parse(args.config_json)) {}

void LogDriverStore::container_parameters(sdk::Promise<sdk::Pairs> done) {
  sdk::Pairs parameters;
  parameters.emplace_back("log-driver", settings_.driver);
  for (const auto& [name, value] : settings_.options) {
    parameters.emplace_back("log-opt", name + "=" + value);
  }
  done.ok(std::move(parameters));
}

void LogDriverStore::append(const sdk::ActivationRefView&, sdk::LogLinesView, bool,
                            sdk::Promise<void> done) {
  done.fail(sdk::failed_precondition("the engine's log driver " + settings_.driver +
                                     " takes the logs, nothing is appended here"));
}

void LogDriverStore::fetch(const sdk::ActivationRefView& activation, std::string_view,
                           std::uint64_t, sdk::Promise<sdk::LogPage> done) {
  std::string where =
      "Logs are not available here: the log driver " + settings_.driver + " has taken them";
  if (!settings_.where.empty()) where += " to " + settings_.where;
  where += settings_.link.empty() ? "." : ": " + fill_link(settings_.link, activation);
  done.fail(sdk::unimplemented(std::move(where)));
}

}  // namespace berth::log_driver
