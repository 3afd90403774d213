// SPDX-License-Identifier: Apache-2.0
// Names of container images: "[registry/][prefix/]name[:tag][@digest]", as the container engines
// have them. A value.
#pragma once

#include <string>
#include <string_view>

#include "base/result.hpp"

namespace berth::entity {

struct ImageName {
  std::string repository;  // with its registry: "host:5000/prefix/name"
  std::string tag;         // empty: none given

  // INVALID_ARGUMENT for what no engine would take. A digest is checked and dropped.
  static Result<ImageName> parse(std::string_view text);

  // "repository[:tag]".
  std::string text() const;
  // True if both mean the same image: no tag is "latest".
  bool same_image(const ImageName& other) const;
};

}  // namespace berth::entity
