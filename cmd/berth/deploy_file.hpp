// SPDX-License-Identifier: Apache-2.0
// A project file: packages with their actions, sequences, triggers and rules, as wskdeploy's
// manifests have them, or as a serverless.yml does. What it says is complete: an entity is to be as
// the file has it.
#pragma once

#include <boost/json/object.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "api_calls.hpp"

namespace berth::cli {

// The annotation that tells which project an entity is of.
inline constexpr const char* kProjectAnnotation = "berth-project";

enum class EntityKind { kPackage, kAction, kTrigger, kRule, kApi };

// "action".
const char* word_of(EntityKind kind);
// "actions"; APIs are in none.
std::string collection_of(EntityKind kind);

struct ProjectEntity {
  EntityKind kind = EntityKind::kAction;
  std::string name;  // "name", "package/name" of an action, or the base path of an API
  int line = 0;
  boost::json::object inputs;                // of a sequence and a rule: none
  std::set<std::string> hidden;              // the inputs with text of the environment: never shown
  boost::json::object annotations;           // with that of the project
  std::set<std::string> hidden_annotations;  // as `hidden`
  // Actions.
  boost::json::object exec;    // as it is sent; names in it have a namespace, "_" for the caller's
  boost::json::object limits;  // what the file gives: timeout (ms), memory, logs (MB), concurrency
  // It is to have a secret, made when it has none: `require-whisk-auth`.
  bool has_secret = false;
  bool is_sequence() const;
  // Packages.
  bool is_public = false;
  std::string binding;  // "/ns/package" that it stands for; empty: it is a package of its own
  // Triggers: the feed, which the inputs are for; empty: none.
  std::string feed;
  // Rules: full names.
  std::string trigger;
  std::string action;
  // APIs.
  std::vector<ApiOperation> operations;
  std::string title;         // of one that is new; empty: the base path
  std::optional<bool> cors;  // nullopt: as it is
};

struct Project {
  std::string name;  // empty: the file gives none
  std::string file;
  // In the order in which they can be made: each comes after what it names.
  std::vector<ProjectEntity> entities;
};

// Reads the file and the functions that it names (paths are relative to it). `$NAME` and `${NAME}`
// in a manifest's inputs are of the environment, `$$` is a dollar. Throws Exit(kUsage): "FILE:LINE:
// ...".
Project read_project(const std::string& file);

// Its name alone: without code, and without the environment's part in what would be made. Throws
// likewise.
std::string read_project_name(const std::string& file);

}  // namespace berth::cli
