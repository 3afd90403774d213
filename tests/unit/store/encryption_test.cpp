// SPDX-License-Identifier: Apache-2.0
// Parameters and arguments on the disk: encrypted, and brought to a new key at open().
#include <fstream>
#include <gmock/gmock.h>
#include <iterator>

#include "store/reseal.hpp"
#include "store/sqlite_connection.hpp"
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
  Result<void> put_alarm(const std::string& payload) {
    return await<void>([&](Executor on, auto done) {
      store_->alarms().put_alarm(on, {"guest/t", "guest", 7, R"({"p":")" + payload + "\"}"},
                                 std::move(done));
    });
  }
  std::string alarm_body() {
    const auto all = await<std::vector<Alarm>>(
        [&](Executor on, auto done) { store_->alarms().alarms(on, std::move(done)); });
    return all && all->size() == 1 ? all->front().body : "none";
  }
  Result<void> enqueue(const std::string& arguments) {
    Work work;
    work.activation_id = id_of(1);
    work.namespace_name = "guest";
    work.path = "guest/a";
    work.arguments = arguments;
    return await<void>(
        [&](Executor on, auto done) { store_->work().enqueue(on, work, std::move(done)); });
  }
  Work left_over() {
    auto left = await<std::vector<Work>>(
        [&](Executor on, auto done) { store_->work().left_over(on, 0, std::move(done)); });
    return left && left->size() == 1 ? left->front() : Work();
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
  const std::string arguments = R"({"p":"tell-nobody-of-this"})";
  ASSERT_TRUE(enqueue(arguments));
  ASSERT_TRUE(put_alarm(kSecret));
  EXPECT_THAT(disk(), Not(HasSubstr(kSecret)));
  open_with("aes-256", {kNew});
  EXPECT_EQ((*get("guest/a"))->parameters[0].value, kSecret);
  EXPECT_EQ(left_over().arguments, arguments);
  EXPECT_EQ(alarm_body(), arguments);
}

TEST_F(EncryptionTest, AlarmsAndAcceptedWorkFollowTheKey) {
  const std::string text = R"({"p":"tell-nobody-of-this"})";
  open();
  ASSERT_TRUE(enqueue(text));
  ASSERT_TRUE(put_alarm(kSecret));
  open_with("aes-128", {kOld});
  EXPECT_THAT(disk(), Not(HasSubstr(kSecret)));
  open_with("aes-256", {kNew, kOld});
  open_with("aes-256", {kNew});
  EXPECT_EQ(left_over().arguments, text);
  EXPECT_FALSE(left_over().unreadable);
  EXPECT_EQ(alarm_body(), text);
  open_with("aes-128", {kOld});
  EXPECT_EQ(alarm_body(), "") << "no key opens it";
  open_with("off", {kNew});
  EXPECT_EQ(left_over().arguments, text);
  EXPECT_EQ(alarm_body(), text);
  EXPECT_THAT(disk(), HasSubstr(kSecret));
}

TEST_F(EncryptionTest, AnOldKeyThatComesBackFindsWhatWasSealedMeanwhile) {
  open_with("aes-128", {kOld});
  ASSERT_TRUE(put(make_secret("a")));
  open_with("aes-256", {kNew});  // "a" cannot be opened
  ASSERT_TRUE(put(make_secret("b")));
  open_with("aes-128", {kOld, kNew});
  open_with("aes-128", {kOld});
  EXPECT_TRUE(get("guest/a"));
  EXPECT_TRUE(get("guest/b"));
}

TEST_F(EncryptionTest, WhatIsDeletedIsOverwrittenAfterARotation) {
  open();
  ASSERT_TRUE(put(make_secret("a")));
  store_.reset();
  const auto connection = Connection::open(file(), Connection::Mode::kReadWrite);
  ASSERT_TRUE(connection);
  ASSERT_TRUE(reseal(**connection, *entity::ParameterCipher::make("aes-128", {kOld})).ok());
  Query query(**connection, "PRAGMA secure_delete");
  ASSERT_TRUE(query.next());
  EXPECT_EQ(query.integer(0), 1);
}

