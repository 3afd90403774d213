// SPDX-License-Identifier: Apache-2.0
#include "search.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <chrono>

#include "support/http/basic_auth.hpp"
#include "support/json_text.hpp"

namespace berth::splunk {
namespace {

namespace json = boost::json;

// A field of a row. Splunk gives a list where an event had it twice: the first counts.
std::string_view field(const json::object& row, std::string_view name) {
  const auto* value = row.if_contains(name);
  if (value == nullptr) return {};
  if (const auto* list = value->if_array()) {
    if (list->empty()) return {};
    value = &list->front();
  }
  const auto* text = value->if_string();
  return text != nullptr ? std::string_view(text->data(), text->size()) : std::string_view();
}

std::uint64_t number(std::string_view text, std::uint64_t otherwise) {
  std::uint64_t read = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), read);
  return error == std::errc() && !text.empty() ? read : otherwise;
}

std::string messages_of(const json::object& answer, bool& fatal, bool& cut_short) {
  std::string text;
  const auto* messages = answer.if_contains("messages");
  const auto* list = messages != nullptr ? messages->if_array() : nullptr;
  if (list == nullptr) return text;
  for (const json::value& entry : *list) {
    const auto* message = entry.if_object();
    if (message == nullptr) continue;
    const std::string_view type = field(*message, "type");
    const std::string_view said = field(*message, "text");
    if (type == "FATAL" || type == "ERROR") fatal = true;
    if (said.find("finalized") != std::string_view::npos ||
        said.find("auto-finalize") != std::string_view::npos) {
      cut_short = true;
    }
    if (!text.empty()) text += "; ";
    text += said;
  }
  return text;
}

sdk::Status failure(int code, const std::string& said) {
  const std::string text =
      "Splunk's search answered HTTP " + std::to_string(code) + (said.empty() ? "" : ": " + said);
  if (code == 400) return sdk::internal(text + ": the search was not understood");
  if (code == 401) {
    return sdk::Status(sdk::StatusCode::kUnauthenticated,
                       text + ": check plugin.splunk.search_token, or name and password");
  }
  if (code == 403) {
    return sdk::permission_denied(text + ": that user may not search the index");
  }
  if (code == 404) return sdk::failed_precondition(text + ": check plugin.splunk.search_url");
  if (code == 408 || code == 504) {
    return sdk::Status(sdk::StatusCode::kDeadlineExceeded, text, sdk::kRetryable);
  }
  if (code == 429 || code == 503) {
    return sdk::Status(sdk::StatusCode::kUnavailable, text + ": too many searches, or busy",
                       sdk::kRetryable);
  }
  if (code >= 500) return sdk::Status(sdk::StatusCode::kUnavailable, text, sdk::kRetryable);
  return sdk::internal(text);
}

std::string authorization(const Search& search) {
  if (!search.token.empty()) return "Authorization: Bearer " + search.token;
  return support::http::basic_auth(search.username, search.password);
}

std::int64_t now_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string iso(std::int64_t ms) {
  std::string text;
  support::append_time(text, ms * 1'000'000);
  text.erase(23, 6);  // Splunk reads milliseconds
  return text;
}

// What a page of a one-shot search may have at most (maxresultrows of Splunk's limits.conf).
constexpr std::uint64_t kMaxRows = 50'000;

}  // namespace

bool Wanted::widen() {
  if (rows >= kMaxRows) return false;
  rows = std::min(rows * 8, kMaxRows);
  return true;
}

std::string quote(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    // Nothing that is looked for has a control character; one would end the search's line.
    out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out += '"';
}

std::string make_query(const Settings& settings, const Wanted& wanted) {
  const Fields& fields = settings.fields;
  const auto extract = [](std::string_view as, std::string_view path) {
    return " | spath output=" + std::string(as) + " path=" + std::string(path);
  };
  std::string query = "search index=" + quote(settings.index) + " " + quote(wanted.activation_id);
  if (!settings.search.constraints.empty()) query += " | search " + settings.search.constraints;
  query += extract("berth_activation", fields.activation_id);
  query += extract("berth_namespace", fields.namespace_name);
  // `where` compares text as it is; `search` would take a * for a pattern.
  query += " | where berth_activation==" + quote(wanted.activation_id);
  if (!wanted.namespace_name.empty()) {
    query += " AND berth_namespace==" + quote(wanted.namespace_name);
  }
  if (settings.mode == Mode::kHec) {
    query += extract("berth_sequence", "sequence") + extract("berth_part", "part") +
             extract("berth_parts", "parts") + extract("berth_final", "final");
    query += " | where tonumber(berth_sequence)>=" + std::to_string(wanted.first);
    query += " | fillnull value=0 berth_part";
    query += " | sort 0 num(berth_sequence), num(berth_part)";
    query += " | dedup berth_sequence, berth_part";
  } else {
    // Nobody numbered these lines: Splunk's own order, oldest first.
    query += " | reverse | streamstats count AS berth_row";
    query += " | eval berth_sequence=berth_row-1";
    query += " | where berth_sequence>=" + std::to_string(wanted.first);
  }
  query += " | head " + std::to_string(wanted.rows);
  query += extract("berth_time", fields.time) + extract("berth_stream", fields.stream) +
           extract("berth_message", fields.message);
  query +=
      " | table berth_sequence, berth_part, berth_parts, berth_final, berth_time, berth_stream, "
      "berth_message, _time";
  return query;
}

