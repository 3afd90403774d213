// SPDX-License-Identifier: Apache-2.0
// The bodies of the engine's create calls. Pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "berth/sdk/container_factory.hpp"
#include "berth/sdk/container_optional.hpp"
#include "docker/config.hpp"
#include "support/result.hpp"

namespace berth::docker {

// The labels by which our containers are known again. What the core gave as a label stands as
// "berth.<key>", e.g. berth.action.
inline constexpr std::string_view kLabelPrefix = "berth.";
inline constexpr std::string_view kOwner = "berth.owner";    // the berthd it belongs to
inline constexpr std::string_view kToken = "berth.token";    // random, made with the container
inline constexpr std::string_view kName = "berth.name";      // as the core named it
inline constexpr std::string_view kRole = "berth.role";      // "function" or "pause"
inline constexpr std::string_view kMemory = "berth.memory";  // its limit in bytes
inline constexpr std::string_view kPort = "berth.port";      // where its proxy listens
inline constexpr std::string_view kLogDriver = "berth.log-driver";
inline constexpr std::string_view kTransaction = "berth.transaction";
inline constexpr std::string_view kRoleFunction = "function";
inline constexpr std::string_view kRolePause = "pause";

inline constexpr std::uint16_t kProxyPort = 8080;

std::string random_hex(std::size_t digits);

struct FunctionSpec {
  std::string owner;
  std::string token;
  std::string network_mode;  // the engine's: "bridge", "container:<id>", ...
  bool joined = false;       // network_mode joins another container's namespace
  std::uint16_t port = kProxyPort;
  bool publish = false;
};

struct FunctionBody {
  boost::json::object body;
  std::string log_driver;  // the one that it will have; "engine": the engine's default
};

// INVALID_ARGUMENT if the LogStore's parameters ask for what does not exist.
support::Result<FunctionBody> function_body(const Config& config, const sdk::CreateRequest& request,
                                            const FunctionSpec& spec);

// What of a HostConfig says how much a container may use; also the body of an update.
boost::json::object limits_body(const sdk::ResizeRequest& limits);

// Of a container that only holds a network namespace. It has what belongs to the namespace and not
// to the one who joins: name servers, hosts.
boost::json::object pause_body(const Config& config, const std::string& owner,
                               const std::string& image, const std::string& token);

// Of the labels of a container those that the core gave.
sdk::Pairs core_labels(const boost::json::object& labels);

}  // namespace berth::docker
