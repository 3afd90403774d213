// SPDX-License-Identifier: Apache-2.0
#include "differential.hpp"

#include <algorithm>
#include <boost/asio/buffer.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/string_body.hpp>
#include <limits>
#include <utility>
#include <vector>

#include "http/text.hpp"

namespace berth::http::testing {
namespace {

namespace beast_http = boost::beast::http;

constexpr std::uint64_t kMaxBody = 1'000'000;

// What both parsers are asked for.
struct Reading {
  bool accepted = false;
  std::string start;                                        // "METHOD target" or the status
  std::vector<std::pair<std::string, std::string>> fields;  // sorted by lower-case name
  std::string body;
  bool keep_alive = false;
  std::size_t consumed = 0;
};

void sort_fields(Reading& reading) {
  for (auto& [name, value] : reading.fields) {
    std::transform(name.begin(), name.end(), name.begin(), to_lower);
  }
  std::stable_sort(reading.fields.begin(), reading.fields.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
}

Reading read_ours(Parser::Kind kind, std::string_view bytes, std::size_t split) {
  ParserLimits limits;
  limits.max_body_bytes = kMaxBody;
  Parser parser(kind, limits);
  std::vector<char> buffer;
  std::size_t behind = 0;
  for (const std::string_view piece : {bytes.substr(0, split), bytes.substr(split)}) {
    if (parser.state() == Parser::State::kDone) {
      behind += piece.size();
      continue;
    }
    buffer.insert(buffer.end(), piece.begin(), piece.end());
    buffer.shrink_to_fit();
    std::size_t size = buffer.size();
    if (parser.parse(buffer.data(), size) == Parser::State::kError) return {};
    buffer.resize(size);
  }
  if (kind == Parser::Kind::kResponse) parser.finish();
  if (parser.state() != Parser::State::kDone) return {};
  Reading reading;
  reading.accepted = true;
  if (kind == Parser::Kind::kRequest) {
    const Request request = parser.request(buffer.data());
    reading.start = std::string(request.method) + " " + std::string(request.target);
  } else {
    reading.start = std::to_string(parser.response_status());
  }
  for (const HeaderView& field : parser.headers(buffer.data())) {
    reading.fields.emplace_back(field.name, field.value);
  }
  sort_fields(reading);
  reading.body = parser.body(buffer.data());
  reading.keep_alive = parser.keep_alive();
  reading.consumed = bytes.size() - behind - (buffer.size() - parser.message_size());
  return reading;
}

template <bool kIsRequest>
Reading read_beast(std::string_view bytes) {
  beast_http::parser<kIsRequest, beast_http::string_body> parser;
  parser.eager(false);  // stops behind the header, before trailers join the fields
  parser.header_limit(std::numeric_limits<std::uint32_t>::max());
  parser.body_limit(kMaxBody);
  Reading reading;
  bool fields_taken = false;
  while (!parser.is_done()) {
    boost::system::error_code error;
    const auto rest = bytes.substr(reading.consumed);
    const std::size_t used = parser.put(boost::asio::buffer(rest.data(), rest.size()), error);
    reading.consumed += used;
    if (parser.is_header_done() && !fields_taken) {
      fields_taken = true;
      parser.eager(true);
      for (const auto& field : parser.get()) {
        reading.fields.emplace_back(field.name_string(), field.value());
      }
      if constexpr (kIsRequest) {
        reading.start =
            std::string(parser.get().method_string()) + " " + std::string(parser.get().target());
      } else {
        reading.start = std::to_string(parser.get().result_int());
      }
    }
    if (error && error != beast_http::error::need_more) return {};
    if (error || used == 0) break;
  }
  if (!parser.is_done() && !kIsRequest && parser.got_some()) {
    boost::system::error_code error;
    parser.put_eof(error);
    if (error) return {};
  }
  if (!parser.is_done()) return {};
  reading.accepted = true;
  sort_fields(reading);
  reading.body = parser.get().body();
  reading.keep_alive = parser.keep_alive();
  return reading;
}

// Ours gives the absolute form as origin form.
std::string origin_form(const std::string& start) {
  const std::size_t scheme = start.find("://");
  const std::size_t space = start.find(' ');
  if (scheme == std::string::npos || space == std::string::npos || start[space + 1] == '/') {
    return start;
  }
  const std::size_t path = start.find('/', scheme + 3);
  return start.substr(0, space + 1) + (path == std::string::npos ? "/" : start.substr(path));
}

std::optional<std::string> difference(const Reading& a, const Reading& b) {
  if (a.accepted != b.accepted) return "accepted: " + std::to_string(a.accepted);
  if (a.start != b.start) return "start line: '" + a.start + "', '" + b.start + "'";
  if (a.fields != b.fields) {
    return "fields: " + std::to_string(a.fields.size()) + ", " + std::to_string(b.fields.size());
  }
  if (a.body != b.body) return "body: '" + a.body + "', '" + b.body + "'";
  if (a.keep_alive != b.keep_alive) return "keep-alive: " + std::to_string(a.keep_alive);
  if (a.consumed != b.consumed) {
    return "end: " + std::to_string(a.consumed) + ", " + std::to_string(b.consumed);
  }
  return std::nullopt;
}

}  // namespace

std::optional<std::string> compare_with_beast(Parser::Kind kind, std::string_view bytes,
                                              std::size_t split) {
  const Reading ours = read_ours(kind, bytes, bytes.size());
  const Reading halves = read_ours(kind, bytes, std::min(split, bytes.size()));
  if (const auto differs = difference(ours, halves)) return "split differs in " + *differs;
  if (!ours.accepted) return std::nullopt;
  // The one blank line that ours ignores before a request is unknown to Beast.
  const std::size_t blank = kind == Parser::Kind::kRequest && bytes.substr(0, 2) == "\r\n" ? 2 : 0;
  Reading theirs = kind == Parser::Kind::kRequest ? read_beast<true>(bytes.substr(blank))
                                                  : read_beast<false>(bytes);
  theirs.consumed += blank;
  if (!theirs.accepted) return "Beast refuses what ours accepts";
  theirs.start = origin_form(theirs.start);
  if (const auto differs = difference(ours, theirs)) return "Beast differs in " + *differs;
  return std::nullopt;
}

}  // namespace berth::http::testing
