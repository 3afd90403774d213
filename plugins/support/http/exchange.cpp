// SPDX-License-Identifier: Apache-2.0
#include "support/http/exchange.hpp"

#include <algorithm>
#include <cctype>

namespace berth::support::http {
namespace {

// The "host:port" that `url` names, with the scheme's port if it names none; `host_only` without.
std::string authority(const std::string& url, bool host_only) {
  const std::size_t scheme = url.find("://");
  const std::size_t begin = scheme == std::string::npos ? 0 : scheme + 3;
  std::string text = url.substr(begin, url.find('/', begin) - begin);
  const std::size_t colon = text.rfind(':');
  const bool has_port = colon != std::string::npos && text.find(']', colon) == std::string::npos;
  if (host_only) return has_port ? text.substr(0, colon) : text;
  if (!has_port) text += url.starts_with("https:") ? ":443" : ":80";
  return text;
}

// A handshake that failed for the connection, not for what the peer said in it.
bool is_cut_off(std::string_view text) {
  for (const std::string_view sign : {"SSL_ERROR_SYSCALL", "SSL_ERROR_ZERO_RETURN", "reset by peer",
                                      "Broken pipe", "unexpected eof"}) {
    if (text.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

Exchange::Exchange(std::uint64_t id, Request request, Client::Done done)
    : id_(id), request_(std::move(request)), done_(std::move(done)) {}

Exchange::~Exchange() {
  if (easy_ != nullptr) curl_easy_cleanup(easy_);
  curl_slist_free_all(headers_);
  curl_slist_free_all(connect_to_);
}

CURL* Exchange::release() {
  if (easy_ == nullptr) return nullptr;
  long sent = 0;
  reached_ = curl_easy_getinfo(easy_, CURLINFO_REQUEST_SIZE, &sent) == CURLE_OK && sent > 0;
  curl_easy_reset(easy_);
  return std::exchange(easy_, nullptr);
}

CURLcode Exchange::prepare(CURL* easy, const Endpoint& endpoint) {
  easy_ = easy;
  curl_easy_setopt(easy, CURLOPT_PRIVATE, this);
  curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, error_);
  curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 15L);
  curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
  if (const CURLcode code = set_endpoint(endpoint)) return code;
  set_body();
  curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(request_.timeout.count()));
  curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS,
                   static_cast<long>(request_.connect_timeout.count()));
  curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, &Exchange::on_body);
  curl_easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, &Exchange::on_header);
  curl_easy_setopt(easy, CURLOPT_HEADERDATA, this);
  return CURLE_OK;
}

CURLcode Exchange::set_endpoint(const Endpoint& endpoint) {
  const Tls& tls = endpoint.tls;
  std::string base = endpoint.base_url;
  if (!tls.server_name.empty()) {
    // libcurl checks the certificate against the URL's host: that becomes the wanted name, and
    // where to connect to is said apart.
    const std::string real = authority(base, false);
    const std::string host = authority(base, true);
    if (const std::size_t at = base.find(host); at != std::string::npos) {
      base.replace(at, host.size(), tls.server_name);
    }
    connect_to_ = curl_slist_append(nullptr, ("::" + real).c_str());
    curl_easy_setopt(easy_, CURLOPT_CONNECT_TO, connect_to_);
  }
  const std::string url = base + request_.target;
  if (const CURLcode code = curl_easy_setopt(easy_, CURLOPT_URL, url.c_str())) return code;
  curl_easy_setopt(easy_, CURLOPT_PATH_AS_IS, 1L);
  curl_easy_setopt(easy_, CURLOPT_PROXY, endpoint.proxy.c_str());
  if (!endpoint.unix_socket.empty()) {
    curl_easy_setopt(easy_, CURLOPT_UNIX_SOCKET_PATH, endpoint.unix_socket.c_str());
  }
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, tls.verify_peer ? 1L : 0L);
  curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, tls.verify_peer ? 2L : 0L);
  if (!tls.ca_file.empty()) {
    curl_easy_setopt(easy_, CURLOPT_CAINFO, tls.ca_file.c_str());
    curl_easy_setopt(easy_, CURLOPT_CAPATH, nullptr);
  }
  if (!tls.certificate_file.empty()) {
    curl_easy_setopt(easy_, CURLOPT_SSLCERT, tls.certificate_file.c_str());
  }
  if (!tls.key_file.empty()) curl_easy_setopt(easy_, CURLOPT_SSLKEY, tls.key_file.c_str());
  return CURLE_OK;
}

void Exchange::set_body() {
  const bool streamed = static_cast<bool>(request_.on_upload);
  const bool has_body =
      streamed || !request_.body.empty() || request_.method == "POST" || request_.method == "PUT";
  if (request_.method == "HEAD") {
    curl_easy_setopt(easy_, CURLOPT_NOBODY, 1L);
  } else if (has_body) {
    curl_easy_setopt(easy_, CURLOPT_POST, 1L);
    if (streamed) {
      curl_easy_setopt(easy_, CURLOPT_READFUNCTION, &Exchange::on_read);
      curl_easy_setopt(easy_, CURLOPT_READDATA, this);
    } else {
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDSIZE_LARGE,
                       static_cast<curl_off_t>(request_.body.size()));
      curl_easy_setopt(easy_, CURLOPT_POSTFIELDS, request_.body.data());
    }
  }
  curl_easy_setopt(easy_, CURLOPT_CUSTOMREQUEST, request_.method.c_str());
  set_headers(has_body);
}

