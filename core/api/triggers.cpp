// SPDX-License-Identifier: Apache-2.0
// GET, PUT, DELETE of one trigger, and POST, which fires it.
#include <algorithm>
#include <boost/json/serialize.hpp>

#include "api/entity_store_calls.hpp"
#include "api/fire.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;
using entity::TriggerPtr;

std::optional<Failure> check_feed(const CommonPut& put) {
  if (!put.annotations) return std::nullopt;
  for (const entity::Parameter& annotation : *put.annotations) {
    if (annotation.key != "feed") continue;
    const json::string* text = annotation.value.if_string();
    if (text != nullptr &&
        (text->empty() || entity::names_in_path({text->data(), text->size()}) > 0)) {
      continue;
    }
    return Failure{400, "Feed name is not valid"};
  }
  return std::nullopt;
}

void send(const CallPtr& call, const entity::Trigger& trigger) {
  call->send_json(json::serialize(entity::to_json(trigger)));
}

// Lower-case names, as web actions get them. The caller's key is not for whatever a rule runs.
json::object headers_of(const http::Request& request) {
  json::object headers;
  for (const auto& [name, value] : request.headers) {
    std::string key(name);
    for (char& c : key) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
    }
    if (key != "authorization") headers[key] = value;
  }
  return headers;
}

}  // namespace

void get_trigger(const CallPtr& call) {
  find_one<entity::Trigger>(call, call->path(), [call](const TriggerPtr& trigger) {
    if (!trigger) return call->fail(404, text::kNotFound);
    send(call, *trigger);
  });
}

void put_trigger(const CallPtr& call) {
  const Checked<bool> overwrite = call->query.boolean("overwrite", false);
  if (!overwrite) return call->fail(overwrite.error());
  if (!check_content_type(*call)) return;
  const Checked<json::object> body = parse_small_body(call->request.body, call->bounds());
  if (!body) return call->fail(body.error());
  const Checked<CommonPut> put = parse_common(*body, call->bounds());
  if (!put) return call->fail(put.error());
  if (const auto failure = check_feed(*put)) return call->fail(*failure);

  find_one<entity::Trigger>(
      call, call->path(),
      [call, put = *put, replace = *overwrite](const TriggerPtr& existing) {
        if (existing && !replace) return call->fail(409, text::kExists);
        const auto trigger = existing ? std::make_shared<entity::Trigger>(*existing)
                                      : std::make_shared<entity::Trigger>();
        apply_common(*call, put, existing != nullptr, *trigger);
        change_one<entity::Trigger>(
            call, {.put = trigger, .expected_revision = existing ? existing->revision : 0},
            [call](const TriggerPtr& stored) { send(call, *stored); });
      },
      put->parameters ? Values::kSealed : Values::kOpened);
}

void delete_trigger(const CallPtr& call) {
  find_one<entity::Trigger>(
      call, call->path(),
      [call](const TriggerPtr& trigger) {
        if (!trigger) return call->fail(404, text::kNotFound);
        change_one<entity::Trigger>(call,
                                    {.collection = entity::Collection::kTriggers,
                                     .path = trigger->path(),
                                     .expected_revision = trigger->revision},
                                    [call, trigger](const TriggerPtr&) { send(call, *trigger); });
      },
      Values::kSealed);
}

void fire_trigger(const CallPtr& call) {
  if (!check_ready(*call)) return;
  if (!check_content_type(*call)) return;
  const std::uint64_t allowed = call->bounds().max_payload_bytes;
  if (call->request.body.size() > allowed) {
    return call->fail(too_large("Request", call->request.body.size(), allowed));
  }
  find_one<entity::Trigger>(call, call->path(), [call](const TriggerPtr& trigger) {
    if (!trigger) return call->fail(404, text::kNotFound);
    fire(call->shared_service(),
         {.transaction_id = call->transaction_id,
          .user = call->user,
          .trigger = trigger,
          .payload = std::string(call->request.body),
          .headers = headers_of(call->request)},
         [call](const Checked<std::string>& fired) {
           if (!fired) return call->fail(fired.error());
           if (fired->empty()) return call->send({.status = 204, .content_type = ""});
           http::Response response{.status = 202};
           response.body = "{\"activationId\":\"" + *fired + "\"}";
           response.headers.emplace_back("x-openwhisk-activation-id", *fired);
           call->send(std::move(response));
         });
  });
}

}  // namespace berth::api
