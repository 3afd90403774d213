// SPDX-License-Identifier: Apache-2.0
// The APIs of namespaces, ready to serve, in memory: read from the store when a request asks for a
// namespace first, and again after a change. Belongs to the Api's thread; what it has asked of the
// store may be answered when it is gone. Private to core/api.
#pragma once

#include <boost/asio/io_context.hpp>
#include <functional>
#include <memory>
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
  GatewayRoutes routes;
};
using GatewayEntryPtr = std::shared_ptr<const GatewayEntry>;
// Longest base path first; those that cannot be read are left out and told in the log.
using GatewayEntries = std::vector<GatewayEntryPtr>;
using GatewayEntriesPtr = std::shared_ptr<const GatewayEntries>;

class GatewayTable {
 public:
  static constexpr std::int64_t kMaxApis = 200;  // of one namespace
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

 private:
  using Done = std::function<void(const Result<GatewayEntriesPtr>&)>;
  struct Load;
  struct Known {
    GatewayEntriesPtr entries;
    std::size_t bytes = 0;  // of the documents, about
  };
  struct Memory {
    std::unordered_map<std::string, Known> known;  // by uuid
    // Those that are being read and that no change has overtaken.
    std::unordered_map<std::string, std::shared_ptr<Load>> loading;
    std::size_t bytes = 0;  // of all in `known`

    void put(const std::string& uuid, Known entry);
    void erase(const std::string& uuid);
  };

  boost::asio::io_context& io_;
  store::EntityStore& entities_;
  const std::shared_ptr<Memory> memory_;
};

}  // namespace berth::api
