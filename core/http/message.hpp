// SPDX-License-Identifier: Apache-2.0
// What an HTTP/1.1 request and response are to the core. Not thread-safe; values and views only.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace berth::http {

// One header field as received; the views point into the connection's buffer.
struct HeaderView {
  std::string_view name;
  std::string_view value;
};

// A whole request, its body included. Every view is valid until the Responder of this request has
// been used or destroyed: the connection reads no further before that.
struct Request {
  std::string_view method;  // as sent, e.g. "POST"
  std::string_view target;  // as sent, origin form, e.g. "/api/v1/namespaces?limit=1"
  std::string_view path;    // the target before '?', still percent-encoded
  std::string_view query;   // the target after '?', without it, still percent-encoded
  std::span<const HeaderView> headers;
  std::string_view body;

  // The value of the first field of that name (compared without case), or nullopt.
  std::optional<std::string_view> header(std::string_view name) const;
};

struct Response {
  int status = 200;
  std::string_view content_type = "application/json";  // static text; empty: no header is sent
  std::vector<std::pair<std::string, std::string>>
      headers;                    // besides those the server writes itself
  std::string_view more_headers;  // static text: whole lines, each with its CRLF, sent as they are
  std::string body;
};

// The reason phrase of a status, e.g. "Not Found".
std::string_view reason(int status);

// Decodes %XX (and '+' as space if `plus_is_space`). nullopt for a broken escape.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false);

// The decoded pairs of a query string in their order; nullopt for a broken escape.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

}  // namespace berth::http