// The key is that of all namespaces.
TEST_F(EncryptionTest, AStrangersTextIsNotOpened) {
  open_with("aes-128", {kOld});
  const auto shown = [](const entity::Parameters& parameters) {
    return *entity::parse_parameters(entity::to_json(parameters), "parameters");
  };
  const auto stored = put(make_secret("a"));
  ASSERT_TRUE(stored);
  const entity::Parameters parameters = shown((*stored)->parameters);
  entity::Action thief = make_action("mine", "", "thief");
  thief.parameters = parameters;
  const auto refused = put(thief);
  EXPECT_EQ(code_of(refused), StatusCode::kInvalidArgument);
  EXPECT_THAT(refused.error().message(), HasSubstr("parameter p is encrypted"));
  // Not by way of what is no parameter either.
  thief.parameters.clear();
  thief.annotations = {{.key = "parameters", .value = entity::to_json(parameters)}};
  thief.parameters = {{.key = "p", .value = entity::to_json(parameters)}};
  const auto prepared = put(thief);
  ASSERT_TRUE(prepared);
  thief.parameters = parameters;
  EXPECT_EQ(code_of(put(thief, (*prepared)->revision)), StatusCode::kInvalidArgument);
  auto package = make_package("p", "thief");
  package->parameters = parameters;
  EXPECT_EQ(code_of(change({.put = package})), StatusCode::kInvalidArgument);
  // By another name it is another parameter.
  entity::Action renamed = **stored;
  renamed.parameters = parameters;
  renamed.parameters[0].key = "q";
  EXPECT_EQ(code_of(put(renamed, (*stored)->revision)), StatusCode::kInvalidArgument);
  // Who copies an entity of his own sends what he was shown of it.
  entity::Action copy = make_action("copy");
  copy.parameters = parameters;
  const auto copied = put(copy);
  ASSERT_TRUE(copied) << copied.error().to_string();
  EXPECT_EQ((*copied)->parameters[0].value, kSecret);
  auto own = make_package("own");
  own->parameters = parameters;
  ASSERT_TRUE(change({.put = own}));
  const auto again = get_entity(entity::Collection::kPackages, "guest/own");
  ASSERT_TRUE(again);
  auto update = make_package("own");
  update->parameters = shown((*again)->parameters);
  EXPECT_TRUE(change({.put = update, .expected_revision = (*again)->revision}));
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

TEST_F(EncryptionTest, AnApisDocumentIsEncryptedAndStaysWhenItsKeysChange) {
  open_with("aes-256", {kNew});
  auto api = std::make_shared<entity::GatewayApi>();
  api->namespace_name = "guest";
  api->name = "/club";
  api->parameters = {{.key = std::string(entity::GatewayApi::kDocument),
                      .value = boost::json::object{{"secret", kSecret}}}};
  ASSERT_TRUE(change({.put = api}));
  EXPECT_THAT(disk(), Not(HasSubstr(kSecret)));
  open_with("aes-256", {kNew});
  const auto read = get_entity(entity::Collection::kApis, "guest//club");
  ASSERT_TRUE(read) << read.error().to_string();
  const auto present = std::static_pointer_cast<const entity::GatewayApi>(*read);
  ASSERT_NE(present->document(), nullptr);
  EXPECT_EQ(present->document()->at("secret"), kSecret);

  const auto changed = std::make_shared<entity::GatewayApi>(*present);
  changed->keys.push_back({"id", "note", "digest", "", 7});
  const auto stored = change({.put = changed, .expected_revision = present->revision});
  ASSERT_TRUE(stored) << stored.error().to_string();
  EXPECT_THAT(disk(), Not(HasSubstr(kSecret)));
  open_with("aes-256", {kNew});
  const auto again = std::static_pointer_cast<const entity::GatewayApi>(
      get_entity(entity::Collection::kApis, "guest//club").value());
  EXPECT_EQ(again->document()->at("secret"), kSecret);
  ASSERT_EQ(again->keys.size(), 1u);
  EXPECT_EQ(again->keys[0].note, "note");
  EXPECT_EQ(again->keys[0].created_ms, 7);
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

TEST_F(EncryptionTest, WhatNoKeyOpensCanBeReplacedAndRemoved) {
  open_with("aes-128", {kOld});
  ASSERT_TRUE(put(make_secret("a")));
  auto package = make_package("p");
  package->parameters = {{.key = "p", .value = kSecret}};
  ASSERT_TRUE(change({.put = package}));
  open_with("aes-256", {kNew});
  const auto action = await<entity::ActionPtr>([&](Executor on, auto done) {
    store_->entities().get_sealed_action(on, "guest/a", std::move(done));
  });
  ASSERT_TRUE(action) << action.error().to_string();
  EXPECT_NE((*action)->parameters[0].sealed, "");
  EXPECT_FALSE((*action)->exec.code.empty());
  EXPECT_EQ(code_of(get("guest/a")), StatusCode::kDataLoss) << "the cache did not get it";
  const auto sealed_package = await<entity::EntityPtr>([&](Executor on, auto done) {
    store_->entities().get_sealed_entity(on, entity::Collection::kPackages, "guest/p",
                                         std::move(done));
  });
  ASSERT_TRUE(sealed_package) << sealed_package.error().to_string();
  EXPECT_EQ(code_of(get_entity(entity::Collection::kPackages, "guest/p")), StatusCode::kDataLoss);

  entity::Action replaced = **action;
  replaced.parameters = {{.key = "p", .value = "new"}};
  const auto stored = put(replaced, replaced.revision);
  ASSERT_TRUE(stored) << stored.error().to_string();
  EXPECT_EQ((*get("guest/a"))->parameters[0].value, "new");
  EXPECT_TRUE(remove("guest/a", (*stored)->revision));
  EXPECT_TRUE(change({.collection = entity::Collection::kPackages,
                      .path = "guest/p",
                      .expected_revision = (*sealed_package)->revision}));
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