void Exchange::set_headers(bool has_body) {
  bool typed = false;
  for (const std::string& header : request_.headers) {
    headers_ = curl_slist_append(headers_, header.c_str());
    typed = typed || curl_strnequal(header.c_str(), "content-type:", 13) != 0;
  }
  headers_ = curl_slist_append(headers_, "Expect:");
  if (request_.on_upload) headers_ = curl_slist_append(headers_, "Transfer-Encoding: chunked");
  if (has_body && !typed) {  // libcurl would say that it is a form
    headers_ = curl_slist_append(headers_, "Content-Type:");
  }
  curl_easy_setopt(easy_, CURLOPT_HTTPHEADER, headers_);
}

sdk::Status Exchange::status_of(CURLcode code) const {
  const std::string where =
      request_.method + " " + request_.target.substr(0, request_.target.find('?'));
  if (too_large_) {
    return {sdk::StatusCode::kResourceExhausted, where + ": the response is longer than " +
                                                     std::to_string(request_.max_response_bytes) +
                                                     " bytes"};
  }
  std::string text = where + ": " + (error_[0] != '\0' ? error_ : curl_easy_strerror(code));
  switch (code) {
    case CURLE_OK: return {};
    case CURLE_OPERATION_TIMEDOUT:
      return reached_ ? sdk::deadline_exceeded(std::move(text)) : sdk::unavailable(std::move(text));
    case CURLE_ABORTED_BY_CALLBACK:
    case CURLE_WRITE_ERROR: return sdk::cancelled(where + ": ended by the caller");
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR: return sdk::permission_denied(std::move(text));
    case CURLE_SSL_CONNECT_ERROR:
      // OpenSSL's own words, as for a certificate that somebody else of the authority's name
      // signed, need not speak of certificates.
      return is_cut_off(text)
                 ? sdk::unavailable(std::move(text))
                 : sdk::permission_denied(
                       "the TLS handshake failed (certificate, authority, name or version): " +
                       text);
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_BAD_FUNCTION_ARGUMENT: return sdk::invalid_argument(std::move(text));
    case CURLE_OUT_OF_MEMORY: return sdk::resource_exhausted(std::move(text));
    default: return sdk::unavailable(std::move(text));
  }
}

void Exchange::finish(CURLcode code) {
  Reply reply;
  reply.status = status_of(code);
  reply.response = std::move(response_);
  const Client::Done done = std::move(done_);
  done(std::move(reply));
}

std::size_t Exchange::on_body(char* data, std::size_t, std::size_t size, void* user) {
  auto& self = *static_cast<Exchange*>(user);
  if (self.cancelled_) return CURL_WRITEFUNC_ERROR;
  if (self.request_.on_data && self.response_.code / 100 == 2) {
    return self.request_.on_data({data, size}) ? size : CURL_WRITEFUNC_ERROR;
  }
  if (self.response_.body.size() + size > self.request_.max_response_bytes) {
    self.too_large_ = true;
    return CURL_WRITEFUNC_ERROR;
  }
  self.response_.body.append(data, size);
  return size;
}

std::size_t Exchange::on_header(char* data, std::size_t, std::size_t size, void* user) {
  auto& self = *static_cast<Exchange*>(user);
  Response& response = self.response_;
  std::string_view line(data, size);
  while (!line.empty() && (line.back() == '\r' || line.back() == '\n')) line.remove_suffix(1);
  if (line.starts_with("HTTP/")) {  // an interim response has its own
    response.headers.clear();
    long code = 0;
    curl_easy_getinfo(self.easy_, CURLINFO_RESPONSE_CODE, &code);
    response.code = static_cast<int>(code);
    return size;
  }
  if (line.empty() && response.code >= 200) {
    if (self.request_.on_headers) std::exchange(self.request_.on_headers, nullptr)(response.code);
    if (self.request_.on_head) std::exchange(self.request_.on_head, nullptr)(response);
    return size;
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return size;
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  std::string_view value = line.substr(colon + 1);
  while (!value.empty() && value.front() == ' ') value.remove_prefix(1);
  response.headers.emplace_back(std::move(name), value);
  return size;
}

std::size_t Exchange::on_read(char* to, std::size_t size, std::size_t count, void* user) {
  auto& self = *static_cast<Exchange*>(user);
  if (self.cancelled_) return CURL_READFUNC_ABORT;
  const std::ptrdiff_t given = self.request_.on_upload(to, size * count);
  if (given == kLater) return CURL_READFUNC_PAUSE;
  if (given < 0) return CURL_READFUNC_ABORT;
  return static_cast<std::size_t>(given);
}

}  // namespace berth::support::http
