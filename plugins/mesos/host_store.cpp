// SPDX-License-Identifier: Apache-2.0
#include "mesos/host_store.hpp"

#include <boost/asio/post.hpp>

namespace berth::mesos {

namespace asio = boost::asio;

struct HostStore::Loading {
  std::map<std::string, std::string> entries;
  std::string cursor;
  Loaded done;
};

HostStore::HostStore(asio::io_context& context, sdk::State state)
    : context_(context), state_(std::move(state)) {}

HostStore::~HostStore() = default;

void HostStore::load(Loaded done) {
  auto loading = std::make_shared<Loading>();
  loading->done = std::move(done);
  load_page(std::move(loading));
}

void HostStore::load_page(std::shared_ptr<Loading> loading) {
  const std::string cursor = loading->cursor;
  state_.list(
      "", cursor, 1000,
      [this, loading, held = calls_.hold()](const sdk::Status& status, sdk::StateResult page) {
        asio::post(context_, [this, loading, status, page = std::move(page)]() mutable {
          if (!status.ok()) return loading->done(status.with_context("the plugin's own state"), {});
          for (sdk::StateEntry& entry : page.entries) {
            loading->entries[entry.key] = std::move(entry.value);
          }
          loading->cursor = page.next_cursor;
          if (loading->cursor.empty()) return loading->done({}, std::move(loading->entries));
          load_page(loading);
        });
      });
}

void HostStore::put(const std::string& key, std::string value,
                    std::function<void(const sdk::Status&)> done) {
  write(key, {std::move(value), std::move(done)});
}

void HostStore::remove(const std::string& key) {
  write(key, {std::nullopt, nullptr});
}

void HostStore::write(const std::string& key, Write write) {
  Key& state = keys_[key];
  if (!state.busy) return begin(key, std::move(write));
  // Whoever waited for the replaced one waits for this one.
  if (state.next && state.next->done) {
    write.done = [first = std::move(state.next->done),
                  second = std::move(write.done)](const sdk::Status& status) {
      first(status);
      if (second) second(status);
    };
  }
  state.next = std::move(write);
}

void HostStore::begin(const std::string& key, Write write) {
  keys_[key].busy = true;
  const auto answered = [this, key, done = std::move(write.done), held = calls_.hold()](
                            const sdk::Status& status, const sdk::StateResult&) {
    asio::post(context_, [this, key, done, status] { ended(key, status, done); });
  };
  if (write.value) {
    state_.put(key, *write.value, sdk::State::kAnyVersion, answered);
  } else {
    state_.remove(key, sdk::State::kAnyVersion, answered);
  }
}

void HostStore::ended(const std::string& key, const sdk::Status& status,
                      const std::function<void(const sdk::Status&)>& done) {
  Key& state = keys_[key];
  if (state.next) {
    Write next = std::move(*state.next);
    state.next.reset();
    begin(key, std::move(next));
  } else {
    keys_.erase(key);
  }
  if (done) done(status);
  if (!keys_.empty()) return;
  for (const auto& flushed : std::exchange(flushing_, {})) flushed();
}

void HostStore::flush(std::function<void()> done) {
  if (keys_.empty()) return done();
  flushing_.push_back(std::move(done));
}

}  // namespace berth::mesos
