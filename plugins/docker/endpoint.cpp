// SPDX-License-Identifier: Apache-2.0
#include "docker/endpoint.hpp"

namespace berth::docker {

sdk::Status parse_endpoint(std::string_view host, bool use_tls, support::http::Endpoint& endpoint,
                           std::string& machine) {
  machine.clear();
  const auto strip = [&](std::string_view scheme) {
    if (!host.starts_with(scheme)) return false;
    host.remove_prefix(scheme.size());
    while (host.size() > 1 && host.back() == '/') host.remove_suffix(1);
    return true;
  };
  if (strip("unix://")) {
    if (host.empty() || host[0] != '/' || host.size() > 107) {
      return sdk::invalid_argument("unix:// needs an absolute path of at most 107 bytes");
    }
    endpoint.unix_socket = host;
    endpoint.base_url = "http://engine";
    return {};
  }
  std::string scheme = use_tls ? "https://" : "http://";
  std::string_view port = use_tls ? ":2376" : ":2375";
  if (strip("https://")) {
    scheme = "https://";
  } else if (!strip("tcp://") && !strip("http://")) {
    return sdk::invalid_argument("'" + std::string(host) +
                                 "' is no address of an engine: unix:///path, tcp://host:port or "
                                 "https://host:port; ssh:// is not supported");
  }
  if (host.empty() || host.find('/') != std::string_view::npos) {
    return sdk::invalid_argument("an engine's address has a host and a port and no path");
  }
  const std::size_t colon = host.rfind(':');
  const bool has_port =
      colon != std::string_view::npos && host.find(']', colon) == std::string_view::npos;
  endpoint.unix_socket.clear();
  endpoint.base_url = scheme + std::string(host) + std::string(has_port ? "" : port);
  machine = has_port ? host.substr(0, colon) : host;
  return {};
}

}  // namespace berth::docker
