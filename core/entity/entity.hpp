// SPDX-License-Identifier: Apache-2.0
// What is named beside actions: packages, triggers, rules, and the APIs of the gateway. Values;
// immutable once they are in the store, so they are shared as EntityPtr.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "entity/action.hpp"

namespace berth::entity {

// The numbers stand in the store's file.
enum class Collection : std::uint8_t { kPackages = 1, kTriggers = 2, kRules = 3, kApis = 4 };
// "packages", "triggers", "rules", "apis".
std::string_view to_string(Collection collection);

// What all of them have.
struct Entity {
  virtual ~Entity() = default;
  virtual Collection collection() const = 0;
  virtual std::shared_ptr<Entity> copy() const = 0;

  // "ns/name".
  std::string path() const { return namespace_name + '/' + name; }
  // The annotation's value or null.
  const boost::json::value* annotation(std::string_view key) const;

  std::string namespace_name;
  std::string name;
  std::string version = "0.0.1";
  std::int64_t updated_ms = 0;
  // Unique for each state of the entity, set by the store.
  std::uint64_t revision = 0;
  bool publish = false;
  Parameters parameters;  // rules have none
  Parameters annotations;
};
using EntityPtr = std::shared_ptr<const Entity>;

struct PackageName {
  std::string namespace_name;
  std::string name;

  std::string path() const { return namespace_name + '/' + name; }
  friend bool operator==(const PackageName&, const PackageName&) = default;
};

// Holds actions, or stands for another package with parameters of its own.
struct Package final : Entity {
  static constexpr Collection kCollection = Collection::kPackages;
  Collection collection() const override { return kCollection; }
  std::shared_ptr<Entity> copy() const override { return std::make_shared<Package>(*this); }

  std::optional<PackageName> binding;
};
using PackagePtr = std::shared_ptr<const Package>;

// A name for an event.
struct Trigger final : Entity {
  static constexpr Collection kCollection = Collection::kTriggers;
  Collection collection() const override { return kCollection; }
  std::shared_ptr<Entity> copy() const override { return std::make_shared<Trigger>(*this); }

  // What a rule makes of the event; it is kept here and not with the rule, so that firing reads one
  // entity.
  struct Link {
    std::string action;  // "ns/[pkg/]name"
    bool active = true;
  };
  std::map<std::string, Link, std::less<>> rules;  // by the rule's path
};
using TriggerPtr = std::shared_ptr<const Trigger>;

// What is invoked when a trigger fires. Whether it is active the trigger knows.
struct Rule final : Entity {
  static constexpr Collection kCollection = Collection::kRules;
  Collection collection() const override { return kCollection; }
  std::shared_ptr<Entity> copy() const override { return std::make_shared<Rule>(*this); }

  std::string trigger;  // "ns/name"
  std::string action;   // "ns/[pkg/]name"
};
using RulePtr = std::shared_ptr<const Rule>;

// HTTP paths that web actions answer, below one base path of the namespace. Its name is the base
// path, "/" or "/club": what no other entity can be named.
struct GatewayApi final : Entity {
  static constexpr Collection kCollection = Collection::kApis;
  // The Swagger document is the parameter of this name: so it is encrypted on the disk when
  // parameters are, for it may have the actions' secrets.
  static constexpr std::string_view kDocument = "document";

  Collection collection() const override { return kCollection; }
  std::shared_ptr<Entity> copy() const override { return std::make_shared<GatewayApi>(*this); }

  // Null: there is none, or it is encrypted.
  const boost::json::object* document() const;

  // Whom its paths are open to, if the document asks for a key. The keys themselves are not kept.
  struct Key {
    std::string id;             // what it is named by, no secret
    std::string note;           // whose it is, for people
    std::string digest;         // SHA-256 in hex digits
    std::string secret_digest;  // of a second secret that must come with it; empty: none
    std::int64_t created_ms = 0;
  };
  std::vector<Key> keys;
};
using GatewayApiPtr = std::shared_ptr<const GatewayApi>;

// The members that all show: namespace, name, version, publish, annotations, updated; an entry of a
// list, where packages have `binding` besides.
boost::json::object to_summary(const Entity& entity);
// As PUT and GET show them, without what is elsewhere: a package's actions, a rule's status.
boost::json::object to_json(const Package& package);
boost::json::object to_json(const Trigger& trigger);
boost::json::object to_json(const Rule& rule);
// "ns/[pkg/]name" as {"path", "name"}.
boost::json::object path_and_name(std::string_view path);

// For the store: everything but the revision, and back.
std::string serialize(const Entity& entity);
Result<std::shared_ptr<Entity>> deserialize_entity(Collection collection, std::string_view text);

// `over` over `under`: a parameter of both is that of `over`.
Parameters merge(const Parameters& under, const Parameters& over);

}  // namespace berth::entity
