// SPDX-License-Identifier: Apache-2.0
// What the bodies of every PUT of an entity have in common, and how they are told that something is
// wrong: 400 with the JSON pointer, or OpenWhisk's own sentence. Stateless.
#pragma once

#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "api/errors.hpp"
#include "entity/action.hpp"
#include "entity/json_read.hpp"
#include "entity/limits.hpp"

namespace berth::api {

// What the body gives; members that it does not have are empty.
struct CommonPut {
  std::optional<entity::Parameters> parameters;
  std::optional<entity::Parameters> annotations;
  std::optional<std::string> version;
  std::optional<bool> publish;
};

// 400: "<pointer>: <reason>".
Failure wrong(std::string_view pointer, std::string_view reason);
// Errors of shape begin with the JSON pointer; those of meaning are OpenWhisk's own sentences.
Failure refused(const Status& status);

using entity::given;
// A string member; empty if it is not given.
Checked<std::string> text_member(const boost::json::object& object, std::string_view key,
                                 std::string_view pointer);

// The body as an object; empty: one without members.
Checked<boost::json::object> parse_body(std::string_view body);
// The same of an entity without code: 413 for more than its lists and what is around them can be,
// before any of it is read. That is quick enough for the Api's thread.
Checked<boost::json::object> parse_small_body(std::string_view body,
                                              const entity::LimitBounds& bounds);
// Reads and checks the common members; 413 for too much.
Checked<CommonPut> parse_common(const boost::json::object& body, const entity::LimitBounds& bounds);

// The version after this one; a patch number that cannot be read starts again.
std::string next_version(std::string_view version);

void set_annotation(entity::Parameters& annotations, std::string_view key,
                    boost::json::value value);
bool has_annotation(const entity::Parameters& annotations, std::string_view key);

}  // namespace berth::api
