// SPDX-License-Identifier: Apache-2.0
// Encrypted parameters: their form, keys old and new, and what must not open.
#include "entity/parameter_cipher.hpp"

#include <boost/json/parse.hpp>
#include <gmock/gmock.h>

#include "base/base64.hpp"
#include "entity/sealed_size.hpp"

namespace berth::entity {
namespace {

using testing::HasSubstr;

constexpr const char* kKey128 = "AAECAwQFBgcICQoLDA0ODw==";
constexpr const char* kKey256 = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
constexpr const char* kOther256 = "HwECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
// {"a":[1,"ü"]}, encrypted by another implementation with IVs of sevens.
constexpr const char* kSealed128 =
    "AAAADAcHBwcHBwcHBwcHB+puNf9b4PEV1Yie4ULEl9dTvB1X23tuRxNDj7J3ew==";
constexpr const char* kSealed256 =
    "AAAAgAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"
    "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH"
    "oRgSx6DTvPy4GrjHxw5geZws9sez7zQySQDc4MDP";

ParameterCipher make(std::string_view current, const std::vector<std::string>& keys) {
  auto cipher = ParameterCipher::make(current, keys);
  EXPECT_TRUE(cipher) << cipher.error().to_string();
  return *cipher;
}

Parameters parameters(std::string_view json) {
  return *parse_parameters(boost::json::parse(std::string(json)), "parameters");
}

TEST(ParameterCipher, OpensWhatOthersEncrypted) {
  for (const auto& [algorithm, sealed] :
       {std::pair{"aes-128", kSealed128}, std::pair{"aes-256", kSealed256}}) {
    const ParameterCipher cipher = make(algorithm, {kKey128, kKey256});
    Parameters list = parameters(R"([{"key":"k","value":")" + std::string(sealed) +
                                 R"(","encryption":")" + algorithm + R"("}])");
    EXPECT_TRUE(list[0].value.is_null());
    ASSERT_TRUE(cipher.open(list).ok());
    EXPECT_EQ(list[0].value, boost::json::parse(R"({"a":[1,"ü"]})")) << algorithm;
  }
}

TEST(ParameterCipher, TellsHowLongItIsInTheClear) {
  for (const char* algorithm : {"aes-128", "aes-256"}) {
    const ParameterCipher cipher = make(algorithm, {kKey128, kKey256});
    for (std::size_t length = 0; length < 10; ++length) {
      Parameters list = parameters(R"([{"key":"a","value":")" + std::string(length, 'x') + "\"}]");
      cipher.seal(list);
      EXPECT_EQ(opened_size(algorithm, list[0].sealed), length + 2) << algorithm;
    }
    EXPECT_EQ(opened_size(algorithm, ""), 0u);
    EXPECT_EQ(opened_size(algorithm, "===="), 0u);
  }
  EXPECT_EQ(opened_size("rot13", "abcd"), 9u);
}

TEST(ParameterCipher, ComesBackFromJson) {
  for (const char* algorithm : {"aes-128", "aes-256"}) {
    const ParameterCipher cipher = make(algorithm, {kKey128, kKey256});
    Parameters list = parameters(R"([{"key":"a","value":{"x":[null,1.5]}},
                                     {"key":"b","value":"secret","init":true}])");
    cipher.seal(list);
    const boost::json::array shown = to_json(list);
    EXPECT_EQ(boost::json::serialize(shown).find("secret"), std::string::npos);
    EXPECT_EQ(shown[1].at("encryption").as_string(), algorithm);
    EXPECT_EQ(shown[1].at("init"), true);
    EXPECT_EQ(list[1].value, "secret") << "in memory it is in the clear";
    const auto raw = base64_decode(std::string(shown[1].at("value").as_string()));
    ASSERT_TRUE(raw);
    EXPECT_EQ(static_cast<unsigned char>((*raw)[3]),
              algorithm == std::string("aes-128") ? 12 : 128);
    Parameters back = *parse_parameters(shown, "parameters");
    ASSERT_TRUE(cipher.open(back).ok());
    EXPECT_EQ(back[0].value, list[0].value);
    EXPECT_EQ(back[1].value, "secret");
    EXPECT_TRUE(back[1].init);
  }
}

