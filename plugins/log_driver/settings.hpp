// SPDX-License-Identifier: Apache-2.0
// The operator's [plugin.log-driver] table. A value.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace berth::log_driver {

struct Settings {
  std::string driver;                                        // a log driver of the engine's
  std::vector<std::pair<std::string, std::string>> options;  // of the driver, by name
  std::string where;                                         // where people find the logs
  std::string link;  // the same as a template: {activation} {namespace} {action} {start} {end}

  // `config_json` was checked against the schema by the host. Throws sdk::Error: an option that the
  // driver needs is missing, or a template has an unknown {name}.
  static Settings parse(std::string_view config_json);
};

// JSON Schema of the table, draft 4; a macro because the note wants a literal.
#define BERTH_LOG_DRIVER_SCHEMA                                                                    \
  R"({"type": "object", "additionalProperties": false, "required": ["driver"], "properties": {)"   \
  R"("driver": {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_./:-]*$", )"                  \
  R"("description": "The engine's log driver: gelf, fluentd, journald, syslog, splunk, awslogs, )" \
  R"(gcplogs, json-file, local, none, or that of a Docker plugin."},)"                             \
  R"("options": {"type": "object", "additionalProperties": {"type": "string"}, )"                  \
  R"("description": "The driver's options, as --log-opt takes them. labels, env and tag are set )" \
  R"(where the driver knows them and they are not given."},)"                                      \
  R"("where": {"type": "string", "description": "Where the logs are, in words."},)"                \
  R"("link": {"type": "string", "pattern": "^https?://", )"                                        \
  R"("description": "Where the logs of an activation are: a URL with {activation}, {namespace}, )" \
  R"({action}, {start} and {end} (ISO times), {start_ms} and {end_ms}."}}})"

}  // namespace berth::log_driver
