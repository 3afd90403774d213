// SPDX-License-Identifier: Apache-2.0
#include "plugin/memory_state.hpp"

#include <boost/asio/post.hpp>

namespace berth::plugin {
namespace {

template <typename T>
void answer(const store::PluginStateStore::Executor& on, store::PluginStateStore::Done<T> done,
            Result<T> result) {
  boost::asio::post(on, [done = std::move(done), result = std::move(result)]() mutable {
    done(std::move(result));
  });
}

}  // namespace

Status MemoryPluginState::check(const Value* there, std::uint64_t expected_version,
                                const std::string& key) {
  const std::uint64_t version = there == nullptr ? 0 : there->version;
  if (expected_version == kAnyVersion || expected_version == version) return {};
  return sdk::aborted("the version of '" + key + "' is " + std::to_string(version) + ", not " +
                      std::to_string(expected_version));
}

void MemoryPluginState::get(Executor on, std::string plugin, std::string key,
                            Done<store::PluginStateEntry> done) {
  const std::lock_guard lock(mutex_);
  const auto there = values_.find({plugin, key});
  if (there == values_.end()) {
    return answer<store::PluginStateEntry>(on, std::move(done),
                                           sdk::not_found("no key '" + key + "'"));
  }
  answer<store::PluginStateEntry>(
      on, std::move(done), store::PluginStateEntry{key, there->second.text, there->second.version});
}

void MemoryPluginState::put(Executor on, std::string plugin, std::string key, std::string value,
                            std::uint64_t expected_version, Done<std::uint64_t> done) {
  const std::lock_guard lock(mutex_);
  const auto there = values_.find({plugin, key});
  const Status bad =
      check(there == values_.end() ? nullptr : &there->second, expected_version, key);
  if (!bad.ok()) return answer<std::uint64_t>(on, std::move(done), bad);
  values_[{plugin, key}] = {std::move(value), ++last_version_};
  answer<std::uint64_t>(on, std::move(done), last_version_);
}

void MemoryPluginState::remove(Executor on, std::string plugin, std::string key,
                               std::uint64_t expected_version, Done<void> done) {
  const std::lock_guard lock(mutex_);
  const auto there = values_.find({plugin, key});
  if (there == values_.end()) {
    return answer<void>(on, std::move(done), sdk::not_found("no key '" + key + "'"));
  }
  const Status bad = check(&there->second, expected_version, key);
  if (!bad.ok()) return answer<void>(on, std::move(done), bad);
  values_.erase(there);
  answer<void>(on, std::move(done), {});
}

void MemoryPluginState::list(Executor on, std::string plugin, std::string prefix,
                             std::string cursor, std::uint32_t limit,
                             Done<store::PluginStatePage> done) {
  const std::lock_guard lock(mutex_);
  store::PluginStatePage page;
  auto at = cursor < prefix ? values_.lower_bound({plugin, prefix})
                            : values_.upper_bound({plugin, cursor});
  if (cursor.empty()) at = values_.lower_bound({plugin, prefix});
  for (; at != values_.end() && at->first.first == plugin; ++at) {
    const std::string& key = at->first.second;
    if (key.compare(0, prefix.size(), prefix) != 0) break;
    if (page.entries.size() == limit) {
      page.next_cursor = page.entries.back().key;
      break;
    }
    page.entries.push_back({key, at->second.text, at->second.version});
  }
  answer<store::PluginStatePage>(on, std::move(done), std::move(page));
}

}  // namespace berth::plugin
