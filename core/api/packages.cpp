// SPDX-License-Identifier: Apache-2.0
// GET, PUT, DELETE of one package.
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <limits>
#include <utility>

#include "api/entity_store_calls.hpp"
#include "api/put_parts.hpp"
#include "api/service.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::string_view kReservedName = "default";  // of a web action without package
constexpr std::string_view kBinding = "binding";       // member and annotation

struct PackagePut : CommonPut {
  std::optional<entity::PackageName> binding;
};
using PackagePutPtr = std::shared_ptr<PackagePut>;

// {"namespace", "name"}; {} and null are what clients send for none.
Checked<std::optional<entity::PackageName>> parse_binding(const json::object& body,
                                                          const std::string& own_namespace) {
  const json::value* value = given(body, kBinding);
  if (value == nullptr) return std::optional<entity::PackageName>();
  const json::object* object = value->if_object();
  if (object == nullptr) return wrong("/binding", "must be an object with namespace and name");
  if (object->empty()) return std::optional<entity::PackageName>();
  Checked<std::string> space = text_member(*object, "namespace", "/binding/namespace");
  if (!space) return space.error();
  Checked<std::string> name = text_member(*object, "name", "/binding/name");
  if (!name) return name.error();
  if (space->empty() || *space == "_") *space = own_namespace;
  if (!entity::is_entity_name(*space)) return Failure{400, std::string(text::kBadNamespace)};
  if (!entity::is_entity_name(*name)) return Failure{400, std::string(text::kBadEntityName)};
  return std::optional<entity::PackageName>({std::move(*space), std::move(*name)});
}

// Clients do not set the annotation `binding`.
void annotate_binding(entity::Package& package) {
  std::erase_if(package.annotations,
                [](const entity::Parameter& annotation) { return annotation.key == kBinding; });
  if (!package.binding) return;
  set_annotation(package.annotations, kBinding,
                 json::object{{"namespace", package.binding->namespace_name},
                              {"name", package.binding->name}});
}

void store(const CallPtr& call, const PackagePut& put, const entity::PackagePtr& existing) {
  const auto package =
      existing ? std::make_shared<entity::Package>(*existing) : std::make_shared<entity::Package>();
  apply_common(*call, put, existing != nullptr, *package);
  if (put.binding) package->binding = put.binding;
  annotate_binding(*package);
  change_one<entity::Package>(
      call, {.put = package, .expected_revision = existing ? existing->revision : 0},
      [call](const entity::PackagePtr& stored) {
        call->send_json(json::serialize(entity::to_json(*stored)));
      });
}

// What a binding may stand for.
void check_target(const CallPtr& call, const PackagePutPtr& put, std::function<void()> use) {
  if (!put->binding) return use();
  const std::string path = put->binding->path();
  call->service().resolver.find_package(
      call->executor(), *put->binding, call->user.namespace_name,
      [call, path, use = std::move(use)](const Result<activation::Packages>& target) {
        if (target && target->provider) {
          return call->fail(400, "Cannot bind to another package binding.");
        }
        if (target) return use();
        switch (target.error().code()) {
          case StatusCode::kNotFound:
            return call->fail(400, "Binding references a package that does not exist.");
          case StatusCode::kFailedPrecondition:
            return call->fail(409, "Cannot bind to a resource that is not a package.");
          default: return call->fail(entity_failure(target.error(), path));
        }
      });
}

json::object brief(const entity::Action& action) {
  return {{"name", action.name},
          {"version", action.version},
          {"annotations", entity::to_json(action.annotations)}};
}

}  // namespace

void get_package(const CallPtr& call) {
  const entity::PackageName name{call->target.namespace_name, call->target.name};
  call->service().resolver.find_package(
      call->executor(), name, call->user.namespace_name,
      [call](const Result<activation::Packages>& packages) {
        if (!packages) return call->fail(entity_failure(packages.error(), call->path()));
        const entity::Package& source = packages->source();
        call->deps().entities.list_actions(
            call->executor(), source.namespace_name, source.name, 0,
            std::numeric_limits<std::int32_t>::max(),
            [call, packages = *packages](const Result<std::vector<entity::ActionPtr>>& contents) {
              if (!contents) return call->fail(contents.error());
              json::object object = entity::to_json(*packages.package);
              object["parameters"] = entity::to_json(packages.parameters());
              json::array actions;
              json::array feeds;
              for (const entity::ActionPtr& action : *contents) {
                (action->annotation("feed") != nullptr ? feeds : actions)
                    .emplace_back(brief(*action));
              }
              object.emplace("actions", std::move(actions));
              object.emplace("feeds", std::move(feeds));
              call->send_json(json::serialize(object));
            });
      });
}

void put_package(const CallPtr& call) {
  const Checked<bool> overwrite = call->query.boolean("overwrite", false);
  if (!overwrite) return call->fail(overwrite.error());
  if (!check_content_type(*call)) return;
  if (call->target.name == kReservedName) {
    return call->fail(400, fmt::format("Package name '{}' is reserved.", kReservedName));
  }
  const Checked<json::object> body = parse_small_body(call->request.body, call->bounds());
  if (!body) return call->fail(body.error());
  Checked<CommonPut> common = parse_common(*body, call->bounds());
  if (!common) return call->fail(common.error());
  auto binding = parse_binding(*body, call->user.namespace_name);
  if (!binding) return call->fail(binding.error());
  const auto put = std::make_shared<PackagePut>();
  static_cast<CommonPut&>(*put) = std::move(*common);
  put->binding = std::move(*binding);

  find_one<entity::Package>(
      call, call->path(),
      [call, put, replace = *overwrite](const entity::PackagePtr& existing) {
        if (existing && !replace) return call->fail(409, text::kExists);
        if (existing && put->binding && !existing->binding) {
          return call->fail(409, "Resource is a package and cannot be converted into a binding.");
        }
        check_target(call, put, [call, put, existing] { store(call, *put, existing); });
      },
      put->parameters ? Values::kSealed : Values::kOpened);
}

void delete_package(const CallPtr& call) {
  const Checked<bool> force = call->query.boolean("force", false);
  if (!force) return call->fail(force.error());
  find_one<entity::Package>(
      call, call->path(),
      [call, all = *force](const entity::PackagePtr& package) {
        if (!package) return call->fail(404, text::kNotFound);
        store::EntityChange removal{.collection = entity::Collection::kPackages,
                                    .path = call->path(),
                                    .with_contents = all,
                                    .expected_revision = package->revision};
        call->deps().entities.change_entities(
            call->executor(), {std::move(removal)},
            [call, package](const Result<std::vector<entity::EntityPtr>>& removed) {
              if (removed) return call->send_json(json::serialize(entity::to_json(*package)));
              if (removed.error().code() != StatusCode::kOutOfRange) {
                return call->fail(entity_failure(removed.error(), call->path()));
              }
              const std::string number = removed.error().message();
              call->fail(409, fmt::format("Package not empty (contains {} {}). Set force param or "
                                          "delete package contents.",
                                          number, number == "1" ? "entity" : "entities"));
            });
      },
      Values::kSealed);
}

}  // namespace berth::api
