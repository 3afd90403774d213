// A complete Berth plugin: a ContainerFactory whose containers exist in its memory only.
#include <berth/sdk/plugin.hpp>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace {

using namespace berth::sdk;

class Echo final : public ContainerFactory {
 public:
  explicit Echo(const OpenArgs& args) : log_(args.host.log()) {}

  void create(const CreateRequestView& request, Promise<ContainerInfo> done) override {
    ContainerInfo info;
    info.id = request.name;
    info.token = "echo:" + info.id;
    info.address = "unix:/run/echo/" + info.id;
    info.name = request.name;
    info.labels = request.labels.clone();
    {
      const std::lock_guard lock(mutex_);
      containers_[info.id] = info;
    }
    log_.debug("created", {{"container", info.id}});
    done.ok(std::move(info));
  }

  void destroy(std::string_view id, Promise<void> done) override {
    const std::lock_guard lock(mutex_);
    if (containers_.erase(std::string(id)) == 0) {
      return done.fail(not_found("no container " + std::string(id)));
    }
    done.ok();
  }

  void list(std::string_view cursor, std::uint32_t limit, Promise<ContainerList> done) override {
    ContainerList page;
    const std::lock_guard lock(mutex_);
    for (auto it = containers_.upper_bound(std::string(cursor)); it != containers_.end(); ++it) {
      if (page.containers.size() == limit) {
        page.next_cursor = page.containers.back().id;
        break;
      }
      page.containers.push_back(it->second);
    }
    done.ok(std::move(page));
  }

  void read_logs(std::string_view id, std::string_view cursor, std::uint64_t max_bytes,
                 Promise<LogBatch> done) override {
    static_cast<void>(id);
    static_cast<void>(max_bytes);
    LogBatch batch;
    if (cursor.empty()) batch.add(Stream::kStdout, 0, "echo", BERTH_LOG_TIME_IS_OURS);
    batch.next_cursor = "1";
    batch.ended = true;
    done.ok(std::move(batch));
  }

  void stop(StopMode mode, Promise<void> done) override {
    const std::lock_guard lock(mutex_);
    if (mode == StopMode::kKill) containers_.clear();
    done.ok();
  }

 private:
  const Log log_;
  std::mutex mutex_;
  std::map<std::string, ContainerInfo> containers_;  // guarded by mutex_
};

}  // namespace

BERTH_REGISTER_CONTAINER_FACTORY(Echo, "echo", "org.example.echo", "1.0.0",
                                 R"({"type": "object", "additionalProperties": false})",
                                 BERTH_NEEDS(BERTH_SERVICE_LOG));
