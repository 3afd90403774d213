// SPDX-License-Identifier: Apache-2.0
#include "names.hpp"

#include <algorithm>

#include "http.hpp"

namespace berth::cli {

std::string qualified(const std::string& name) {
  return name.starts_with('/') ? name : "/_/" + name;
}

std::string entity_path(std::string_view collection, const std::string& name) {
  const std::string text = qualified(name);
  const std::size_t slash = std::min(text.find('/', 1), text.size());
  std::string path = "/api/v1/namespaces/" + encode_segment(text.substr(1, slash - 1)) + '/';
  path.append(collection);
  std::size_t begin = slash + 1;
  while (begin <= text.size()) {
    const std::size_t end = std::min(text.find('/', begin), text.size());
    path += '/' + encode_segment(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return path;
}

}  // namespace berth::cli
