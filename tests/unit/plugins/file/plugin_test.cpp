// SPDX-License-Identifier: Apache-2.0
// libberth_file.so as berthd has it: examined, loaded, opened, called through the boundary.
#include <fstream>
#include <gtest/gtest.h>

#include "conformance/plugin_under_test.hpp"
#include "plugin/config_schema.hpp"

namespace berth::conformance {
namespace {

using plugin::ActivationRef;
using plugin::LogLine;
using plugin::LogStore;
using plugin::Stream;

class FilePlugin : public testing::Test {
 protected:
  LogStore& open(const std::string& config = "{}") {
    const auto instance = plugin_.open(config);
    EXPECT_TRUE(instance) << instance.error().to_string();
    return *(*instance)->log_store();
  }

  PluginUnderTest plugin_{BERTH_FILE_PLUGIN};
};

TEST_F(FilePlugin, ItsNoteSaysWhatItIs) {
  EXPECT_EQ(plugin_.manifest().name, "file");
  LogStore& store = open();
  EXPECT_FALSE(store.out_of_band());
  EXPECT_TRUE(await(store.start(later())));
  EXPECT_TRUE(await(store.container_parameters(later())).value().empty());
}

TEST_F(FilePlugin, ItsSchemaRefusesWhatMakesNoSense) {
  const auto schema = plugin::ConfigSchema::parse(plugin_.manifest().config_schema);
  ASSERT_TRUE(schema) << schema.error().to_string();
  for (const char* good : {"{}", R"({"sync":"always","max_files":0})",
                           R"({"directory":"/var/log/berth","max_file_bytes":65536})"}) {
    EXPECT_TRUE(schema->check(good, "plugin.file").ok()) << good;
  }
  for (const char* bad : {R"({"sync":"often"})", R"({"max_files":-1})", R"({"max_file_bytes":1})",
                          R"({"directory":"logs"})", R"({"max_file_bytes":"64MB"})",
                          R"({"colour":"red"})", R"({"sync_interval_ms":1})"}) {
    EXPECT_FALSE(schema->check(bad, "plugin.file").ok()) << bad;
  }
}

TEST_F(FilePlugin, KeepsLogsOverItsLives) {
  const std::string id = new_activation_id();
  const ActivationRef ref{id, "guest", new_uuid(), "guest/hello", "c1", 1, 2};
  LogStore* store = &open();
  ASSERT_TRUE(await(store->start(later())));
  std::vector<LogLine> lines;
  for (std::uint64_t i = 0; i < 100; ++i) {
    lines.push_back({i % 2 == 0 ? Stream::kStdout : Stream::kStderr,
                     static_cast<std::int64_t>(1000 + i), i, "line " + std::to_string(i)});
  }
  ASSERT_TRUE(await(store->append(ref, lines, true, later())));
  for (int life = 0; life < 3; ++life) {
    std::vector<LogLine> read;
    std::string cursor;
    do {
      auto page = await(store->fetch(ref, cursor, 300, later()));
      ASSERT_TRUE(page) << page.error().to_string();
      EXPECT_FALSE(page->partial);
      read.insert(read.end(), page->lines.begin(), page->lines.end());
      cursor = page->next_cursor;
    } while (!cursor.empty());
    ASSERT_EQ(read.size(), lines.size());
    for (std::size_t i = 0; i < lines.size(); ++i) {
      EXPECT_EQ(read[i].text, lines[i].text);
      EXPECT_EQ(read[i].stream, lines[i].stream);
      EXPECT_EQ(read[i].time_ns, lines[i].time_ns);
      EXPECT_EQ(read[i].sequence, lines[i].sequence);
    }
    EXPECT_TRUE(await(store->drain(later())));
    EXPECT_TRUE(await(store->stop(later())));
    store = &open();
    ASSERT_TRUE(await(store->start(later())));
  }
  const ActivationRef unknown{new_activation_id(), "guest", "", "", "", 0, 0};
  EXPECT_EQ(await(store->fetch(unknown, "", 100, later())).error().code(), StatusCode::kNotFound);
}

TEST_F(FilePlugin, CountsWhatItDoes) {
  LogStore& store = open();
  ASSERT_TRUE(await(store.start(later())));
  const ActivationRef ref{new_activation_id(), "guest", new_uuid(), "guest/hello", "c1", 1, 2};
  ASSERT_TRUE(await(store.append(ref, {{Stream::kStdout, 1, 0, "x"}}, true, later())));
  EXPECT_NE(plugin_.metrics().find("berth_plugin_file_lines_total 1"), std::string::npos)
      << plugin_.metrics();
}

TEST_F(FilePlugin, AStartThatFailsSaysWhy) {
  const auto taken = plugin_.root() / "taken";
  std::ofstream(taken) << "x";
  LogStore& store = open(R"({"directory":")" + taken.string() + R"("})");
  const auto started = await(store.start(later()));
  ASSERT_FALSE(started);
  EXPECT_NE(started.error().message().find(taken.string()), std::string::npos);
}

}  // namespace
}  // namespace berth::conformance
