// SPDX-License-Identifier: Apache-2.0
// What would have to be done so that the server is as a project file says. Pure: what the server
// has is given.
#pragma once

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/value.hpp>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "deploy_file.hpp"
#include "table.hpp"

namespace berth::cli {

enum class Verb { kCreate, kUpdate, kUnchanged, kDelete };

// "create".
const char* word_of(Verb verb);

struct Difference {
  std::string what;    // "code", "parameter name", "annotation x"
  std::string before;  // empty: it is not there
  std::string after;   // empty: it goes
};

// A request about an API.
struct ApiCall {
  std::string method;
  std::string path;
  std::string body;
};

struct Change {
  Verb verb = Verb::kUnchanged;
  EntityKind kind = EntityKind::kAction;
  std::string name;
  std::vector<Difference> differences;  // of an update, and of an API
  boost::json::object body;             // of the PUT: the whole entity
  std::vector<ApiCall> calls;           // of an API, in their order
  // Triggers: the feed that is left, and the one that is to have `feed_inputs`; empty: none.
  std::string old_feed;
  std::string feed;
  bool feed_differs = false;
  bool feed_is_new = false;  // the trigger had another, or none
  boost::json::object feed_inputs;
};

// What is known of the server.
struct ServerFacts {
  std::string space;  // the caller's namespace
  // "python:default" -> "python:3.11".
  std::map<std::string, std::string> default_kinds;
  // The parameters that packages have there: those of an action are shown with its package's.
  std::map<std::string, boost::json::object> package_parameters;
};

// The default kinds in the server's info document.
std::map<std::string, std::string> default_kinds_of(const boost::json::value& info);

// [{"key","value"}…] as an object. Values that the server shows encrypted are left out; their names
// go into `sealed`.
boost::json::object to_object(const boost::json::value& entity, std::string_view member,
                              std::set<std::string>* sealed = nullptr);

// `current`: the entity on the server, null if there is none. `feed_config`: what the feed of a
// trigger has been told, as far as it says so. Throws Exit(kConflict) if the entity is of another
// project.
Change plan_change(const Project& project, const ProjectEntity& wanted,
                   const boost::json::value& current, const ServerFacts& facts,
                   const boost::json::value& feed_config = nullptr);

// The same of an API; `current`: its Swagger document.
Change plan_api(const Project& project, const ProjectEntity& wanted,
                const boost::json::value& current, const ServerFacts& facts);

// Throws Exit(kConflict) if the project that something on the server is of, if any, is another one.
void check_owner(const Project& project, const ProjectEntity& wanted, const std::string& owner);

// The entities of `listed` (the lists of the server's collections) that are of this project and not
// in its file, in an order in which they can be deleted.
std::vector<Change> plan_deletions(const Project& project,
                                   const std::map<EntityKind, boost::json::array>& listed);

// For people: one line for each change, and what differs below it; then the numbers.
std::string show_plan(const std::vector<Change>& changes, const Surface& on = {});
boost::json::value to_json(const std::string& project, const std::vector<Change>& changes,
                           bool applied);

}  // namespace berth::cli
