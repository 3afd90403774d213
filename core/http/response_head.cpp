// SPDX-License-Identifier: Apache-2.0
#include "http/response_head.hpp"

#include <charconv>

#include "http/text.hpp"

namespace berth::http {
namespace {

int final_status(int status) {
  return status >= 200 && status <= 599 ? status : 500;
}

bool frames_message(std::string_view name) {
  return iequals(name, "content-length") || iequals(name, "transfer-encoding") ||
         iequals(name, "connection") || iequals(name, "keep-alive") || iequals(name, "trailer") ||
         iequals(name, "upgrade");
}

void append_number(std::string& out, std::size_t number) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, number);
  out.append(digits, end);
}

}  // namespace

bool sends_body(const Response& response, const ResponseFraming& framing) {
  const int status = final_status(response.status);
  return !framing.head_request && status != 204 && status != 205 && status != 304;
}

void append_head(std::string& out, const Response& response, const ResponseFraming& framing) {
  const int status = final_status(response.status);
  if (status == 200) {
    out.append("HTTP/1.1 200 OK\r\n");
  } else {
    out.append("HTTP/1.1 ");
    append_number(out, static_cast<std::size_t>(status));
    out.append(" ").append(reason(status)).append("\r\n");
  }
  if (!response.content_type.empty() && status != 204 && status != 304) {
    out.append("Content-Type: ").append(response.content_type).append("\r\n");
  }
  if (status != 204 && status != 304) {
    out.append("Content-Length: ");
    append_number(out, status == 205 ? 0 : response.body.size());
    out.append("\r\n");
  }
  for (const auto& [name, value] : response.headers) {
    if (!is_token(name) || !is_field_text(value) || frames_message(name)) continue;
    out.append(name).append(": ").append(value).append("\r\n");
  }
  out.append(response.more_headers);
  if (!framing.keep_alive) {
    out.append("Connection: close\r\n");
  } else if (framing.http_1_0) {
    out.append("Connection: keep-alive\r\n");
  }
  out.append("\r\n");
}

}  // namespace berth::http