TEST(ParameterCipher, NoTwoTextsAreAlike) {
  const ParameterCipher cipher = make("aes-128", {kKey128});
  Parameters list = parameters(R"([{"key":"a","value":1},{"key":"b","value":1}])");
  cipher.seal(list);
  EXPECT_NE(list[0].sealed, list[1].sealed);
  const std::string before = list[0].sealed;
  cipher.seal(list);
  EXPECT_EQ(list[0].sealed, before) << "what is encrypted with the current key stays";
}

TEST(ParameterCipher, RotatesKeysAndAlgorithms) {
  const ParameterCipher old = make("aes-128", {kKey128});
  Parameters list = parameters(R"([{"key":"a","value":"v"}])");
  old.seal(list);
  const ParameterCipher middle = make("aes-256", {kKey128, kOther256});
  ASSERT_TRUE(middle.open(list).ok());
  middle.seal(list);
  EXPECT_EQ(list[0].encryption, "aes-256");
  const std::string before = list[0].sealed;
  const ParameterCipher newest = make("aes-256", {kKey256, kOther256});
  ASSERT_TRUE(newest.open(list).ok());
  newest.seal(list);
  EXPECT_NE(list[0].sealed, before);
  ASSERT_TRUE(make("aes-256", {kKey256}).open(list).ok()) << "the old key is not needed any more";
  EXPECT_EQ(list[0].value, "v");
  // Off again, with the keys still there.
  const ParameterCipher off = make("off", {kKey256});
  ASSERT_TRUE(off.open(list).ok());
  off.seal(list);
  EXPECT_EQ(boost::json::serialize(to_json(list)), R"([{"key":"a","value":"v"}])");
}

TEST(ParameterCipher, OpensNothingThatIsNotItsOwn) {
  Parameters list = parameters(R"([{"key":"a","value":"v"}])");
  make("aes-256", {kKey256}).seal(list);
  for (const ParameterCipher& cipher :
       {ParameterCipher(), make("aes-256", {kOther256}), make("aes-128", {kKey128})}) {
    const Status status = cipher.open(list);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition);
    EXPECT_THAT(status.to_string(), HasSubstr("parameter a"));
  }
  const ParameterCipher cipher = make("aes-256", {kKey256});
  const auto raw = base64_decode(list[0].sealed);
  for (std::size_t at = 0; at < raw->size(); ++at) {
    std::string broken = *raw;
    broken[at] = static_cast<char>(broken[at] ^ 1);
    list[0].sealed = base64_encode(broken);
    EXPECT_FALSE(cipher.open(list).ok()) << "byte " << at;
  }
  for (std::size_t size = 0; size < raw->size(); size += 7) {
    list[0].sealed = base64_encode(raw->substr(0, size));
    EXPECT_FALSE(cipher.open(list).ok()) << size << " bytes";
  }
}

TEST(ParameterCipher, RefusesKeysThatAreNone) {
  for (const auto& keys :
       std::vector<std::vector<std::string>>{{}, {kKey128}, {"no base64!"}, {kKey256, "AAAA"}}) {
    EXPECT_FALSE(ParameterCipher::make("aes-256", keys));
  }
  EXPECT_FALSE(ParameterCipher::make("aes-512", {kKey256}));
  EXPECT_THAT(ParameterCipher::make("off", {"c2VjcmV0"}).error().to_string(),
              testing::Not(HasSubstr("c2VjcmV0")));
}

TEST(ParameterCipher, TextsAndFingerprints) {
  const ParameterCipher cipher = make("aes-256", {kKey256});
  const std::string sealed = cipher.seal_text(R"({"a":1})");
  EXPECT_EQ(sealed.find("\"a\""), std::string::npos);
  EXPECT_EQ(*cipher.open_text(sealed), R"({"a":1})");
  EXPECT_EQ(*cipher.open_text("{}"), "{}");
  EXPECT_FALSE(make("aes-256", {kOther256}).open_text(sealed));
  EXPECT_NE(cipher.fingerprint(), make("aes-256", {kOther256}).fingerprint());
  EXPECT_EQ(cipher.fingerprint(), make("aes-256", {kKey256, kOther256}).fingerprint());
  EXPECT_EQ(make("off", {kKey256}).fingerprint(), "");
}

}  // namespace
}  // namespace berth::entity
