// SPDX-License-Identifier: Apache-2.0
#include "entity/activation.hpp"

#include "base/json_text.hpp"

namespace berth::entity {
namespace {

void append_member(std::string& out, std::string_view key_with_colon, std::string_view text) {
  out.append(key_with_colon);
  append_json_string(out, text);
}

void append_number_member(std::string& out, std::string_view key_with_colon, std::int64_t number) {
  out.append(key_with_colon);
  append_number(out, number);
}

void append_response(std::string& out, const Activation& activation) {
  append_member(out, R"({"status":)", to_string(activation.outcome));
  out.append(activation.outcome == Outcome::kSuccess ? R"(,"success":true,"result":)"
                                                     : R"(,"success":false,"result":)");
  out.append(activation.result);
  append_number_member(out, R"(,"size":)", static_cast<std::int64_t>(activation.size));
  out.push_back('}');
}

// A trigger's record has no end, and so no duration.
void append_times(std::string& out, const Activation& activation) {
  append_number_member(out, R"(,"start":)", activation.start_ms);
  if (activation.end_ms == 0) return;
  append_number_member(out, R"(,"end":)", activation.end_ms);
  append_number_member(out, R"(,"duration":)", activation.duration_ms);
}

}  // namespace

std::string_view to_string(Outcome outcome) {
  switch (outcome) {
    case Outcome::kSuccess: return "success";
    case Outcome::kApplicationError: return "application error";
    case Outcome::kDeveloperError: return "action developer error";
    case Outcome::kWhiskError: return "whisk internal error";
  }
  return "whisk internal error";
}

std::string to_json(const Activation& activation) {
  std::string out;
  out.reserve(512 + activation.result.size() + activation.annotations.size());
  append_member(out, R"({"namespace":)", activation.namespace_name);
  append_member(out, R"(,"name":)", activation.name);
  append_member(out, R"(,"version":)", activation.version);
  append_member(out, R"(,"subject":)", activation.subject);
  append_member(out, R"(,"activationId":)", activation.activation_id);
  if (!activation.cause.empty()) append_member(out, R"(,"cause":)", activation.cause);
  append_times(out, activation);
  out.append(R"(,"publish":false,"logs":[)");
  bool first = true;
  for (const std::string& line : activation.logs) {
    if (!first) out.push_back(',');
    first = false;
    append_json_string(out, line);
  }
  out.append(R"(],"response":)");
  append_response(out, activation);
  out.append(R"(,"annotations":)").append(activation.annotations).push_back('}');
  return out;
}

std::string to_summary_json(const Activation& activation) {
  std::string out;
  out.reserve(384 + activation.annotations.size());
  append_member(out, R"({"namespace":)", activation.namespace_name);
  append_member(out, R"(,"name":)", activation.name);
  append_member(out, R"(,"version":)", activation.version);
  out.append(R"(,"publish":false,"annotations":)").append(activation.annotations);
  append_member(out, R"(,"activationId":)", activation.activation_id);
  append_times(out, activation);
  if (!activation.cause.empty()) append_member(out, R"(,"cause":)", activation.cause);
  append_number_member(out, R"(,"statusCode":)", static_cast<int>(activation.outcome));
  out.push_back('}');
  return out;
}

std::string response_json(const Activation& activation) {
  std::string out;
  out.reserve(96 + activation.result.size());
  append_response(out, activation);
  return out;
}

}  // namespace berth::entity
