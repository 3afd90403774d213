// SPDX-License-Identifier: Apache-2.0
// Parameters and arguments on the disk: encrypted, and brought to a new key at open().
#include <fstream>
#include <gmock/gmock.h>
#include <iterator>

#include "store_fixture.hpp"

namespace berth::store {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr const char* kOld = "AAECAwQFBgcICQoLDA0ODw==";
constexpr const char* kNew = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr const char* kSecret = "tell-nobody-of-this";

class EncryptionTest : public StoreTest {
 protected:
  void open_with(const char* current, const std::vector<std::string>& keys) {
    SqliteStore::Options options;
    options.cipher = *entity::ParameterCipher::make(current, keys);
    open(options);
  }
  static entity::Action make_secret(const std::string& name) {
    entity::Action action = make_action(name);
    action.parameters = {{.key = "p", .value = kSecret}, {.key = "i", .value = 1, .init = true}};
    return action;
  }
  // All that is on the disk, once the store is closed.
  std::string disk() {
    store_.reset();
    std::string all;
    for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
      std::ifstream stream(entry.path(), std::ios::binary);
      all.append(std::istreambuf_iterator<char>(stream), {});
    }
    return all;
  }
};

TEST_F(EncryptionTest, TheDiskDoesNotSayIt) {
  open_with("aes-256", {kNew});
  const auto stored = put(make_secret("a"));
  ASSERT_TRUE(stored) << stored.error().to_string();
  EXPECT_EQ((*stored)->parameters[0].encryption, "aes-256");
  EXPECT_EQ((*stored)->parameters[0].value, kSecret);
  Work work;
  work.activation_id = id_of(1);
  work.namespace_name = "guest";
  work.path = "guest/a";
  work.arguments = R"({"p":"tell-nobody-of-this"})";
  ASSERT_TRUE(await<void>(
      [&](Executor on, auto done) { store_->work().enqueue(on, work, std::move(done)); }));
  EXPECT_THAT(disk(), Not(HasSubstr(kSecret)));
  open_with("aes-256", {kNew});
  EXPECT_EQ((*get("guest/a"))->parameters[0].value, kSecret);
  const auto left = await<std::vector<Work>>(
      [&](Executor on, auto done) { store_->work().left_over(on, 0, std::move(done)); });
  ASSERT_TRUE(left);
  EXPECT_EQ(left->at(0).arguments, work.arguments);
}

TEST_F(EncryptionTest, WhatWasInTheClearIsNotAnyMore) {
  open();
  for (int i = 0; i < 600; ++i) ASSERT_TRUE(put(make_secret("a" + std::to_string(i))));
  EXPECT_THAT(disk(), HasSubstr(kSecret));
  open_with("aes-128", {kOld});
  EXPECT_EQ((*get("guest/a599"))->parameters[0].value, kSecret);
  EXPECT_THAT(disk(), Not(HasSubstr(kSecret)));
  // The next key, and then without the first one.
  open_with("aes-256", {kOld, kNew});
  const auto rotated = get("guest/a0");
  ASSERT_TRUE(rotated);
  EXPECT_EQ((*rotated)->parameters[0].encryption, "aes-256");
  const std::uint64_t revision = (*rotated)->revision;
  open_with("aes-256", {kNew});
  EXPECT_EQ((*get("guest/a0"))->parameters[0].value, kSecret);
  EXPECT_EQ((*get("guest/a0"))->revision, revision) << "warm containers stay";
  open_with("off", {kNew});
  EXPECT_EQ((*get("guest/a0"))->parameters[0].encryption, "");
  EXPECT_THAT(disk(), HasSubstr(kSecret));
}

TEST_F(EncryptionTest, ParametersOfPackagesAreNoException) {
  const auto make = [] {
    auto package = make_package("p");
    package->parameters = {{.key = "p", .value = kSecret}};
    return package;
  };
  open();
  ASSERT_TRUE(change({.put = make()}));
  open_with("aes-128", {kOld});
  EXPECT_THAT(disk(), Not(HasSubstr(kSecret)));
  open_with("aes-256", {kOld, kNew});
  open_with("aes-256", {kNew});
  const auto read = get_entity(entity::Collection::kPackages, "guest/p");
  ASSERT_TRUE(read) << read.error().to_string();
  EXPECT_EQ((*read)->parameters[0].value, kSecret);
  EXPECT_EQ((*read)->parameters[0].encryption, "aes-256");
  const auto stored = change({.put = make(), .expected_revision = (*read)->revision});
  ASSERT_TRUE(stored);
  EXPECT_EQ(stored->front()->parameters[0].encryption, "aes-256");
  EXPECT_THAT(disk(), Not(HasSubstr(kSecret)));
  open_with("aes-128", {kOld});
  EXPECT_EQ(code_of(get_entity(entity::Collection::kPackages, "guest/p")), StatusCode::kDataLoss);
}

TEST_F(EncryptionTest, WithoutTheKeyAnActionCannotBeRead) {
  open_with("aes-128", {kOld});
  ASSERT_TRUE(put(make_secret("a")));
  ASSERT_TRUE(put(make_action("plain")));
  open_with("aes-256", {kNew});
  EXPECT_EQ(code_of(get("guest/a")), StatusCode::kDataLoss);
  EXPECT_TRUE(get("guest/plain"));
  open_with("aes-256", {kNew, kOld});
  EXPECT_TRUE(get("guest/a")) << "nothing was lost by it";
}

TEST_F(EncryptionTest, AClientMaySendBackWhatItWasShown) {
  open_with("aes-128", {kOld});
  const auto stored = put(make_secret("a"));
  entity::Action shown = **stored;
  shown.parameters = *entity::parse_parameters(entity::to_json(shown.parameters), "parameters");
  const auto again = put(shown, shown.revision);
  ASSERT_TRUE(again) << again.error().to_string();
  EXPECT_EQ((*again)->parameters[0].value, kSecret);
  shown.parameters[0].sealed[5] ^= 1;
  EXPECT_EQ(code_of(put(shown, (*again)->revision)), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace berth::store
