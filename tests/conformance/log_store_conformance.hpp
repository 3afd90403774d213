// SPDX-License-Identifier: Apache-2.0
// What every LogStore that keeps lines has to do, whatever it keeps them in. To test one:
//
//   std::unique_ptr<LogStoreSubject> subject() { ... }
//   INSTANTIATE_TEST_SUITE_P(Mine, LogStoreConformance, testing::Values(&subject));
//
// A store may take a while until lines can be fetched; `patience` is how long the suite asks again.
#pragma once

#include <chrono>
#include <gtest/gtest.h>
#include <memory>
#include <string>
#include <vector>

#include "conformance/plugin_under_test.hpp"

namespace berth::conformance {

// What is tested. Destroyed after the plugin: derive from it to own the service it needs.
struct LogStoreSubject {
  virtual ~LogStoreSubject() = default;
  std::string plugin_file;
  std::string config = "{}";
  bool follows = false;  // provides berth.log-follow/1
  std::chrono::milliseconds patience{60'000};
};

using MakeSubject = std::unique_ptr<LogStoreSubject> (*)();

class LogStoreConformance : public testing::TestWithParam<MakeSubject> {
 protected:
  void SetUp() override;
  void TearDown() override;

  // A new instance over the same data, started.
  void open();
  plugin::LogStore& store() { return *store_; }

  static plugin::ActivationRef new_activation(const std::string& space = "guest");
  // Numbered from `first`; streams take turns, times grow by a nanosecond.
  static std::vector<plugin::LogLine> lines_of(const std::vector<std::string>& texts,
                                               std::uint64_t first = 0);
  Result<void> append(const plugin::ActivationRef& activation,
                      const std::vector<plugin::LogLine>& lines, bool final = true);

  // All pages; asks again until `count` lines are there, as long as there is patience.
  Result<plugin::LogPage> fetch(const plugin::ActivationRef& activation, std::size_t count,
                                std::uint64_t max_bytes = 1 << 20);
  void expect_same(const std::vector<plugin::LogLine>& got,
                   const std::vector<plugin::LogLine>& wanted);

  std::unique_ptr<LogStoreSubject> subject_;
  std::unique_ptr<PluginUnderTest> plugin_;
  plugin::LogStore* store_ = nullptr;
};

}  // namespace berth::conformance
