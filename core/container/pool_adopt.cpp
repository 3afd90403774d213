// SPDX-License-Identifier: Apache-2.0
// The pool's start: what an earlier berthd left is adopted where it is known and was at rest, and
// removed where not; then the first prewarmed containers.
#include <boost/asio/use_awaitable.hpp>
#include <charconv>
#include <fmt/format.h>
#include <unordered_map>

#include "base/log.hpp"
#include "container/container_pool.hpp"

namespace berth::container {
namespace {

std::uint64_t mix(std::uint64_t digest, std::string_view text) {
  for (const char c : text) digest = (digest ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return (digest ^ 0x1f) * 0x100000001b3ull;
}

std::string_view label(const plugin::ContainerInfo& info, std::string_view key) {
  for (const auto& [name, value] : info.labels) {
    if (name == key) return value;
  }
  return {};
}

}  // namespace

std::uint64_t ContainerPool::settings_digest() const {
  std::uint64_t digest = 0xcbf29ce484222325ull;
  for (const plugin::Pairs* pairs : {&options_.environment, &options_.log_parameters}) {
    for (const auto& [key, value] : *pairs) digest = mix(mix(digest, key), value);
    digest = mix(digest, {});
  }
  digest = mix(digest, fmt::to_string(options_.cpu_quota_millis_per_gb));
  return mix(digest, fmt::to_string(options_.pids_limit));
}

void ContainerPool::note(Container& container, bool busy) {
  if (with_.ledger == nullptr) return;
  const SizeClass& size_class = *container.size_class;
  LedgerEntry entry;
  entry.id = container.id;
  entry.kind = size_class.kind;
  entry.image = size_class.image;
  entry.user_provided = size_class.user_provided;
  entry.memory_bytes = container.memory_bytes;
  entry.concurrency = size_class.concurrent ? 2 : 1;
  entry.settings = settings_;
  if (const ActionSlot* slot = container.slot) {
    entry.concurrency = slot->concurrency;
    entry.namespace_uuid = slot->tenant->uuid;
    entry.namespace_name = slot->namespace_name;
    entry.action_namespace = slot->action->namespace_name;
    entry.package = slot->action->package;
    entry.action = slot->action->name;
    entry.revision = slot->action->revision;
  }
  container.ledger_slot = with_.ledger->write(container.ledger_slot, entry, busy);
}

void ContainerPool::strike(Container& container) {
  if (with_.ledger != nullptr) {
    with_.ledger->remove(std::exchange(container.ledger_slot, Ledger::kNoSlot));
  }
}

// Why not, or an empty text.
std::string ContainerPool::adopt(const plugin::ContainerInfo& info, const Ledger::Left& left) {
  const LedgerEntry& entry = left.entry;
  if (info.state == plugin::ContainerState::kDead) return "it has ended";
  if (left.busy) return "it was at work when berthd ended";
  if (entry.settings != settings_) return "containers are created with other settings now";
  if (used_ + entry.memory_bytes > capacity_bytes_) return "there is no memory for it";
  if (entry.memory_bytes == 0 || entry.concurrency == 0) return "its entry makes no sense";
  bool sentinelled = !entry.user_provided;
  if (entry.kind == "blackbox") {
    if (with_.manifest.is_known_blackbox(entry.image) == entry.user_provided) {
      return "its image is trusted otherwise now";
    }
  } else {
    const entity::Runtime* runtime = with_.manifest.find(entry.kind);
    if (runtime == nullptr || runtime->image != entry.image)
      return "its kind has another image now";
    sentinelled = runtime->sentinelled_logs;
  }
  const bool paused = info.state == plugin::ContainerState::kPaused;
  if (paused && entry.prewarmed()) return "it is paused and holds no code";
  if (early_deaths_.count(info.id) != 0) return "it has ended";
  auto client = ActionClient::open(with_.io, with_.clock, info.address, options_.max_response_bytes,
                                   with_.wires);
  if (!client) return client.error().message();

  SizeClass& size_class = find_class(entry.kind, entry.image, entry.user_provided,
                                     entry.concurrency > 1, entry.memory_bytes);
  Container& container = add_container(size_class, StartKind::kWarm);
  container.name = info.name;
  container.id = info.id;
  container.client = std::move(*client);
  container.created_at = container.last_used = with_.clock.steady_now();
  container.accounted = true;
  container.ledger_slot = left.slot;
  used_ += container.memory_bytes;
  by_id_[container.id] = &container;
  if (entry.prewarmed()) {
    step(container, Event::kCreated);
    put_stock(container);
    return {};
  }
  // What a slot is looked up by is all that is known of the action, and all that is needed.
  auto action = std::make_shared<entity::Action>();
  action->namespace_name = entry.action_namespace;
  action->package = entry.package;
  action->name = entry.action;
  action->revision = entry.revision;
  action->exec.kind = entry.kind;
  action->exec.image = entry.image;
  action->limits.memory_mb = static_cast<std::int64_t>(entry.memory_bytes >> 20);
  action->limits.concurrency = entry.concurrency;
  ActionSlot* slot_of = nullptr;
  if (const auto tenant = tenants_.find(entry.namespace_uuid); tenant != tenants_.end()) {
    slot_of = slots_.find(*tenant->second, action);
  }
  if (slot_of == nullptr) {
    slot_of = &add_slot(std::move(action), entry.namespace_uuid, entry.namespace_name);
    slot_of->sentinelled = sentinelled;
    slot_of->concurrency = entry.concurrency;
    join_class(*slot_of, size_class);
  }
  ActionSlot& slot = *slot_of;
  container.granted_at = container.created_at;
  assign(container, slot);
  if (paused) {
    step(container, Event::kAdoptedPaused);
    slot.resting.push_back(container);
    idle_.push_back(container);
    slot.tenant->idle.push_back(container);
    idle_bytes_ += container.memory_bytes;
    ++slot.idle;
  } else {
    step(container, Event::kAdopted);
    slot.free.push_back(container);
    make_idle(container, container.created_at);
  }
  return {};
}

// It is in the books from now on, and destroyed as any other one; what is known of its memory
// counts until it is gone.
void ContainerPool::remove_orphan(const plugin::ContainerInfo& info, const Ledger::Left* left,
                                  std::string_view reason) {
  Container* const container = containers_.make(containers_.memory());
  container->self = ContainerPtr(container);
  container->name = info.name;
  container->id = info.id;
  all_.push_back(*container);
  ++counts_[static_cast<std::size_t>(State::kCreating)];
  if (left != nullptr) {
    container->memory_bytes = left->entry.memory_bytes;
    container->ledger_slot = left->slot;
  }
  container->accounted = true;
  used_ += container->memory_bytes;
  by_id_[container->id] = container;
  remove(*container, Event::kRemove, reason);
}

boost::asio::awaitable<Status> ContainerPool::adopt_left(SteadyTime deadline) {
  const SteadyTime began = with_.clock.steady_now();
  std::unordered_map<std::string, Ledger::Left> known;
  if (with_.ledger != nullptr) {
    for (Ledger::Left& left : with_.ledger->take_left()) {
      std::string id = left.entry.id;
      known.insert_or_assign(std::move(id), std::move(left));
    }
  }
  const Result<std::vector<plugin::ContainerInfo>> list = co_await with_.factory.list(deadline);
  if (!list && list.error().code() != StatusCode::kUnimplemented) {
    co_return list.error().with_context("list of the container factory");
  }
  std::size_t adopted = 0;
  std::size_t removed = 0;
  std::size_t foreign = 0;
  std::vector<std::string> ids;
  const std::string prefix = fmt::format("berth-{}-", options_.instance);
  if (list) {
    for (const plugin::ContainerInfo& info : *list) {
      // Names are not used again.
      std::uint64_t number = 0;
      if (info.name.starts_with(prefix)) {
        const char* end = info.name.data() + info.name.size();
        std::from_chars(info.name.data() + prefix.size(), end, number);
        next_number_ = std::max(next_number_, number + 1);
      }
      const std::string_view owner = label(info, "owner");
      if (!owner.empty() && owner != options_.owner) {
        ++foreign;
        continue;
      }
      if (info.id.empty() || by_id_.count(info.id) != 0) continue;
      const auto left = known.find(info.id);
      const std::string reason =
          left == known.end() ? "nothing is known of it" : adopt(info, left->second);
      if (reason.empty()) {
        ++adopted;
        ids.push_back(info.id);
      } else {
        ++removed;
        remove_orphan(info, left == known.end() ? nullptr : &left->second, reason);
      }
      if (left != known.end()) known.erase(left);
    }
  }
  for (const auto& [id, left] : known) with_.ledger->remove(left.slot);
  if (foreign > 0) {
    log::warn("pool", "containers of another berthd of the same instance name are let alone",
              {{"count", fmt::to_string(foreign)}, {"instance", options_.instance}});
  }
  if (adopted_ && !ids.empty()) co_await adopted_(std::move(ids));
  if (adopted + removed > 0) {
    const auto took =
        std::chrono::duration_cast<std::chrono::milliseconds>(with_.clock.steady_now() - began);
    log::info("pool", "took over the containers of an earlier berthd",
              {{"adopted", fmt::to_string(adopted)},
               {"removed", fmt::to_string(removed)},
               {"ms", fmt::to_string(took.count())}});
  }
  co_return Status();
}

boost::asio::awaitable<Status> ContainerPool::start(SteadyTime deadline) {
  const auto self = shared_from_this();
  const Result<plugin::Capacity> capacity = co_await with_.factory.capacity(deadline);
  if (!capacity) co_return capacity.error().with_context("capacity of the container factory");
  can_pause_ = capacity->can_pause;
  can_resize_ = with_.factory.can_resize();
  if (capacity->memory_bytes >= 0 &&
      static_cast<std::uint64_t>(capacity->memory_bytes) < capacity_bytes_) {
    log::warn("pool", "the container pool may use more memory than the factory has",
              {{"pool_mb", fmt::to_string(capacity_bytes_ >> 20)},
               {"factory_mb", fmt::to_string(capacity->memory_bytes >> 20)}});
  }
  settings_ = settings_digest();
  const Status taken = co_await adopt_left(deadline);
  if (!taken.ok()) co_return taken;
  started_ = true;
  demand_at_ = with_.clock.steady_now();
  want_prewarmed();
  publish();
  arm_timer();
  co_return Status();
}

}  // namespace berth::container
