// SPDX-License-Identifier: Apache-2.0
#include "docker/engine.hpp"

#include <boost/json/parse.hpp>
#include <charconv>
#include <utility>

namespace berth::docker {
namespace {

namespace json = boost::json;
namespace http = support::http;
namespace asio = boost::asio;

using Version = std::pair<int, int>;

constexpr Version kOldest{1, 24};
constexpr Version kNewest{1, 51};

// {0, 0} if it is none.
Version parse_version(std::string_view text) {
  Version version{0, 0};
  const char* end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, version.first);
  if (major.ec != std::errc{} || major.ptr == end || *major.ptr != '.') return {0, 0};
  const auto minor = std::from_chars(major.ptr + 1, end, version.second);
  if (minor.ec != std::errc{}) return {0, 0};
  return version;
}

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_string() ? std::string(value->get_string()) : "";
}

std::int64_t number_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value != nullptr && value->is_int64() ? value->get_int64() : -1;
}

// True unless the engine says no.
bool unless_false(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value == nullptr || !value->is_bool() || value->get_bool();
}

}  // namespace

boost::json::value Answer::json() const {
  boost::system::error_code error;
  json::value value = json::parse(body, error);
  return error ? json::value() : value;
}

std::string Answer::message() const {
  const json::value value = json();
  if (const auto* object = value.if_object()) {
    if (std::string text = text_of(*object, "message"); !text.empty()) return text;
  }
  std::string text = body.substr(0, 300);
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
  return text.empty() ? "HTTP " + std::to_string(code) : text;
}

std::string choose_version(std::string_view newest, std::string_view oldest) {
  const Version theirs = parse_version(newest);
  const Version least = parse_version(oldest);
  if (theirs < kOldest) return "";
  Version chosen = std::min(theirs, kNewest);
  // An engine that has left behind all that we know: what we use has not changed for years.
  if (chosen < least) chosen = least;
  return std::to_string(chosen.first) + "." + std::to_string(chosen.second);
}

sdk::Status status_of(const Answer& answer, std::string_view what) {
  const std::string text = std::string(what) + ": " + answer.message();
  switch (answer.code) {
    case 400: return sdk::invalid_argument(text);
    case 401:
    case 403: return sdk::permission_denied(text);
    case 404: return sdk::not_found(text);
    case 409: return sdk::already_exists(text);
    case 429: return sdk::resource_exhausted(text);
    case 501: return sdk::unimplemented(text);
    case 502:
    case 503:
    case 504: return sdk::unavailable(text);
    default: return sdk::internal(text);
  }
}

Engine::Engine(asio::io_context& context, const Config& config)
    : config_(config), client_(context, config.endpoint) {}

std::string Engine::target(std::string_view path) const {
  return "/v" + version_ + std::string(path);
}

asio::awaitable<Result<Answer>> Engine::call(std::string method, std::string path, std::string body,
                                             std::chrono::milliseconds timeout,
                                             std::vector<std::string> headers) {
  http::Request request;
  request.method = std::move(method);
  request.target = target(path);
  request.timeout = timeout;
  request.headers = std::move(headers);
  if (!body.empty() && request.headers.empty()) {
    request.headers.emplace_back("Content-Type: application/json");
  }
  request.body = std::move(body);
  http::Reply reply = co_await client_.fetch(std::move(request));
  if (!reply.status.ok()) {
    co_return reply.status.with_context("the Docker engine at " + config_.host);
  }
  co_return Answer{reply.response.code, std::move(reply.response.body)};
}

asio::awaitable<Result<Answer>> Engine::call(std::string method, std::string path) {
  return call(std::move(method), std::move(path), "", config_.call_timeout);
}

asio::awaitable<sdk::Status> Engine::negotiate() {
  http::Request request;
  request.target = "/version";
  request.timeout = config_.call_timeout;
  const http::Reply reply = co_await client_.fetch(std::move(request));
  if (!reply.status.ok()) {
    co_return reply.status.with_context("the Docker engine at " + config_.host);
  }
  const Answer answer{reply.response.code, reply.response.body};
  const json::value value = answer.json();
  const json::object* object = value.if_object();
  if (!answer.ok() || object == nullptr) {
    co_return sdk::failed_precondition("what listens at " + config_.host +
                                       " is no Docker engine: /version answered " +
                                       answer.message());
  }
  const std::string newest = text_of(*object, "ApiVersion");
  const std::string chosen = choose_version(newest, text_of(*object, "MinAPIVersion"));
  if (chosen.empty()) {
    co_return sdk::failed_precondition("the Docker engine at " + config_.host + " speaks API " +
                                       newest + "; 1.24 or newer is needed");
  }
  version_ = chosen;
  co_return sdk::Status();
}

asio::awaitable<Result<EngineInfo>> Engine::info() {
  const Result<Answer> answer = co_await call("GET", "/info");
  if (!answer) co_return answer.error();
  if (!answer->ok()) co_return status_of(*answer, "info of the Docker engine");
  const json::value value = answer->json();
  const json::object* object = value.if_object();
  if (object == nullptr) co_return sdk::internal("the Docker engine's info is no JSON object");
  EngineInfo info;
  info.root_directory = text_of(*object, "DockerRootDir");
  info.logging_driver = text_of(*object, "LoggingDriver");
  info.cgroup_driver = text_of(*object, "CgroupDriver");
  info.memory_bytes = number_of(*object, "MemTotal");
  info.cpus = number_of(*object, "NCPU");
  info.memory_limit = unless_false(*object, "MemoryLimit");
  info.cpu_quota = unless_false(*object, "CpuCfsQuota");
  info.pids_limit = unless_false(*object, "PidsLimit");
  info.version = text_of(*object, "ServerVersion");
  info.architecture = text_of(*object, "Architecture");
  co_return info;
}

}  // namespace berth::docker
