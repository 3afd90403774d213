// SPDX-License-Identifier: Apache-2.0
#include "http.hpp"

#include <curl/curl.h>
#include <memory>
#include <string_view>

namespace berth::cli {
namespace {

constexpr long kConnectSeconds = 10;

struct Freeing {
  void operator()(CURL* handle) const { curl_easy_cleanup(handle); }
  void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};

std::size_t append_body(char* data, std::size_t size, std::size_t count, void* target) {
  static_cast<std::string*>(target)->append(data, size * count);
  return size * count;
}

std::size_t read_header(char* data, std::size_t size, std::size_t count, void* target) {
  constexpr std::string_view kName = "x-openwhisk-activation-id:";
  std::string_view line(data, size * count);
  if (line.size() > kName.size()) {
    bool same = true;
    for (std::size_t i = 0; i < kName.size(); ++i) {
      const char c = line[i] >= 'A' && line[i] <= 'Z' ? static_cast<char>(line[i] + 32) : line[i];
      same = same && c == kName[i];
    }
    if (same) {
      line.remove_prefix(kName.size());
      const std::size_t first = line.find_first_not_of(" \t");
      const std::size_t last = line.find_last_not_of(" \t\r\n");
      if (first != std::string_view::npos) {
        static_cast<HttpReply*>(target)->activation_id = line.substr(first, last - first + 1);
      }
    }
  }
  return size * count;
}

Status describe(CURLcode code, const HttpRequest& request, const char* detail) {
  const std::string text = *detail != '\0' ? detail : curl_easy_strerror(code);
  const std::string where = request.unix_socket.empty() ? request.url : request.unix_socket;
  switch (code) {
    case CURLE_COULDNT_CONNECT:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
      return sdk::unavailable("no berthd answers at " + where + " (" + text + ")");
    case CURLE_OPERATION_TIMEDOUT: return sdk::unavailable("no answer from " + where + " in time");
    case CURLE_PEER_FAILED_VERIFICATION:
      return sdk::unavailable("the certificate of " + where + " is not trusted (" + text +
                              "): use --insecure if you know why");
    default: return sdk::internal("request to " + where + " failed: " + text);
  }
}

}  // namespace

Result<HttpReply> exchange(const HttpRequest& request) {
  const std::unique_ptr<CURL, Freeing> handle(curl_easy_init());
  if (!handle) return sdk::internal("libcurl could not be started");
  CURL* curl = handle.get();
  HttpReply reply;
  char detail[CURL_ERROR_SIZE] = "";
  curl_slist* list = curl_slist_append(nullptr, "Accept: application/json");
  list = curl_slist_append(list, "Content-Type: application/json");
  list = curl_slist_append(list, "Expect:");  // no round trip of its own for large bodies
  const std::unique_ptr<curl_slist, Freeing> headers(list);

  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers.get());
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "berth");
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, kConnectSeconds);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(request.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reply.body);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, read_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reply);
  if (!request.unix_socket.empty()) {
    curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
  }
  if (!request.authorization.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERPWD, request.authorization.c_str());
  }
  if (!request.body.empty() || request.method == "PUT" || request.method == "POST") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  if (request.insecure) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) return describe(code, request, detail);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  reply.status = static_cast<int>(status);
  return reply;
}

std::string encode_segment(const std::string& text) {
  constexpr std::string_view kHex = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "-._~@";
  std::string encoded;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                          (c >= '0' && c <= '9') || kPlain.find(c) != std::string_view::npos;
    if (is_plain) {
      encoded += c;
    } else {
      encoded += '%';
      encoded += kHex[byte >> 4];
      encoded += kHex[byte & 15];
    }
  }
  return encoded;
}

}  // namespace berth::cli
