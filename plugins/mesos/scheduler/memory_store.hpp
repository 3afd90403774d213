// SPDX-License-Identifier: Apache-2.0
// MemoryStore: for frameworks that are not to survive their own crash. The loop's thread only.
#pragma once

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <map>
#include <utility>

#include "mesos/scheduler/store.hpp"

namespace berth::mesos {

class MemoryStore final : public Store {
 public:
  explicit MemoryStore(boost::asio::io_context& context) : context_(context) {}

  void load(Loaded done) override {
    boost::asio::post(context_,
                      [entries = entries_, done = std::move(done)] { done({}, entries); });
  }
  void put(const std::string& key, std::string value,
           std::function<void(const sdk::Status&)> done) override {
    entries_[key] = std::move(value);
    boost::asio::post(context_, [done = std::move(done)] { done({}); });
  }
  void remove(const std::string& key) override { entries_.erase(key); }

 private:
  boost::asio::io_context& context_;
  std::map<std::string, std::string> entries_;
};

}  // namespace berth::mesos
