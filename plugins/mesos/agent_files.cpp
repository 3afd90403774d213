// SPDX-License-Identifier: Apache-2.0
#include "mesos/agent_files.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "support/http/basic_auth.hpp"

namespace berth::mesos {
namespace {

namespace json = boost::json;
namespace http = support::http;

AgentFiles::Piece piece_of(http::Reply reply) {
  AgentFiles::Piece piece;
  if (!reply.status.ok()) {
    piece.status = sdk::unavailable("reading from the agent: " + reply.status.message());
    return piece;
  }
  if (reply.response.code == 404) {
    piece.status = sdk::not_found("the agent has no such file");
    return piece;
  }
  if (reply.response.code != 200) {
    piece.status = sdk::unavailable("the agent answered " + std::to_string(reply.response.code) +
                                    ": " + reply.response.body.substr(0, 200));
    return piece;
  }
  // What a function wrote need not be UTF-8, and agents pass it on as it is.
  json::parse_options options;
  options.allow_invalid_utf8 = true;
  boost::system::error_code error;
  const json::value value = json::parse(reply.response.body, error, {}, options);
  const json::object* object = error ? nullptr : value.if_object();
  const json::value* data = object == nullptr ? nullptr : object->if_contains("data");
  const json::value* offset = object == nullptr ? nullptr : object->if_contains("offset");
  if (data == nullptr || !data->is_string() || offset == nullptr || !offset->is_number()) {
    piece.status = sdk::data_loss("the agent's answer makes no sense");
    return piece;
  }
  piece.size = offset->to_number<std::uint64_t>(error);
  if (error) {
    piece.status = sdk::data_loss("the agent's answer makes no sense");
    return piece;
  }
  piece.data = std::string(data->get_string());
  return piece;
}

}  // namespace

AgentFiles::AgentFiles(boost::asio::io_context& context, const Settings& settings)
    : context_(context), settings_(settings) {}

AgentFiles::~AgentFiles() = default;

std::string AgentFiles::sandbox(const std::string& framework, const std::string& id,
                                const v1::StoredTask& task) {
  // Command and docker executors have their task's id.
  const std::string executor = task.executor_id().empty() ? id : task.executor_id();
  std::string path = "/frameworks/" + framework + "/executors/" + executor + "/runs/latest";
  if (task.nested()) path += "/containers/" + task.container_id();
  return path;
}

void AgentFiles::read(const std::string& agent_url, const std::string& path, std::uint64_t offset,
                      std::uint64_t length, Done done) {
  get(agent_url,
      "path=" + http::escape(path) + "&offset=" + std::to_string(offset) +
          "&length=" + std::to_string(length),
      std::move(done));
}

void AgentFiles::size(const std::string& agent_url, const std::string& path, Done done) {
  get(agent_url, "path=" + http::escape(path) + "&offset=-1", std::move(done));
}

void AgentFiles::get(const std::string& agent_url, const std::string& query, Done done) {
  std::unique_ptr<http::Client>& client = agents_[agent_url];
  if (client == nullptr) {
    http::Endpoint endpoint;
    endpoint.base_url = agent_url;
    endpoint.tls = settings_.tls;
    endpoint.max_connections = 8;
    client = std::make_unique<http::Client>(context_, std::move(endpoint));
  }
  http::Request request;
  request.target = "/files/read?" + query;
  request.timeout = settings_.call_timeout;
  request.connect_timeout = settings_.connect_timeout;
  request.max_response_bytes = 1u << 20;
  if (!settings_.principal.empty()) {
    request.headers.push_back(http::basic_auth(settings_.principal, settings_.secret));
  }
  client->send(std::move(request),
               [done = std::move(done)](http::Reply reply) { done(piece_of(std::move(reply))); });
}

}  // namespace berth::mesos
