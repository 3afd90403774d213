// SPDX-License-Identifier: Apache-2.0
// The tiny plugin with the C++17 SDK. TINY_NAME is its name.
#include <berth/sdk/plugin.hpp>
#include <mutex>
#include <set>
#include <stdexcept>
#include <string>

namespace {

using namespace berth::sdk;

ContainerInfo info_of(const std::string& name) {
  return {name, "tiny", "unix:/tiny", name, ContainerState::kRunning, {}};
}

class Tiny final : public ContainerFactory {
 public:
  void create(const CreateRequestView& request, Promise<ContainerInfo> done) override {
    if (request.kind == "throws") throw std::runtime_error("as asked");
    const std::lock_guard<std::mutex> lock(mutex_);
    names_.emplace(request.name);
    done.ok(info_of(std::string(request.name)));
  }
  void destroy(std::string_view id, Promise<void> done) override {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (names_.erase(std::string(id)) == 0) return done.fail(not_found("no such container"));
    done.ok();
  }
  void list(std::string_view, std::uint32_t, Promise<ContainerList> done) override {
    ContainerList page;
    const std::lock_guard<std::mutex> lock(mutex_);
    for (const std::string& name : names_) page.containers.push_back(info_of(name));
    done.ok(std::move(page));
  }
  void read_logs(std::string_view, std::string_view, std::uint64_t,
                 Promise<LogBatch> done) override {
    LogBatch batch;
    batch.ended = true;
    done.ok(std::move(batch));
  }
  void stop(StopMode, Promise<void> done) override { done.ok(); }

 private:
  std::mutex mutex_;
  std::set<std::string> names_;
};

}  // namespace

BERTH_REGISTER_CONTAINER_FACTORY(Tiny, TINY_NAME, "org.example.tiny", "1.0.0",
                                 R"({"type": "object"})", BERTH_NEEDS());