std::string make_form(const Settings& settings, const Wanted& wanted, std::int64_t now_ms) {
  const auto ms = [](auto duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration).count();
  };
  const std::int64_t offset = ms(settings.search.timestamp_offset);
  const std::int64_t start =
      wanted.start_ms > 0 ? wanted.start_ms : now_ms - ms(settings.search.earliest_offset);
  const std::int64_t end = wanted.end_ms > 0 ? wanted.end_ms : now_ms;
  using support::http::escape;
  return "exec_mode=oneshot&output_mode=json&count=0&max_time=" +
         std::to_string(settings.search.max_time.count()) +
         "&earliest_time=" + escape(iso(start - offset)) +
         "&latest_time=" + escape(iso(end + offset)) +
         "&search=" + escape(make_query(settings, wanted));
}

support::http::Request search_request(const Settings& settings, const Wanted& wanted) {
  support::http::Request request;
  request.method = "POST";
  request.target = "/services/search/jobs";
  request.headers = {authorization(settings.search),
                     "Content-Type: application/x-www-form-urlencoded", "Expect:"};
  request.body = make_form(settings, wanted, now_ms());
  request.max_response_bytes = 256u << 20;
  request.timeout =
      std::chrono::duration_cast<std::chrono::milliseconds>(settings.search.max_time) +
      std::chrono::milliseconds(5'000);
  return request;
}

Rows read_rows(const Settings& settings, int code, std::string_view body) {
  Rows read;
  boost::system::error_code error;
  const json::value value = json::parse(body, error);
  const auto* answer = error ? nullptr : value.if_object();
  bool fatal = false;
  const std::string said =
      answer != nullptr ? messages_of(*answer, fatal, read.cut_short) : std::string();
  if (code < 200 || code > 299) {
    read.status = failure(code, said);
    return read;
  }
  const auto* found = answer != nullptr ? answer->if_contains("results") : nullptr;
  const auto* rows = found != nullptr ? found->if_array() : nullptr;
  if (rows == nullptr || fatal) {
    // Splunk sends an empty body for a search that finds nothing at all.
    if (body.empty()) return read;
    read.status = sdk::internal(said.empty() ? "Splunk's answer to a search is no JSON with results"
                                             : "Splunk's search failed: " + said);
    return read;
  }
  read.rows = rows->size();
  for (const json::value& entry : *rows) {
    const auto* row = entry.if_object();
    if (row == nullptr) continue;
    Piece piece;
    piece.sequence = number(field(*row, "berth_sequence"), kEnd);
    piece.part = static_cast<std::uint32_t>(number(field(*row, "berth_part"), 0));
    piece.parts = static_cast<std::uint32_t>(number(field(*row, "berth_parts"), 1));
    const std::string_view final = field(*row, "berth_final");
    piece.final = final == "true" || final == "1";
    piece.stream =
        field(*row, "berth_stream") == "stderr" ? sdk::Stream::kStderr : sdk::Stream::kStdout;
    const std::string_view time = field(*row, "berth_time");
    piece.time_ns = parse_time(time.empty() ? field(*row, "_time") : time);
    std::string_view message = field(*row, "berth_message");
    // Splunk leaves out what is empty; a message that is not there at all was cut off.
    if (!row->contains("berth_message") && piece.sequence != kEnd && time.empty()) {
      piece.text = "The log message can't be retrieved, key not found: " + settings.fields.message;
    } else {
      if (settings.mode != Mode::kHec) {
        while (!message.empty() && (message.back() == '\n' || message.back() == '\r')) {
          message.remove_suffix(1);
        }
      }
      piece.text = std::string(message);
    }
    read.pieces.push_back(std::move(piece));
  }
  return read;
}

}  // namespace berth::splunk
