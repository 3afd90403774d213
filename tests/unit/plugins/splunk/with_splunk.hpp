// SPDX-License-Identifier: Apache-2.0
// libberth_splunk.so beside a test Splunk.
#pragma once

#include <functional>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>
#include <thread>
#include <vector>

#include "conformance/plugin_under_test.hpp"
#include "support/splunk/test_splunk.hpp"

namespace berth::conformance {

// Looks until it is so, generously.
inline bool eventually(const std::function<bool()>& is_so) {
  const SteadyTime until = later(std::chrono::seconds(60));
  while (!is_so()) {
    if (std::chrono::steady_clock::now() >= until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

class WithSplunk : public ::testing::Test {
 protected:
  plugin::LogStore& open(const std::string& config) {
    const auto instance = plugin_.open(config);
    EXPECT_TRUE(instance) << instance.error().to_string();
    store_ = (*instance)->log_store();
    EXPECT_TRUE(await(store_->start(later())));
    return *store_;
  }
  plugin::LogStore& open_with(const std::string& more = "") {
    return open(test::splunk_config(splunk_, more));
  }
  static plugin::ActivationRef new_activation() {
    const auto now = std::chrono::duration_cast<std::chrono::milliseconds>(
                         std::chrono::system_clock::now().time_since_epoch())
                         .count();
    return {new_activation_id(), "guest", new_uuid(), "guest/hello", "c1", now, now + 5};
  }
  Result<void> append(const plugin::ActivationRef& activation,
                      const std::vector<std::string>& texts, std::uint64_t first = 0,
                      bool final = true) {
    std::vector<plugin::LogLine> lines;
    for (const std::string& text : texts) {
      lines.push_back(
          {plugin::Stream::kStdout, activation.start_ms * 1'000'000, first + lines.size(), text});
    }
    return await(store_->append(activation, lines, final, later()));
  }
  Result<std::vector<std::string>> fetch(const plugin::ActivationRef& activation) {
    std::vector<std::string> texts;
    std::string cursor;
    do {
      auto page = await(store_->fetch(activation, cursor, 1 << 20, later()));
      if (!page) return page.error();
      for (const auto& line : page->lines) texts.push_back(line.text);
      if (page->partial) texts.push_back("(partial)");
      cursor = page->next_cursor;
    } while (!cursor.empty());
    return texts;
  }
  bool shipped(std::int64_t events) {
    return eventually([&] { return splunk_.events() >= events; });
  }
  double metric(const std::string& name) {
    const std::string text = plugin_.metrics();
    const std::string key = "\nberth_plugin_splunk_" + name + " ";
    const std::size_t at = text.find(key);
    return at == std::string::npos ? -1 : std::stod(text.substr(at + key.size()));
  }

  test::TestSplunk splunk_;
  PluginUnderTest plugin_{BERTH_SPLUNK_PLUGIN};
  plugin::LogStore* store_ = nullptr;
};

}  // namespace berth::conformance
