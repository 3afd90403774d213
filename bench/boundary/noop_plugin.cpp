// SPDX-License-Identifier: Apache-2.0
// A ContainerFactory that does nothing at once: what is left is the boundary itself.
#include "berth/sdk/plugin.hpp"

namespace {

using namespace berth::sdk;

class Noop final : public ContainerFactory {
 public:
  explicit Noop(const OpenArgs&) {}
  void start(ContainerEvents, Promise<void> done) override { done.ok(); }
  void create(const CreateRequestView&, Promise<ContainerInfo> done) override { done.ok({}); }
  void destroy(std::string_view, Promise<void> done) override { done.ok(); }
  void list(std::string_view, std::uint32_t, Promise<ContainerList> done) override { done.ok({}); }
  void read_logs(std::string_view, std::string_view, std::uint64_t,
                 Promise<LogBatch> done) override {
    done.ok({});
  }
  void stop(StopMode, Promise<void> done) override { done.ok(); }
};

}  // namespace

BERTH_REGISTER_CONTAINER_FACTORY(Noop, "bench-noop", "org.berth.bench-noop", "1.0.0",
                                 R"({"type": "object", "additionalProperties": false})",
                                 BERTH_NEEDS());
