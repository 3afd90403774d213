// SPDX-License-Identifier: Apache-2.0
// The parts of an image's name as the engine and a registry take them. Pure functions.
#pragma once

#include <string>
#include <string_view>

namespace berth::docker {

struct ImageName {
  std::string repository;  // "registry:5000/a/b", as given
  std::string tag;         // "latest" if neither tag nor digest was given
  std::string digest;      // "sha256:..." or empty
  std::string registry;    // "registry:5000"; "docker.io" if none is named

  // Its content never changes.
  bool fixed() const { return !digest.empty(); }
  // What the engine is to fetch: the digest before the tag.
  const std::string& reference() const { return digest.empty() ? tag : digest; }
};

ImageName parse_image_name(std::string_view image);

}  // namespace berth::docker
