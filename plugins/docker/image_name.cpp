// SPDX-License-Identifier: Apache-2.0
#include "docker/image_name.hpp"

namespace berth::docker {

ImageName parse_image_name(std::string_view image) {
  ImageName name;
  const std::size_t at = image.find('@');
  if (at != std::string_view::npos) name.digest = image.substr(at + 1);
  std::string_view rest = image.substr(0, at);
  const std::size_t slash = rest.rfind('/');
  // A colon before the last slash is a registry's port.
  const std::size_t colon = rest.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    name.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  if (name.tag.empty() && name.digest.empty()) name.tag = "latest";
  name.repository = rest;
  const std::string_view first = rest.substr(0, rest.find('/'));
  const bool is_host =
      first.size() < rest.size() &&
      (first.find_first_of(".:") != std::string_view::npos || first == "localhost");
  name.registry = is_host ? std::string(first) : "docker.io";
  return name;
}

}  // namespace berth::docker
