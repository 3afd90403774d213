// SPDX-License-Identifier: Apache-2.0
// The management of APIs. Reads and answers are OpenWhisk's; what is wrong is said with 400, 404
// and 409 instead of always 502, and names the JSON pointer.
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <limits>
#include <memory>
#include <utility>

#include "api/entity_store_calls.hpp"
#include "api/gateway.hpp"
#include "api/gateway_document.hpp"
#include "api/gateway_table.hpp"
#include "api/put_parts.hpp"
#include "base/ids.hpp"
#include "http/text.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::string_view kSystem = "whisk.system";
constexpr std::string_view kPackage = "apimgmt";
constexpr std::size_t kMaxKeys = 100;
constexpr std::size_t kMaxNote = 256;

// Where this server is, as the caller sees it.
std::string address_of(Call& call) {
  const std::string& own = call.service().deps.address;
  const auto host = call.request.header("Host");
  if (!host || host->empty() || !http::is_host_text(*host)) return own;
  std::string_view scheme = std::string_view(own).substr(0, own.find("://"));
  // A proxy in front may speak TLS for us.
  const auto forwarded = call.request.header("X-Forwarded-Proto");
  if (forwarded && (*forwarded == "https" || *forwarded == "http")) scheme = *forwarded;
  return fmt::format("{}://{}", scheme.empty() ? "http" : scheme, *host);
}

