// SPDX-License-Identifier: Apache-2.0
// GET, PUT, DELETE of one action, and their list.
#include <boost/asio/post.hpp>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <limits>

#include "api/action_put.hpp"
#include "api/sequence_check.hpp"
#include "api/service.hpp"

namespace berth::api {
namespace {

void store(const CallPtr& call, const Checked<entity::Action>& action, std::uint64_t expected) {
  if (!action) return call->fail(action.error());
  call->deps().entities.put_action(
      call->executor(), *action, expected, [call](const Result<entity::ActionPtr>& stored) {
        if (!stored) return call->fail(stored.error());
        call->send_json(boost::json::serialize(entity::to_json(**stored, true)));
      });
}

void apply(const CallPtr& call, const std::shared_ptr<ActionPut>& put, bool overwrite) {
  call->deps().entities.get_action(
      call->executor(), call->path(),
      [call, put, overwrite](const Result<entity::ActionPtr>& existing) {
        Dependencies& deps = call->deps();
        const std::int64_t now = deps.clock.wall_ms();
        if (existing) {
          if (!overwrite) return call->fail(409, text::kExists);
          const entity::Action& old = **existing;
          const entity::Runtime* runtime = deps.runtimes.find(old.exec.kind);
          if (!put->exec && runtime != nullptr && runtime->deprecated) {
            return call->fail(deprecated_kind(old.exec.kind));
          }
          return store(call, update_action(std::move(*put), old, call->bounds(), now),
                       old.revision);
        }
        if (existing.error().code() != StatusCode::kNotFound) return call->fail(existing.error());
        store(call,
              create_action(std::move(*put), call->target.namespace_name, call->target.package,
                            call->target.name, call->bounds(), now),
              0);
      });
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
  // There are no packages to put it into.
  if (!call->target.package.empty()) return call->fail(404, text::kNotFound);
  // Parsing megabytes and unpacking archives would keep every other request waiting.
  boost::asio::post(call->service().workers, [call, replace = *overwrite]() mutable {
    auto put = std::make_shared<Checked<ActionPut>>(
        parse_action_put(call->request.body, call->deps().runtimes, call->bounds()));
    boost::asio::io_context& io = call->deps().io;
    // The last reference goes back to the Api's thread with the call.
    boost::asio::post(io, [call = std::move(call), put, replace] {
      if (!*put) return call->fail(put->error());
      auto wanted = std::make_shared<ActionPut>(std::move(**put));
      if (!wanted->exec) return apply(call, wanted, replace);
      if (wanted->exec->kind == "sequence") {
        resolve_components(wanted->exec->components, call->user);
        return check_sequence(call, call->path(), wanted->exec->components,
                              [call, wanted, replace] { apply(call, wanted, replace); });
      }
      if (call->check_kind(wanted->exec->kind)) apply(call, wanted, replace);
    });
  });
}

void delete_action(const CallPtr& call) {
  with_action(call, [call](const entity::ActionPtr& action) {
    call->deps().entities.remove_action(
        call->executor(), call->path(), action->revision,
        [call, action](const Result<void>& removed) {
          if (!removed) return call->fail(removed.error());
          call->send_json(boost::json::serialize(entity::to_json(*action, true)));
        });
  });
}

void list_actions(const CallPtr& call) {
  const entity::LimitBounds& bounds = call->deps().limits;
  const Checked<bool> count = call->query.boolean("count", false);
  if (!count) return call->fail(count.error());
  const Checked<std::int64_t> skip =
      call->query.list_number("skip", 0, std::numeric_limits<std::int32_t>::max(), 0, "actions");
  if (!skip) return call->fail(skip.error());
  Checked<std::int64_t> limit =
      call->query.list_number("limit", 0, bounds.list_max, bounds.list_default, "actions");
  if (!limit) return call->fail(limit.error());
  if (*limit == 0) *limit = bounds.list_max;

  if (*count) {
    call->deps().entities.count_actions(
        call->executor(), call->target.namespace_name, std::nullopt, *skip,
        [call](const Result<std::int64_t>& number) {
          if (!number) return call->fail(number.error());
          call->send_json(fmt::format("{{\"actions\":{}}}", *number));
        });
    return;
  }
  call->deps().entities.list_actions(call->executor(), call->target.namespace_name, std::nullopt,
                                     *skip, *limit,
                                     [call](const Result<std::vector<entity::ActionPtr>>& actions) {
                                       if (!actions) return call->fail(actions.error());
                                       boost::json::array list;
                                       for (const entity::ActionPtr& action : *actions) {
                                         list.emplace_back(entity::to_summary(*action));
                                       }
                                       call->send_json(boost::json::serialize(list));
                                     });
}

}  // namespace berth::api
