// SPDX-License-Identifier: Apache-2.0
// kill -9 at random moments: every line that was answered reaches Splunk, if some of them twice.
#include <boost/json/array.hpp>
#include <map>
#include <random>
#include <set>

#include "with_splunk.hpp"

namespace berth::conformance {
namespace {

// Starts the child and kills it after it has printed so many numbers; the numbers.
std::vector<std::uint64_t> run_and_kill(const std::string& plugin, const std::string& directory,
                                        const std::string& config, std::uint64_t first, int lines) {
  int out[2];
  EXPECT_EQ(::pipe2(out, O_CLOEXEC), 0);
  std::vector<std::string> arguments = {BERTH_KILL_CHILD, plugin, directory, config,
                                        std::to_string(first)};
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, out[1], 1);
  pid_t child = 0;
  EXPECT_EQ(::posix_spawn(&child, argv[0], &actions, nullptr, argv.data(), environ), 0);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(out[1]);
  std::string text;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(out[0], buffer, sizeof buffer)) > 0;) {
    text.append(buffer, static_cast<std::size_t>(got));
    if (std::count(text.begin(), text.end(), '\n') >= lines) ::kill(child, SIGKILL);
  }
  ::close(out[0]);
  int exit = 0;
  ::waitpid(child, &exit, 0);
  EXPECT_TRUE(WIFSIGNALED(exit)) << "the child ended by itself: " << exit;
  std::vector<std::uint64_t> kept;
  std::size_t at = 0;
  // A last line without its end may be cut: it does not count.
  for (std::size_t end = 0; (end = text.find('\n', at)) != std::string::npos; at = end + 1) {
    kept.push_back(std::stoull(text.substr(at, end - at)));
  }
  return kept;
}

TEST(SplunkKill, WhatWasAnsweredReachesSplunk) {
  const unsigned seed = std::random_device()();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937 random(seed);
  test::TestSplunk splunk;
  PluginUnderTest plugin(BERTH_SPLUNK_PLUGIN);
  const std::string file = (plugin.root() / "libberth_splunk.so").string();
  const std::string config = test::splunk_config(
      splunk, R"("batch_bytes":20000,"spool_segment_bytes":65536,"acknowledge":true)");
  std::set<std::uint64_t> kept;
  constexpr std::uint64_t kRounds = 8;
  for (std::uint64_t round = 0; round < kRounds; ++round) {
    // Every other time Splunk is down when it dies.
    splunk.faults(round % 2 == 1 ? R"({"hec_status":503})" : "{}");
    const auto said = run_and_kill(file, plugin.root(), config, 1'000'000 * (round + 1),
                                   1 + static_cast<int>(random() % 300));
    kept.insert(said.begin(), said.end());
  }
  ASSERT_FALSE(kept.empty());
  splunk.faults("{}");
  // The next life sends what is left; it has the same directory as the children.
  Metrics metrics;
  auto loaded = plugin::LoadedPlugin::load(plugin::examine(file));
  ASSERT_TRUE(loaded);
  auto instance = plugin::PluginInstance::open(**loaded, {.clock = system_clock(),
                                                          .metrics = metrics,
                                                          .state = nullptr,
                                                          .instance = "test",
                                                          .config_json = config,
                                                          .data_root = plugin.root() / "d",
                                                          .runtime_root = plugin.root() / "r",
                                                          .loader = {}});
  ASSERT_TRUE(instance) << instance.error().to_string();
  plugin::LogStore& store = *(*instance)->log_store();
  ASSERT_TRUE(await(store.start(later())));
  ASSERT_TRUE(eventually([&] {
    EXPECT_TRUE(await(store.drain(later())));
    return metrics.text().find("\nberth_plugin_splunk_spool_records 0") != std::string::npos;
  }));
  instance->reset();
  std::map<std::uint64_t, std::map<std::int64_t, std::size_t>> arrived;
  const boost::json::value events = splunk.all_events();
  for (const auto& raw : events.as_array()) {
    const auto event = boost::json::parse(raw.as_string());
    const std::string id(event.at("activation_id").as_string());
    arrived[std::stoull(id, nullptr, 16)][event.at("sequence").as_int64()] =
        event.at("log_message").as_string().size();
  }
  for (const std::uint64_t number : kept) {
    const auto& lines = arrived[number];
    ASSERT_EQ(lines.size(), 1 + number % 5) << number;
    for (const auto& [sequence, size] : lines) ASSERT_EQ(size, number * 37 % 3000) << number;
  }
  RecordProperty("answered", static_cast<int>(kept.size()));
  RecordProperty("duplicates", static_cast<int>(splunk.count("duplicates")));
}

}  // namespace
}  // namespace berth::conformance
