// SPDX-License-Identifier: Apache-2.0
// An action: code, parameters and limits under a name. A value; immutable once it is in the store,
// so it is shared as shared_ptr<const Action>.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "entity/limits.hpp"

namespace berth::entity {

struct Parameter {
  std::string key;
  boost::json::value value;
  bool init = false;  // given to /init as environment, not to /run
  // Of one that is encrypted on the disk: "aes-128" or "aes-256", and the text that is there and
  // that clients are shown. See parameter_cipher.hpp.
  std::string encryption{};
  std::string sealed{};
};
using Parameters = std::vector<Parameter>;

// What an action runs. Exactly one of the shapes of OpenWhisk's `exec`.
struct Exec {
  std::string kind;  // "python:3.11", "blackbox", "sequence"
  std::string
      image;         // blackbox: as the author gave it; else resolved from the manifest at run time
  std::string code;  // text, or base64 if binary; empty: none (blackbox)
  std::string main;  // empty: the runtime's default
  bool binary = false;
  std::vector<std::string> components;  // sequence: "/ns/[pkg/]name"
};

// How an action runs: in a container, or as steps that are actions themselves.
enum class Flow : std::uint8_t {
  kNone,
  kSequence,   // its components one after the other
  kConductor,  // it says itself what comes next: annotation `conductor`
};

struct Action {
  std::string namespace_name;
  std::string package;  // empty: the default package
  std::string name;
  std::string version = "0.0.1";
  std::int64_t updated_ms = 0;
  std::uint64_t revision =
      0;  // unique for each state of the entity, set by the store; for warm matches
  bool publish = false;
  Exec exec;
  Parameters parameters;
  Parameters annotations;
  Limits limits;
  // What exec and annotations make of it, found once so that no invocation has to look: set_flow().
  Flow flow = Flow::kNone;
  void set_flow();
  // "ns/pkg" of the package binding that it was reached through, or empty. Not stored.
  std::string binding;

  // "ns/[pkg/]name".
  std::string path() const;
  // "ns" or "ns/pkg", the `namespace` member of its JSON.
  std::string namespace_path() const;
  // The annotation's value or null.
  const boost::json::value* annotation(std::string_view key) const;
};
using ActionPtr = std::shared_ptr<const Action>;

// OpenWhisk's truth: true, a non-zero number, a non-empty string, any object or array.
bool is_truthy(const boost::json::value& value);

// Reads the array of {"key","value","init"?,"encryption"?}; an encrypted one has its text in
// `sealed` and no value yet; an annotation is never one. `what` is "parameters" or "annotations"
// for errors, which name the JSON pointer, e.g. "/parameters/2/key: must be a string".
Result<Parameters> parse_parameters(const boost::json::value& json, std::string_view what);
boost::json::array to_json(const Parameters& parameters);

// The entity as GET shows it; without code if `with_code` is false.
boost::json::object to_json(const Action& action, bool with_code);
// The entry of a list: no code, no parameters.
boost::json::object to_summary(const Action& action);

// For the store: everything, and back.
std::string serialize(const Action& action);
Result<Action> deserialize_action(std::string_view text);

// True if OpenWhisk would call the code binary: strict base64, not empty, length divisible by 4.
bool looks_binary(std::string_view code);

}  // namespace berth::entity
