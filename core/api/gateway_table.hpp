// SPDX-License-Identifier: Apache-2.0
// The APIs of namespaces, ready to serve, in memory: read from the store when a request asks for a
// namespace first, and again after a change. Belongs to the Api's thread; what it has asked of the
// store may be answered when it is gone. Private to core/api.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

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

  GatewayTable(boost::asio::io_context& io, store::EntityStore& entities)
      : io_(io), entities_(entities), memory_(std::make_shared<Memory>()) {}

  // `done` is called once, at once if the namespace is in memory. It is told apart by its uuid, so
  // that one which was deleted and made again has none of the old APIs.
  void find(const std::string& namespace_name, const std::string& namespace_uuid,
            std::function<void(const Result<GatewayEntriesPtr>&)> done);
  // An API of that namespace was changed: it is read anew when it is asked for.
  void forget(const std::string& namespace_uuid);

  // Bytes of that namespace's documents that are on their way to the store: requests that come
  // together must not each find the room that only one of them has.
  std::size_t coming(const std::string& namespace_uuid) const;
  void expect(const std::string& namespace_uuid, std::size_t bytes);
  void arrived(const std::string& namespace_uuid, std::size_t bytes);

 private:
  using Done = std::function<void(const Result<GatewayEntriesPtr>&)>;
  struct Load;
  struct Known {
    GatewayEntriesPtr entries;
    std::size_t bytes = 0;  // of the documents, about
    std::list<std::string>::iterator age{};
  };
  struct Memory {
    std::unordered_map<std::string, Known> known;  // by uuid
    // Those that are being read and that no change has overtaken.
    std::unordered_map<std::string, std::shared_ptr<Load>> loading;
    std::list<std::string> ages;  // the uuids of `known`, that which was read first in front
    std::size_t bytes = 0;        // of all in `known`

    void put(const std::string& uuid, Known entry);
    void erase(const std::string& uuid);
  };

  boost::asio::io_context& io_;
  store::EntityStore& entities_;
  const std::shared_ptr<Memory> memory_;
  std::unordered_map<std::string, std::size_t> coming_;  // by uuid; none is 0
};

}  // namespace berth::api
