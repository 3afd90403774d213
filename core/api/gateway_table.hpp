// SPDX-License-Identifier: Apache-2.0
// The APIs of namespaces, ready to serve, in memory: read from the store when a request asks for a
// namespace first, and again after a change. Belongs to the Api's thread; what it has asked of the
// store may be answered when it is gone. Private to core/api.
#pragma once

#include <algorithm>
#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "api/gateway_changes.hpp"
#include "api/gateway_routes.hpp"
#include "base/result.hpp"
#include "entity/entity.hpp"
#include "store/stores.hpp"

namespace berth::api {

struct GatewayEntry {
  entity::GatewayApiPtr api;
  std::optional<GatewayRoutes> routes;  // nullopt: it is there and cannot be served
  std::size_t bytes = 0;                // of the document; 0 if there is none to be read
};
using GatewayEntryPtr = std::shared_ptr<const GatewayEntry>;
// Longest base path first; those that cannot be served last, told in the log: they can be seen,
// replaced and deleted.
using GatewayEntries = std::vector<GatewayEntryPtr>;
using GatewayEntriesPtr = std::shared_ptr<const GatewayEntries>;

class GatewayTable {
 public:
  // Of one namespace. What its documents have together is far below kMaxBytes: what is too large
  // to be kept would be read again with each request.
  static constexpr std::int64_t kMaxApis = 200;
  static constexpr std::size_t kMaxNamespaceBytes = 4u << 20;
  // Of what is kept in memory.
  static constexpr std::size_t kMaxNamespaces = 10'000;
  static constexpr std::size_t kMaxBytes = 64u << 20;

  // `changes` is told of every change, whoever makes it.
  GatewayTable(boost::asio::io_context& io, store::EntityStore& entities,
               std::shared_ptr<const GatewayChanges> changes, std::size_t max_bytes = kMaxBytes)
      : io_(io),
        entities_(entities),
        changes_(std::move(changes)),
        // All of one namespace has room.
        memory_(std::make_shared<Memory>(std::max(max_bytes, 2 * kMaxNamespaceBytes))) {}

  // `done` is called once, at once if the namespace is in memory. It is told apart by its uuid, so
  // that one which was deleted and made again has none of the old APIs.
  void find(const std::string& namespace_name, const std::string& namespace_uuid,
            std::function<void(const Result<GatewayEntriesPtr>&)> done);

 private:
  using Done = std::function<void(const Result<GatewayEntriesPtr>&)>;
  struct Load;
  struct Known {
    GatewayEntriesPtr entries;
    std::size_t bytes = 0;      // of the documents, about
    std::uint64_t version = 0;  // of the namespace's APIs
    std::list<std::string>::iterator age{};
  };
  struct Memory {
    explicit Memory(std::size_t most) : max_bytes(most) {}
    const std::size_t max_bytes;
    std::unordered_map<std::string, Known> known;  // by uuid
    // Those that are being read, each as of the last change.
    std::unordered_map<std::string, std::shared_ptr<Load>> loading;
    std::list<std::string> ages;  // the uuids of `known`, that which was read first in front
    std::size_t bytes = 0;        // of all in `known`

    void put(const std::string& uuid, Known entry);
    void erase(const std::string& uuid);
  };

  boost::asio::io_context& io_;
  store::EntityStore& entities_;
  const std::shared_ptr<const GatewayChanges> changes_;
  const std::shared_ptr<Memory> memory_;
};

}  // namespace berth::api
