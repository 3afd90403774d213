// SPDX-License-Identifier: Apache-2.0
// GET, PUT, DELETE of one action, and their list.
#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>

#include "api/action_put.hpp"
#include "api/sequence_check.hpp"
#include "api/service.hpp"

namespace berth::api {
namespace {

void store(const CallPtr& call, const Checked<entity::Action>& action, std::uint64_t expected) {
  if (!action) return call->fail(action.error());
  call->deps().entities.put_action(
      call->executor(), *action, expected, [call](const Result<entity::ActionPtr>& stored) {
        if (!stored) return call->fail(entity_failure(stored.error(), call->path()));
        call->send_json(boost::json::serialize(entity::to_json(**stored, true)));
      });
}

void apply(const CallPtr& call, const std::shared_ptr<ActionPut>& put, bool overwrite) {
  store::EntityStore& entities = call->deps().entities;
  auto read = [call, put, overwrite](const Result<entity::ActionPtr>& existing) {
    Dependencies& deps = call->deps();
    const std::int64_t now = deps.clock.wall_ms();
    if (existing) {
      if (!overwrite) return call->fail(409, text::kExists);
      const entity::Action& old = **existing;
      const entity::Runtime* runtime = deps.runtimes.find(old.exec.kind);
      if (!put->exec && runtime != nullptr && runtime->deprecated) {
        return call->fail(deprecated_kind(old.exec.kind));
      }
      return store(call, update_action(std::move(*put), old, call->bounds(), now), old.revision);
    }
    if (existing.error().code() != StatusCode::kNotFound) {
      return call->fail(entity_failure(existing.error(), call->path()));
    }
    store(call,
          create_action(std::move(*put), call->target.namespace_name, call->target.package,
                        call->target.name, call->bounds(), now),
          0);
  };
  // The old ones go: it may be that no key opens them.
  if (put->parameters) {
    return entities.get_sealed_action(call->executor(), call->path(), std::move(read));
  }
  entities.get_action(call->executor(), call->path(), std::move(read));
}

}  // namespace

void get_action(const CallPtr& call) {
  const Checked<bool> with_code = call->query.boolean("code", true);
  if (!with_code) return call->fail(with_code.error());
  with_action(call, [call, code = *with_code](const entity::ActionPtr& action) {
    call->send_json(boost::json::serialize(entity::to_json(*action, code)));
  });
}

void put_action(const CallPtr& call) {
  const Checked<bool> overwrite = call->query.boolean("overwrite", false);
  if (!overwrite) return call->fail(overwrite.error());
  if (!check_content_type(*call)) return;
  // Parsing megabytes and unpacking archives would keep every other request waiting.
  boost::asio::post(call->service().workers, [call, replace = *overwrite]() mutable {
    auto put = std::make_shared<Checked<ActionPut>>(
        parse_action_put(call->request.body, call->deps().runtimes, call->bounds()));
    boost::asio::io_context& io = call->deps().io;
    // The last reference goes back to the Api's thread with the call.
    boost::asio::post(io, [call = std::move(call), put, replace] {
      if (!*put) return call->fail(put->error());
      auto wanted = std::make_shared<ActionPut>(std::move(**put));
      const auto store = [call, wanted, replace] {
        with_writable_package(call, [call, wanted, replace] { apply(call, wanted, replace); });
      };
      if (!wanted->exec) return store();
      if (wanted->exec->kind == "sequence") {
        resolve_components(wanted->exec->components, call->user);
        return check_sequence(call, call->path(), wanted->exec->components, store);
      }
      if (call->check_kind(wanted->exec->kind)) store();
    });
  });
}

void delete_action(const CallPtr& call) {
  with_writable_package(call, [call] {
    // As it is stored, without what its package gives it, and whether or not a key opens it.
    call->deps().entities.get_sealed_action(
        call->executor(), call->path(), [call](const Result<entity::ActionPtr>& action) {
          if (!action) return call->fail(entity_failure(action.error(), call->path()));
          call->deps().entities.remove_action(
              call->executor(), call->path(), (*action)->revision,
              [call, action = *action](const Result<void>& removed) {
                if (!removed) return call->fail(removed.error());
                call->send_json(boost::json::serialize(entity::to_json(*action, true)));
              });
        });
  });
}

namespace {

// Of a namespace, or of one of its packages.
void list_of(const CallPtr& call, const std::string& namespace_name,
             const std::optional<std::string>& package, const ListPage& page) {
  store::EntityStore& entities = call->deps().entities;
  if (page.count) {
    entities.count_actions(call->executor(), namespace_name, package, page.skip,
                           [call](const Result<std::int64_t>& number) {
                             if (!number) return call->fail(number.error());
                             call->send_json(fmt::format("{{\"actions\":{}}}", *number));
                           });
    return;
  }
  entities.list_actions(call->executor(), namespace_name, package, page.skip, page.limit,
                        [call](const Result<std::vector<entity::ActionPtr>>& actions) {
                          if (!actions) return call->fail(actions.error());
                          boost::json::array list;
                          for (const entity::ActionPtr& action : *actions) {
                            list.emplace_back(entity::to_summary(*action));
                          }
                          call->send_json(boost::json::serialize(list));
                        });
}

}  // namespace

void list_actions(const CallPtr& call) {
  const Checked<ListPage> page = list_page(*call, "actions");
  if (!page) return call->fail(page.error());
  const Target& target = call->target;
  if (target.package.empty()) {
    return list_of(call, target.namespace_name, std::nullopt, *page);
  }
  const entity::PackageName name{target.namespace_name, target.package};
  call->service().resolver.find_package(
      call->executor(), name, call->user.namespace_name,
      [call, name, page = *page](const Result<activation::Packages>& packages) {
        if (!packages) return call->fail(entity_failure(packages.error(), name.path()));
        const entity::Package& source = packages->source();
        list_of(call, source.namespace_name, source.name, page);
      });
}

}  // namespace berth::api
