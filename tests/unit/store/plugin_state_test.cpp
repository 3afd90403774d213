// SPDX-License-Identifier: Apache-2.0
#include "store_fixture.hpp"

namespace berth::store {
namespace {

class PluginState : public StoreTest {
 protected:
  void SetUp() override { open(); }
  Result<PluginStateEntry> get(const std::string& key, const std::string& plugin = "process") {
    return await<PluginStateEntry>([&](Executor on, auto done) {
      store_->plugin_state().get(on, plugin, key, std::move(done));
    });
  }
  Result<std::uint64_t> put(const std::string& key, const std::string& value,
                            std::uint64_t expected, const std::string& plugin = "process") {
    return await<std::uint64_t>([&](Executor on, auto done) {
      store_->plugin_state().put(on, plugin, key, value, expected, std::move(done));
    });
  }
  Result<void> remove(const std::string& key, std::uint64_t expected) {
    return await<void>([&](Executor on, auto done) {
      store_->plugin_state().remove(on, "process", key, expected, std::move(done));
    });
  }
  PluginStatePage list(const std::string& prefix, const std::string& cursor, std::uint32_t limit) {
    return await<PluginStatePage>([&](Executor on, auto done) {
             store_->plugin_state().list(on, "process", prefix, cursor, limit, std::move(done));
           })
        .value();
  }
  std::string keys(const PluginStatePage& page) {
    std::string text;
    for (const auto& entry : page.entries) text += entry.key + " ";
    return text;
  }
};

constexpr std::uint64_t kAny = PluginStateStore::kAnyVersion;

TEST_F(PluginState, ComparesAndSets) {
  EXPECT_EQ(code_of(get("k")), StatusCode::kNotFound);
  EXPECT_EQ(code_of(put("k", "v", 5)), StatusCode::kAborted);
  const std::uint64_t first = put("k", "v1", 0).value();
  EXPECT_GT(first, 0u);
  EXPECT_EQ(code_of(put("k", "v2", 0)), StatusCode::kAborted);
  const std::uint64_t second = put("k", "v2", first).value();
  EXPECT_GT(second, first);
  EXPECT_EQ(get("k").value().value, "v2");
  EXPECT_EQ(get("k").value().version, second);
  EXPECT_EQ(code_of(remove("k", first)), StatusCode::kAborted);
  EXPECT_TRUE(remove("k", second));
  EXPECT_EQ(code_of(remove("k", kAny)), StatusCode::kNotFound);
  open();
  // Also larger than that of what was removed.
  EXPECT_GT(put("k", "v3", kAny).value(), second);
}

TEST_F(PluginState, KeepsBytesAndKeepsPluginsApart) {
  const std::string bytes("\0\xff\n'", 4);
  ASSERT_TRUE(put("k", bytes, 0));
  ASSERT_TRUE(put("k", "", 0, "docker"));
  open();
  EXPECT_EQ(get("k").value().value, bytes);
  EXPECT_EQ(get("k", "docker").value().value, "");
}

TEST_F(PluginState, ListsByPrefixInByteOrder) {
  for (const char* key : {"b/2", "a", "b/1", "b/\xff", "b/3", "c", "b"})
    ASSERT_TRUE(put(key, "v", 0));
  ASSERT_TRUE(put("b/9", "v", 0, "docker"));
  EXPECT_EQ(keys(list("b/", "", 100)), "b/1 b/2 b/3 b/\xff ");
  EXPECT_EQ(keys(list("", "", 100)), "a b b/1 b/2 b/3 b/\xff c ");
  const PluginStatePage first = list("b/", "", 3);
  EXPECT_EQ(keys(first), "b/1 b/2 b/3 ");
  const PluginStatePage second = list("b/", first.next_cursor, 3);
  EXPECT_EQ(keys(second), "b/\xff ");
  EXPECT_EQ(second.next_cursor, "");
  EXPECT_EQ(keys(list("zz", "", 10)), "");
}

TEST_F(PluginState, EndsAPageOfBigValuesEarly) {
  const std::string big(1024 * 1024, 'v');
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(put("k" + std::to_string(i), big, 0));
  const PluginStatePage page = list("", "", 1000);
  EXPECT_EQ(page.entries.size(), 8u);
  EXPECT_EQ(list("", page.next_cursor, 1000).entries.size(), 2u);
}

}  // namespace
}  // namespace berth::store
