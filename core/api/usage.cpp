// SPDX-License-Identifier: Apache-2.0
#include "api/usage.hpp"

#include <boost/json/object.hpp>
#include <chrono>
#include <utility>

namespace berth::api {
namespace {

// One question on its way through the stores.
struct Asking {
  boost::json::object usage;
  Status failed;
  std::size_t left = 0;
  std::function<void(Result<boost::json::value>)> done;

  void take(const char* name, const Result<std::int64_t>& count) {
    if (count) {
      usage[name] = *count;
    } else {
      failed = count.error();
    }
    if (--left > 0) return;
    if (failed.ok()) return done(boost::json::value(std::move(usage)));
    done(failed);
  }
};

}  // namespace

void usage_of(const std::shared_ptr<Service>& service, const entity::Identity& who,
              std::function<void(Result<boost::json::value>)> done) {
  constexpr std::pair<const char*, entity::Collection> kCollections[] = {
      {"packages", entity::Collection::kPackages},
      {"triggers", entity::Collection::kTriggers},
      {"rules", entity::Collection::kRules},
      {"apis", entity::Collection::kApis},
  };
  const auto asking = std::make_shared<Asking>();
  asking->done = std::move(done);
  asking->left = std::size(kCollections) + 2;
  const std::int64_t now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(
                                  service->deps.clock.steady_now().time_since_epoch())
                                  .count();
  const Throttle::Count calls = service->tallies->throttle.count(who.namespace_uuid, now_ms);
  const Throttle::Count fires = service->tallies->fires.count(who.namespace_uuid, now_ms);
  asking->usage = {{"name", who.namespace_name},
                   {"blocked", who.blocked},
                   {"invocationsLastMinute", calls.last_minute},
                   {"running", calls.running},
                   {"firesLastMinute", fires.last_minute}};
  const auto answer = [asking, service](const char* name) {
    return
        [asking, service, name](const Result<std::int64_t>& count) { asking->take(name, count); };
  };
  Dependencies& deps = service->deps;
  const store::Executor on = deps.io.get_executor();
  deps.entities.count_actions(on, who.namespace_name, std::nullopt, 0, answer("actions"));
  for (const auto& [name, collection] : kCollections) {
    deps.entities.count_entities(
        on, {.collection = collection, .namespace_name = who.namespace_name}, answer(name));
  }
  deps.activations.count(on, {.namespace_name = who.namespace_name}, answer("activations"));
}

}  // namespace berth::api
