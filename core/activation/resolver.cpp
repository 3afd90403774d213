// SPDX-License-Identifier: Apache-2.0
#include "activation/resolver.hpp"

#include <utility>

#include "entity/footprint.hpp"

namespace berth::activation {
namespace {

Status denied(const std::string& path) {
  return sdk::permission_denied("not authorized to access '" + path + "'");
}

// One number for a state that several revisions make up. The highest bit keeps it apart from those
// of single actions.
std::uint64_t mix(std::uint64_t action, std::uint64_t package, std::uint64_t provider) {
  std::uint64_t mixed = 0xcbf29ce484222325;
  for (const std::uint64_t part : {action, package, provider}) {
    mixed ^= part + 0x9e3779b97f4a7c15 + (mixed << 6) + (mixed >> 2);
    mixed *= 0xff51afd7ed558ccd;
    mixed ^= mixed >> 33;
  }
  return mixed | (std::uint64_t{1} << 63);
}

}  // namespace

std::string ActionName::path() const {
  std::string path = namespace_name + '/';
  if (!package.empty()) path.append(package).append("/");
  return path + name;
}

ActionName split_action_path(std::string_view path) {
  ActionName name;
  const std::size_t first = path.find('/');
  name.namespace_name = path.substr(0, first);
  if (first == std::string_view::npos) return name;
  path.remove_prefix(first + 1);
  if (const std::size_t second = path.find('/'); second != std::string_view::npos) {
    name.package = path.substr(0, second);
    path.remove_prefix(second + 1);
  }
  name.name = path;
  return name;
}

entity::Parameters Packages::parameters() const {
  return provider ? entity::merge(provider->parameters, package->parameters) : package->parameters;
}

void Resolver::get_action(const store::Executor& on, const std::string& path, ActionDone done) {
  if (entity::ActionPtr cached = entities_.cached_action(path)) return done(std::move(cached));
  entities_.get_action(on, path, std::move(done));
}

void Resolver::get_package(const store::Executor& on, const entity::PackageName& name,
                           const std::string& asker,
                           std::function<void(Result<entity::PackagePtr>)> done) {
  std::string path = name.path();
  const bool owns = name.namespace_name == asker;
  auto check = [owns, path, done = std::move(done)](Result<entity::EntityPtr> found) {
    // Others do not learn what is not there.
    const bool hidden = found ? !(*found)->publish
                              : found.error().code() == StatusCode::kNotFound ||
                                    found.error().code() == StatusCode::kFailedPrecondition;
    if (!owns && hidden) return done(denied(path));
    if (!found) return done(found.error());
    done(std::static_pointer_cast<const entity::Package>(std::move(*found)));
  };
  constexpr auto kPackages = entity::Collection::kPackages;
  if (entity::EntityPtr cached = entities_.cached_entity(kPackages, path)) {
    return check(std::move(cached));
  }
  entities_.get_entity(on, kPackages, std::move(path), std::move(check));
}

void Resolver::find_package(const store::Executor& on, const entity::PackageName& name,
                            const std::string& asker, PackageDone done) {
  // `entities_` outlives what is asked of it; this object need not.
  get_package(on, name, asker,
              [on, asker, &entities = entities_,
               done = std::move(done)](Result<entity::PackagePtr> package) mutable {
                if (!package) return done(package.error());
                if (!(*package)->binding) return done(Packages{std::move(*package), nullptr});
                const entity::PackageName target = *(*package)->binding;
                Resolver(entities).get_package(
                    on, target, asker,
                    [package = std::move(*package),
                     done = std::move(done)](Result<entity::PackagePtr> provider) {
                      if (!provider) return done(provider.error());
                      done(Packages{package, std::move(*provider)});
                    });
              });
}

void Resolver::resolve(const store::Executor& on, const ActionName& name, const std::string& asker,
                       ActionDone done) {
  if (name.package.empty()) {
    if (name.namespace_name != asker) return done(denied(name.path()));
    return get_action(on, name.path(), std::move(done));
  }
  find_package(
      on, {name.namespace_name, name.package}, asker,
      [on, name, &entities = entities_, memory = memory_,
       done = std::move(done)](Result<Packages> packages) mutable {
        if (!packages) {
          const Status& why = packages.error();
          return done(why.code() == StatusCode::kPermissionDenied ? denied(name.path()) : why);
        }
        const std::string path = packages->source().path() + '/' + name.name;
        Resolver(entities).get_action(
            on, path,
            [name, memory = std::move(memory), packages = std::move(*packages),
             done = std::move(done)](Result<entity::ActionPtr> action) {
              if (!action) return done(action.error());
              done(merge(*memory, name, packages, *action));
            });
      });
}

entity::ActionPtr Resolver::merge(Memory& memory, const ActionName& name, const Packages& packages,
                                  const entity::ActionPtr& action) {
  if (!packages.provider && packages.package->parameters.empty()) return action;
  const std::uint64_t revision = mix(action->revision, packages.package->revision,
                                     packages.provider ? packages.provider->revision : 0);
  const std::string path = name.path();
  if (const auto known = memory.merged.find(path); known != memory.merged.end()) {
    if (known->second.revision == revision) return known->second.action;
    memory.bytes -= known->second.bytes;
    memory.merged.erase(known);
  }
  auto made = std::make_shared<entity::Action>(*action);
  made->parameters = entity::merge(packages.parameters(), action->parameters);
  made->revision = revision;
  if (packages.provider) made->binding = packages.package->path();
  const std::size_t bytes = entity::footprint(*made);
  if (bytes > memory.max_bytes) return made;
  // Those that are gone only cost the time to merge them again.
  if (memory.bytes + bytes > memory.max_bytes) {
    memory.merged.clear();
    memory.bytes = 0;
  }
  memory.bytes += bytes;
  memory.merged[path] = {revision, made, bytes};
  return made;
}

}  // namespace berth::activation
