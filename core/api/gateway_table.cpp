// SPDX-License-Identifier: Apache-2.0
#include "api/gateway_table.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <utility>

#include "base/log.hpp"

namespace berth::api {

// One namespace on its way into memory.
struct GatewayTable::Load {
  std::shared_ptr<Memory> memory;
  std::shared_ptr<const GatewayChanges> changes;
  std::string uuid;
  std::uint64_t version = 0;  // before it was read
  std::vector<Done> waiting;
  std::size_t left = 0;  // that the store has not answered yet
  std::size_t bytes = 0;
  std::shared_ptr<GatewayEntries> entries = std::make_shared<GatewayEntries>();
  Status failed;

  // `listed` is the same as it is on the disk.
  void take(const entity::EntityPtr& listed, const Result<entity::EntityPtr>& found) {
    if (!found) {
      // One that was deleted meanwhile is none; one that no key opens is none to serve.
      if (found.error().code() == StatusCode::kNotFound) return;
      if (found.error().code() == StatusCode::kUnavailable ||
          found.error().code() == StatusCode::kResourceExhausted) {
        failed = found.error();
      }
      return keep(listed, found.error().to_string());
    }
    auto api = std::static_pointer_cast<const entity::GatewayApi>(*found);
    const boost::json::object* document = api->document();
    if (document == nullptr) return keep(*found, "it has no document");
    const std::size_t size = boost::json::serialize(*document).size();
    auto routes = GatewayRoutes::compile(*document, api->namespace_name, "");
    if (!routes) return keep(*found, routes.error().message, size);
    add({std::move(api), std::move(*routes), size});
  }

  void add(GatewayEntry entry) {
    bytes += entry.bytes;
    entries->push_back(std::make_shared<const GatewayEntry>(std::move(entry)));
  }
  // One that cannot be served, and why.
  void keep(const entity::EntityPtr& api, const std::string& reason, std::size_t size = 0) {
    log::error("api", "an API of the gateway cannot be served",
               {{"api", api->path()}, {"reason", reason}});
    add({std::static_pointer_cast<const entity::GatewayApi>(api), std::nullopt, size});
  }

  // Those who asked before a change are given what was there before it, too.
  void end() {
    const auto loading = memory->loading.find(uuid);
    if (loading != memory->loading.end() && loading->second.get() == this) {
      memory->loading.erase(loading);
    }
    std::stable_sort(entries->begin(), entries->end(),
                     [](const GatewayEntryPtr& a, const GatewayEntryPtr& b) {
                       if (!a->routes || !b->routes) return a->routes && !b->routes;
                       return a->routes->base().size() > b->routes->base().size();
                     });
    if (failed.ok() && changes->version(uuid) == version) {
      memory->put(uuid, {entries, bytes, version, {}});
    }
    const Result<GatewayEntriesPtr> result =
        failed.ok() ? Result<GatewayEntriesPtr>(entries) : Result<GatewayEntriesPtr>(failed);
    for (const Done& done : waiting) done(result);
  }
};

void GatewayTable::Memory::put(const std::string& uuid, Known entry) {
  if (entry.bytes > max_bytes) return;
  erase(uuid);
  while (bytes + entry.bytes > max_bytes || known.size() >= kMaxNamespaces) {
    erase(std::string(ages.front()));
  }
  bytes += entry.bytes;
  entry.age = ages.insert(ages.end(), uuid);
  known[uuid] = std::move(entry);
}

void GatewayTable::Memory::erase(const std::string& uuid) {
  const auto found = known.find(uuid);
  if (found == known.end()) return;
  bytes -= found->second.bytes;
  ages.erase(found->second.age);
  known.erase(found);
}

void GatewayTable::find(const std::string& namespace_name, const std::string& namespace_uuid,
                        Done done) {
  const std::uint64_t version = changes_->version(namespace_uuid);
  if (const auto known = memory_->known.find(namespace_uuid); known != memory_->known.end()) {
    const GatewayEntriesPtr entries = known->second.entries;
    if (known->second.version == version) return done(entries);
    memory_->erase(namespace_uuid);
  }
  // Who asks after a change is not given what was read before it.
  std::shared_ptr<Load>& loading = memory_->loading[namespace_uuid];
  if (loading && loading->version == version) return loading->waiting.push_back(std::move(done));
  const auto load = std::make_shared<Load>();
  load->memory = memory_;
  load->changes = changes_;
  load->uuid = namespace_uuid;
  load->version = version;
  load->waiting.push_back(std::move(done));
  loading = load;
  entities_.list_entities(
      io_.get_executor(),
      {.collection = entity::Collection::kApis,
       .namespace_name = namespace_name,
       .skip = 0,
       .limit = kMaxApis},
      [load, &io = io_,
       &entities = entities_](const Result<std::vector<entity::EntityPtr>>& listed) {
        if (!listed) {
          load->failed = listed.error();
          return load->end();
        }
        load->left = listed->size();
        if (load->left == 0) return load->end();
        // A list has them as they are on the disk; the document may be encrypted there.
        for (const entity::EntityPtr& each : *listed) {
          entities.get_entity(io.get_executor(), entity::Collection::kApis, each->path(),
                              [load, each](const Result<entity::EntityPtr>& found) {
                                load->take(each, found);
                                if (--load->left == 0) load->end();
                              });
        }
      });
}

}  // namespace berth::api
