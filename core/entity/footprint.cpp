// SPDX-License-Identifier: Apache-2.0
#include "entity/footprint.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

namespace berth::entity {
namespace {

namespace json = boost::json;

constexpr std::size_t kFixed = 1024;    // of an action, beside what grows
constexpr std::size_t kParameter = 64;  // what its allocations cost, beside its texts

// As deep as the value, which what was parsed bounds.
std::size_t footprint(const json::value& value) {
  std::size_t bytes = sizeof(json::value);
  if (const json::string* text = value.if_string()) return bytes + text->size();
  if (const json::array* array = value.if_array()) {
    for (const json::value& element : *array) bytes += footprint(element);
  } else if (const json::object* object = value.if_object()) {
    for (const json::key_value_pair& member : *object) {
      bytes += sizeof(json::key_value_pair) + member.key().size() + footprint(member.value());
    }
  }
  return bytes;
}

}  // namespace

std::size_t footprint(const Parameters& parameters) {
  std::size_t bytes = 0;
  for (const Parameter& parameter : parameters) {
    bytes += sizeof(Parameter) + kParameter + parameter.key.size() + parameter.sealed.size() +
             parameter.encryption.size() + footprint(parameter.value);
  }
  return bytes;
}

std::size_t footprint(const Action& action) {
  std::size_t bytes = kFixed + action.exec.code.size();
  for (const std::string& component : action.exec.components) {
    bytes += sizeof(std::string) + component.size();
  }
  return bytes + footprint(action.parameters) + footprint(action.annotations);
}

}  // namespace berth::entity
