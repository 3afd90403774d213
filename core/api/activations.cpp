// SPDX-License-Identifier: Apache-2.0
// GET of activations: the list with its queries, one record, its logs, its result.
#include <fmt/format.h>
#include <limits>

#include "api/log_reader.hpp"
#include "api/service.hpp"
#include "base/ids.hpp"
#include "base/json.hpp"

namespace berth::api {
namespace {

using std::chrono::milliseconds;

// The record is what was asked for; its logs come along if the store is quick.
constexpr milliseconds kLogsOfRecord{1'000};
constexpr milliseconds kLogsOfList{3'000};
constexpr milliseconds kLogsAlone{30'000};
constexpr milliseconds kFollow{10'000};
constexpr std::size_t kIdSize = 32;

LogSource log_source(Call& call) {
  return {call.deps().io, call.deps().intake, call.deps().logs, call.service().over};
}

std::string join(const std::vector<std::string>& parts) {
  std::string text = "[";
  for (const std::string& part : parts) {
    if (text.size() > 1) text += ',';
    text += part;
  }
  return text += ']';
}

bool check_id(Call& call) {
  const std::string& id = call.target.name;
  if (id.size() != kIdSize) {
    call.fail(400, fmt::format("Activation id length is {} but must be {}.", id.size(), kIdSize));
    return false;
  }
  if (!is_activation_id(id)) {
    call.fail(400, "The activation id is not valid.");
    return false;
  }
  return true;
}

void with_activation(const CallPtr& call, std::function<void(entity::Activation)> use) {
  if (!check_id(*call)) return;
  call->deps().activations.get(call->executor(), call->target.namespace_name, call->target.name,
                               [call, use = std::move(use)](Result<entity::Activation> found) {
                                 if (!found) return call->fail(found.error());
                                 use(std::move(*found));
                               });
}

Checked<store::ActivationQuery> parse_list_query(const Call& call,
                                                 const entity::LimitBounds& bounds) {
  store::ActivationQuery query;
  query.namespace_name = call.target.namespace_name;
  if (const auto name = call.query.get("name"); name && !name->empty()) {
    // A leading slash is what some clients put before the default package's actions.
    const std::string_view text = name->starts_with('/') ? name->substr(1) : *name;
    const std::size_t slash = text.find('/');
    const std::string_view first = text.substr(0, slash);
    const std::string_view second =
        slash == std::string_view::npos ? first : text.substr(slash + 1);
    if (!entity::is_entity_name(first) || !entity::is_entity_name(second)) {
      return Failure{400, fmt::format("Parameter may be a 'simple' name or 'package-name/simple' "
                                      "name: {}",
                                      *name)};
    }
    query.name = std::string(text);
  }
  const auto since = call.query.time("since");
  if (!since) return since.error();
  const auto upto = call.query.time("upto");
  if (!upto) return upto.error();
  query.since_ms = *since;
  query.upto_ms = *upto;
  const auto skip =
      call.query.list_number("skip", 0, std::numeric_limits<std::int32_t>::max(), 0, "activations");
  if (!skip) return skip.error();
  query.skip = *skip;
  const auto limit =
      call.query.list_number("limit", 0, bounds.list_max, bounds.list_default, "activations");
  if (!limit) return limit.error();
  query.limit = *limit == 0 ? bounds.list_max : *limit;
  return query;
}

}  // namespace

void list_activations(const CallPtr& call) {
  Dependencies& deps = call->deps();
  const Checked<bool> docs = call->query.boolean("docs", false);
  if (!docs) return call->fail(docs.error());
  const Checked<bool> count = call->query.boolean("count", false);
  if (!count) return call->fail(count.error());
  if (*docs && *count) {
    return call->fail(400, "The parameter 'docs' is not permitted with 'count'.");
  }
  Checked<store::ActivationQuery> query = parse_list_query(*call, deps.limits);
  if (!query) return call->fail(query.error());

  if (*count) {
    deps.activations.count(call->executor(), std::move(*query),
                           [call](const Result<std::int64_t>& number) {
                             if (!number) return call->fail(number.error());
                             call->send_json(fmt::format("{{\"activations\":{}}}", *number));
                           });
    return;
  }
  deps.activations.list(call->executor(), std::move(*query),
                        [call, docs = *docs](Result<std::vector<entity::Activation>> found) {
                          if (!found) return call->fail(found.error());
                          std::vector<std::string> entries;
                          if (!docs) {
                            for (const auto& activation : *found)
                              entries.push_back(to_summary_json(activation));
                            return call->send_json(join(entries));
                          }
                          add_logs(log_source(*call), std::move(*found), kLogsOfList,
                                   [call](const std::vector<entity::Activation>& complete) {
                                     std::vector<std::string> records;
                                     for (const auto& activation : complete)
                                       records.push_back(to_json(activation));
                                     call->send_json(join(records));
                                   });
                        });
}

void get_activation(const CallPtr& call) {
  with_activation(call, [call](entity::Activation activation) {
    add_logs(log_source(*call), {std::move(activation)}, kLogsOfRecord,
             [call](const std::vector<entity::Activation>& complete) {
               call->send_json(entity::to_json(complete.front()));
             });
  });
}

namespace {

// An extension: the lines as they come, also of an activation that still runs and so has no record.
void follow_activation_logs(const CallPtr& call) {
  if (!check_id(*call)) return;
  plugin::ActivationRef activation;
  activation.activation_id = call->target.name;
  activation.namespace_name = call->target.namespace_name;
  const std::string cursor(call->query.get("cursor").value_or(""));
  follow_logs(log_source(*call), std::move(activation), cursor, kFollow,
              [call](const Result<LogTail>& tail) {
                if (!tail) return call->fail(tail.error());
                std::vector<std::string> quoted;
                for (const std::string& line : tail->lines) quoted.push_back(json_quote(line));
                call->send_json("{\"logs\":" + join(quoted) + ",\"cursor\":" +
                                (tail->cursor.empty() ? "null" : json_quote(tail->cursor)) + '}');
              });
}

}  // namespace

void get_activation_logs(const CallPtr& call) {
  const Checked<bool> follow = call->query.boolean("follow", false);
  if (!follow) return call->fail(follow.error());
  if (*follow) return follow_activation_logs(call);
  with_activation(call, [call](const entity::Activation& activation) {
    const auto answer = [call](const Result<std::vector<std::string>>& lines) {
      if (!lines) return call->fail(lines.error());
      std::vector<std::string> quoted;
      quoted.reserve(lines->size());
      for (const std::string& line : *lines) quoted.push_back(json_quote(line));
      call->send_json("{\"logs\":" + join(quoted) + '}');
    };
    if (!activation.logs.empty()) return answer(activation.logs);
    read_logs(log_source(*call), activation, kLogsAlone, answer);
  });
}

void get_activation_result(const CallPtr& call) {
  with_activation(call, [call](const entity::Activation& activation) {
    call->send_json(entity::response_json(activation));
  });
}

}  // namespace berth::api