// The characters that names have and URLs have not.
std::string encoded(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (http::is_token_char(c) && c != '%' && c != '&') {
      text += c;
    } else {
      text += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return text;
}

std::string url_of(Call& call, const std::string& base_path) {
  return fmt::format("{}/api/v1/gw/{}{}", address_of(call), encoded(call.user.namespace_name),
                     base_path == "/" ? "" : base_path);
}

json::object value_of(Call& call, const entity::GatewayApi& api) {
  const json::object* document = api.document();
  return {{"namespace", api.namespace_name},
          {"gwApiUrl", url_of(call, api.name)},
          {"gwApiActivated", true},
          {"tenantId", call.user.namespace_uuid},
          {"apidoc", document != nullptr ? *document : json::object()}};
}

Failure too_many_apis() {
  return {409, fmt::format("A namespace has at most {} APIs.", GatewayTable::kMaxApis)};
}

Failure no_api(std::string_view what, std::string_view name) {
  return {404, fmt::format("API {} failure: API '{}' does not exist.", what, name)};
}

// Those whose base path or, without a slash in front, title that is; of an empty name all.
GatewayEntries named(const GatewayEntries& entries, std::string_view name) {
  GatewayEntries found;
  for (const GatewayEntryPtr& entry : entries) {
    const json::object* document = entry->api->document();
    const bool by_path = name.starts_with('/') && entry->api->name == name;
    const bool by_title =
        !name.starts_with('/') && document != nullptr && title_of(*document) == name;
    if (name.empty() || by_path || by_title) found.push_back(entry);
  }
  return found;
}

using UseEntries = std::function<void(const GatewayEntries&)>;

void with_entries(const CallPtr& call, UseEntries use) {
  call->service().gateway.find(call->user.namespace_name, call->user.namespace_uuid,
                               [call, use = std::move(use)](const auto& entries) {
                                 if (!entries) return call->fail(entries.error());
                                 use(**entries);
                               });
}

// Runs `use` with the one API that the query's `basepath` names; else answers 400, 404 or 409.
void with_one(const CallPtr& call, std::string_view what,
              std::function<void(const entity::GatewayApiPtr&)> use) {
  const std::string name(call->query.get("basepath").value_or(""));
  if (name.empty()) return call->fail(400, "The query parameter 'basepath' is required.");
  with_entries(call, [call, name, what = std::string(what),
                      use = std::move(use)](const GatewayEntries& entries) {
    const GatewayEntries found = named(entries, name);
    if (found.empty()) return call->fail(no_api(what, name));
    if (found.size() > 1) {
      return call->fail(
          409, fmt::format("{} APIs are named '{}': say its base path", found.size(), name));
    }
    use(found.front()->api);
  });
}

// What is encrypted and opened by no key, or is no object, is replaced as a whole or not at all.
bool is_readable(const CallPtr& call, const entity::GatewayApi& api) {
  if (api.document() != nullptr) return true;
  call->fail(409, fmt::format("The document of the API '{}' cannot be read: put a whole one in its "
                              "place, or delete the API.",
                              api.name));
  return false;
}

// Stores an API, or takes it away if `put` is null, and runs `use`. `present` is what is there,
// `coming` how many bytes are expected of it.
void change(const CallPtr& call, std::shared_ptr<entity::GatewayApi> put,
            const entity::GatewayApiPtr& present, std::function<void()> use,
            std::size_t coming = 0) {
  store::EntityChange change{.collection = entity::Collection::kApis};
  change.path = put ? put->path() : present->path();
  change.expected_revision = present ? present->revision : 0;
  change.put = std::move(put);
  change.max_in_namespace = GatewayTable::kMaxApis;
  std::vector<store::EntityChange> changes;
  changes.push_back(std::move(change));
  call->deps().entities.change_entities(
      call->executor(), std::move(changes),
      [call, use = std::move(use), coming](const Result<std::vector<entity::EntityPtr>>& stored) {
        GatewayChanges& changes = call->service().tallies->gateway_changes;
        changes.changed(call->user.namespace_uuid);
        changes.arrived(call->user.namespace_uuid, coming);
        if (!stored && stored.error().code() == StatusCode::kAlreadyExists) {
          return call->fail(409, text::kConflict);
        }
        if (!stored && stored.error().code() == StatusCode::kOutOfRange) {
          return call->fail(too_many_apis());
        }
        if (!stored) return call->fail(stored.error());
        use();
      });
}

// `entries` is what the namespace has.
void store_document(const CallPtr& call, json::object document,
                    const entity::GatewayApiPtr& present, const GatewayEntries& entries) {
  const std::uint64_t allowed = call->bounds().max_parameters_bytes;
  const std::size_t size = json::serialize(document).size();
  if (size > allowed) return call->fail(too_large("apidoc", size, allowed));
  std::size_t before = 0;
  std::size_t others = 0;
  for (const GatewayEntryPtr& entry : entries) {
    (entry->api == present ? before : others) += entry->bytes;
  }
  // Refused here is what could not be served.
  const auto routes =
      GatewayRoutes::compile(document, call->user.namespace_name, "/apidoc/swagger");
  if (!routes) return call->fail(routes.error());
  const auto api = present ? std::make_shared<entity::GatewayApi>(*present)
                           : std::make_shared<entity::GatewayApi>();
  api->namespace_name = call->user.namespace_name;
  api->name = base_path_of(document);
  api->version = present ? next_version(present->version) : "0.0.1";
  api->updated_ms = call->received_ms;
  api->parameters = {
      {.key = std::string(entity::GatewayApi::kDocument), .value = std::move(document)}};
  json::object answer = value_of(*call, *api);
  // One that does not grow needs no room.
  constexpr std::size_t kMost = GatewayTable::kMaxNamespaceBytes;
  const std::size_t room =
      size <= before ? std::numeric_limits<std::size_t>::max() : kMost - std::min(kMost, others);
  if (!call->service().tallies->gateway_changes.expect(call->user.namespace_uuid, size, room)) {
    return call->fail(409, fmt::format("The documents of a namespace's APIs together have at most "
                                       "{} bytes; with this one of {} they had more.",
                                       kMost, size));
  }
  change(
      call, api, present, [call, answer = json::serialize(answer)] { call->send_json(answer); },
      size);
}

void create_api(const CallPtr& call) {
  if (!check_content_type(*call)) return;
  const auto body = parse_small_body(call->request.body, call->bounds());
  if (!body) return call->fail(body.error());
  auto asked = parse_api_request(*body, call->user.namespace_name,
                                 call->query.get("responsetype").value_or(""));
  if (!asked) return call->fail(asked.error());
  const auto request = std::make_shared<ApiRequest>(std::move(*asked));
  with_entries(call, [call, request](const GatewayEntries& entries) {
    const std::string name =
        request->document ? base_path_of(*request->document) : request->endpoint.api;
    const GatewayEntries found = named(entries, name);
    if (name.empty() || (!name.starts_with('/') && request->document)) {
      return call->fail(wrong("/apidoc/swagger/basePath", "must begin with '/'"));
    }
    if (found.empty() && !name.starts_with('/')) {
      return call->fail(wrong("/apidoc/gatewayBasePath",
                              "no API has this name, and a base path begins with '/'"));
    }
    if (found.empty() && entries.size() >= static_cast<std::size_t>(GatewayTable::kMaxApis)) {
      return call->fail(too_many_apis());
    }
    if (found.size() > 1) {
      return call->fail(
          409, fmt::format("{} APIs are named '{}': say its base path", found.size(), name));
    }
    const entity::GatewayApiPtr present = found.empty() ? nullptr : found.front()->api;
    if (request->document) {
      return store_document(call, std::move(*request->document), present, entries);
    }
    if (present && !is_readable(call, *present)) return;
    json::object document =
        present ? *present->document() : new_document(name, request->endpoint.title);
    if (!present) {
      if (const auto base = parse_base_path(name, "/apidoc/gatewayBasePath"); !base) {
        return call->fail(base.error());
      }
    }
    put_endpoint(document, request->endpoint, address_of(*call));
    if (request->cors) set_cors(document, *request->cors);
    if (request->key_header) set_key_header(document, *request->key_header);
    if (request->project) set_project(document, *request->project);
    store_document(call, std::move(document), present, entries);
  });
}

void get_api(const CallPtr& call) {
  const Checked<ListPage> page = list_page(*call, "apis");
  if (!page) return call->fail(page.error());
  with_entries(call, [call, page = *page](const GatewayEntries& entries) {
    GatewayEntries found = named(entries, call->query.get("basepath").value_or(""));
    std::sort(found.begin(), found.end(),
              [](const auto& a, const auto& b) { return a->api->name < b->api->name; });
    json::array apis;
    for (std::size_t i = static_cast<std::size_t>(page.skip);
         i < found.size() && apis.size() < static_cast<std::size_t>(page.limit); ++i) {
      const entity::GatewayApi& api = *found[i]->api;
      const std::string id = fmt::format("API:{}:{}", api.namespace_name, api.name);
      apis.push_back(json::object{{"id", id}, {"key", id}, {"value", value_of(*call, api)}});
    }
    call->send_json(json::serialize(json::object{{"apis", std::move(apis)}}));
  });
}

void delete_api(const CallPtr& call) {
  const std::string path(call->query.get("relpath").value_or(""));
  std::string method(call->query.get("operation").value_or(""));
  for (char& c : method) c = http::to_lower(c);
  if (path.empty() && !method.empty()) {
    return call->fail(400, "When specifying an operation, the path is required.");
  }
  with_one(call, "deletion", [call, path, method](const entity::GatewayApiPtr& api) {
    const auto done = [call] { call->send_json("{}"); };
    const auto all_gone = [call, api] {
      call->service().tallies->gateway_rates.forget(
          rate_name(call->user.namespace_uuid, api->name, ""));
      call->send_json("{}");
    };
    if (path.empty()) return change(call, nullptr, api, all_gone);
    if (!is_readable(call, *api)) return;
    json::object document = *api->document();
    if (!remove_endpoint(document, path, method)) {
      const std::string with = method.empty() ? "" : " with operation " + method;
      return call->fail(
          404,
          fmt::format("API deletion failure: path {}{} does not exist in the API", path, with));
    }
    if (!has_endpoints(document)) return change(call, nullptr, api, all_gone);
    const auto changed = std::make_shared<entity::GatewayApi>(*api);
    changed->version = next_version(api->version);
    changed->updated_ms = call->received_ms;
    changed->parameters = {
        {.key = std::string(entity::GatewayApi::kDocument), .value = std::move(document)}};
    change(call, changed, api, done);
  });
}

json::object key_json(const entity::GatewayApi::Key& key) {
  return {{"id", key.id}, {"note", key.note}, {"created", key.created_ms}};
}

void get_keys(const CallPtr& call) {
  with_one(call, "key", [call](const entity::GatewayApiPtr& api) {
    json::array keys;
    for (const auto& key : api->keys) keys.push_back(key_json(key));
    call->send_json(json::serialize(json::object{{"keys", std::move(keys)}}));
  });
}

void create_key(const CallPtr& call) {
  const std::string note(call->query.get("note").value_or(""));
  if (note.size() > kMaxNote) {
    return call->fail(400, fmt::format("The note is longer than {} characters.", kMaxNote));
  }
  with_one(call, "key", [call, note](const entity::GatewayApiPtr& api) {
    if (!is_readable(call, *api)) return;
    const auto routes =
        GatewayRoutes::compile(*api->document(), api->namespace_name, "/apidoc/swagger");
    const KeyDemand demand = routes ? routes->key_demand() : KeyDemand();
    if (demand.header.empty()) {
      return call->fail(409, fmt::format("The API '{}' asks for no key.", api->name));
    }
    if (api->keys.size() >= kMaxKeys) {
      return call->fail(409, fmt::format("An API has at most {} keys.", kMaxKeys));
    }
    const auto changed = std::make_shared<entity::GatewayApi>(*api);
    entity::GatewayApi::Key key;
    key.id = random_hex(8);
    key.note = note;
    key.created_ms = call->received_ms;
    const std::string value = new_secret();
    key.digest = key_digest(value);
    // It is shown now and never again.
    json::object answer = key_json(key);
    answer.emplace("header", demand.header);
    answer.emplace("key", value);
    if (!demand.secret_header.empty()) {
      const std::string secret = new_secret();
      key.secret_digest = key_digest(secret);
      answer.emplace("secretHeader", demand.secret_header);
      answer.emplace("secret", secret);
    }
    changed->keys.push_back(std::move(key));
    change(call, changed, api, [call, text = json::serialize(answer)] { call->send_json(text); });
  });
}

void delete_key(const CallPtr& call) {
  with_one(call, "key", [call](const entity::GatewayApiPtr& api) {
    if (!is_readable(call, *api)) return;
    const std::string id(call->query.get("id").value_or(""));
    const auto changed = std::make_shared<entity::GatewayApi>(*api);
    const auto removed =
        std::erase_if(changed->keys, [&id](const auto& key) { return key.id == id; });
    if (removed == 0) return call->fail(404, fmt::format("The API has no key '{}'.", id));
    change(call, changed, api, [call, api, id] {
      call->service().tallies->gateway_rates.forget(
          rate_name(call->user.namespace_uuid, api->name, id));
      call->send_json("{}");
    });
  });
}

struct Operation {
  std::string_view name;
  std::string_view method;
  entity::Right right;
  void (*run)(const CallPtr& call);
};
constexpr Operation kOperations[] = {
    {"getApi", "GET", entity::Right::kRead, get_api},
    {"createApi", "POST", entity::Right::kPut, create_api},
    {"deleteApi", "DELETE", entity::Right::kDelete, delete_api},
    {"getKeys", "GET", entity::Right::kRead, get_keys},
    {"createKey", "POST", entity::Right::kPut, create_key},
    {"deleteKey", "DELETE", entity::Right::kDelete, delete_key},
};

}  // namespace

bool is_gateway_management(const Target& target) {
  return target.namespace_name == kSystem && target.package == kPackage;
}

void manage_gateway(const CallPtr& call) {
  // Its answers are documents of ours whatever the extension.
  const std::string name = split_extension(call->target.name).name;
  const auto* operation = std::find_if(std::begin(kOperations), std::end(kOperations),
                                       [&](const Operation& each) { return each.name == name; });
  if (operation == std::end(kOperations) || !call->target.rest.empty()) {
    return call->fail(404, text::kNotFound);
  }
  if (call->request.method == "OPTIONS") {
    return call->send({.status = 200, .content_type = ""});
  }
  if (call->request.method != operation->method) {
    http::Response response = error_response(
        405, fmt::format("HTTP method not allowed, supported methods: {}", operation->method),
        call->transaction_id);
    response.headers.emplace_back("Allow", operation->method);
    return call->send(std::move(response));
  }
  Checked<entity::Identity> user = authenticate(*call);
  if (!user) return call->fail(user.error());
  call->user = std::move(*user);
  if (!call->user.rights.has(operation->right)) return call->fail(403, text::kForbidden);
  operation->run(call);
}

}  // namespace berth::api
