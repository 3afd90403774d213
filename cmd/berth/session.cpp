// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <sys/stat.h>

#include "base/json.hpp"

namespace berth::cli {
namespace {

ExitCode exit_code_of(int status) {
  switch (status) {
    case 401:
    case 403: return ExitCode::kUnauthorized;
    case 404: return ExitCode::kNotFound;
    case 409: return ExitCode::kConflict;
    case 429: return ExitCode::kServerError;
    default: return status >= 500 ? ExitCode::kServerError : ExitCode::kFailed;
  }
}

[[noreturn]] void fail(const HttpReply& reply) {
  const Result<boost::json::value> body = parse_json(reply.body);
  std::string message = body ? text_of(*body, "error") : std::string();
  if (message.empty()) {
    message = "the server answered " + std::to_string(reply.status) + " and gave no reason";
  }
  if (reply.status == 401)
    message += "; the key is in BERTH_AUTH or in the data directory's guest.auth";
  if (body) {
    if (const std::string code = text_of(*body, "code"); !code.empty()) {
      message += " (request " + code + ")";
    }
  }
  throw Exit(exit_code_of(reply.status), message);
}

HttpReply send(const HttpRequest& request, const std::string& hint) {
  Result<HttpReply> reply = exchange(request);
  if (reply) return std::move(*reply);
  const bool unreachable = reply.error().code() == StatusCode::kUnavailable;
  throw Exit(unreachable ? ExitCode::kUnreachable : ExitCode::kFailed,
             reply.error().message() + (unreachable ? hint : ""));
}

}  // namespace

std::string text_of(const boost::json::value& value, std::string_view member) {
  if (!value.is_object()) return {};
  const auto* found = value.get_object().if_contains(member);
  if (found == nullptr) return {};
  if (found->is_string()) return std::string(found->get_string());
  return boost::json::serialize(*found);
}

std::int64_t number_of(const boost::json::value& value, std::string_view member) {
  if (!value.is_object()) return 0;
  const auto* found = value.get_object().if_contains(member);
  return found != nullptr && found->is_int64() ? found->get_int64() : 0;
}

HttpReply rest(const GlobalOptions& options, const std::string& method, const std::string& path,
               const std::string& body, bool status_is_data) {
  HttpRequest request;
  request.method = method;
  const bool is_whole = path == "/" || path.starts_with("/api/");
  request.url = api_host(options) + (is_whole ? path : "/api/v1/namespaces/_" + path);
  request.authorization = auth_key(options);
  request.timeout = options.patience;
  request.body = body;
  request.insecure = options.insecure;
  HttpReply reply = send(request, ": is it running? Start it with 'berthd', or set BERTH_APIHOST");
  if (reply.status < 400) return reply;
  const bool refused = reply.status == 401 || reply.status == 403 || reply.status == 404 ||
                       reply.status == 429 || reply.status < 500;
  if (!status_is_data || refused) fail(reply);
  return reply;
}

HttpReply admin(const GlobalOptions& options, const std::string& method, const std::string& path,
                const std::string& body, std::chrono::seconds timeout) {
  HttpRequest request;
  request.method = method;
  request.timeout = timeout.count() > 0 ? timeout : options.patience;
  request.unix_socket = admin_socket(options).string();
  request.url = "http://localhost" + path;
  request.body = body;
  struct stat status {};
  if (::stat(request.unix_socket.c_str(), &status) != 0 && (errno == EACCES || errno == EPERM)) {
    throw Exit(ExitCode::kUnauthorized, "only the user that runs berthd may use " +
                                            request.unix_socket +
                                            ": run this command as that user");
  }
  HttpReply reply =
      send(request, ": is it running on this data directory? Give --data-dir, or start it");
  if (reply.status >= 400) fail(reply);
  return reply;
}

boost::json::value document(const HttpReply& reply) {
  Result<boost::json::value> value = parse_json(reply.body, 1000);
  if (!value) {
    throw Exit(ExitCode::kFailed, "the answer is no JSON (" + value.error().message() +
                                      "): is that berthd's address?");
  }
  return std::move(*value);
}

}  // namespace berth::cli
