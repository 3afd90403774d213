// SPDX-License-Identifier: Apache-2.0
// `Resolver`: from the name of an action to what is to be run, for who asks for it.
//
// The parameters of a package lie under those of its actions, those of a binding between the two.
// The caller's namespace owns what is in it; of another's it may use what is in a package with
// `publish`. A binding gives no rights: both it and what it stands for must be readable.
//
//   resolver.resolve(executor, {"guest", "demo", "hello"}, "guest", [](Result<ActionPtr> action)
//   {...});
//
// Belongs to one thread, that of the executors given to it; what it has asked of the store may be
// answered when it is gone. Names must be checked and "_" resolved.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/result.hpp"
#include "entity/action.hpp"
#include "entity/entity.hpp"
#include "store/stores.hpp"

namespace berth::activation {

struct ActionName {
  std::string namespace_name;
  std::string package;  // empty: none
  std::string name;

  // "ns/[pkg/]name".
  std::string path() const;
};

// "ns/name" or "ns/pkg/name", without a slash before it; the parts are not checked.
ActionName split_action_path(std::string_view path);

// A package, and what it stands for if it is a binding.
struct Packages {
  entity::PackagePtr package;
  entity::PackagePtr provider;  // null: it is no binding

  // Where the actions are.
  const entity::Package& source() const { return provider ? *provider : *package; }
  // What lies under the parameters of the actions.
  entity::Parameters parameters() const;
};

class Resolver {
 public:
  using ActionDone = std::function<void(Result<entity::ActionPtr>)>;
  using PackageDone = std::function<void(Result<Packages>)>;

  static constexpr std::size_t kMaxBytes = 64u << 20;

  // `entities` must outlive it and what it has asked. `max_bytes`: of the merged actions that it
  // keeps ready, each of which has a copy of its code; one that is bigger is not kept.
  explicit Resolver(store::EntityStore& entities, std::size_t max_bytes = kMaxBytes)
      : entities_(entities), memory_(std::make_shared<Memory>(max_bytes)) {}

  // `done` is called once: at once, from inside, when all is in memory, else by way of `on`. The
  // action has the parameters of its packages, a revision that stands for all of them, and the
  // binding's path. PERMISSION_DENIED: `asker`, a namespace, must not know what is there;
  // NOT_FOUND; FAILED_PRECONDITION: something else has the name.
  void resolve(const store::Executor& on, const ActionName& name, const std::string& asker,
               ActionDone done);
  // The same for a package alone.
  void find_package(const store::Executor& on, const entity::PackageName& name,
                    const std::string& asker, PackageDone done);

 private:
  struct Merged {
    std::uint64_t revision = 0;
    entity::ActionPtr action;
    std::size_t bytes = 0;
  };
  struct Memory {
    explicit Memory(std::size_t most) : max_bytes(most) {}
    const std::size_t max_bytes;
    std::size_t bytes = 0;
    std::unordered_map<std::string, Merged> merged;  // by the path that was asked for
  };

  static entity::ActionPtr merge(Memory& memory, const ActionName& name, const Packages& packages,
                                 const entity::ActionPtr& action);
  void get_action(const store::Executor& on, const std::string& path, ActionDone done);
  void get_package(const store::Executor& on, const entity::PackageName& name,
                   const std::string& asker, std::function<void(Result<entity::PackagePtr>)> done);

  store::EntityStore& entities_;
  const std::shared_ptr<Memory> memory_;
};

}  // namespace berth::activation
