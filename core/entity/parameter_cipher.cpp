// SPDX-License-Identifier: Apache-2.0
#include "entity/parameter_cipher.hpp"

#include <algorithm>
#include <boost/json/serialize.hpp>
#include <memory>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdexcept>

#include "base/base64.hpp"
#include "base/json.hpp"

namespace berth::entity {
namespace {

constexpr std::size_t kTagBytes = 16;
constexpr std::size_t kLengthBytes = 4;
constexpr std::size_t kMaxIvBytes = 128;
constexpr std::size_t kMaxDepth = 1024;
constexpr std::size_t kFingerprintBytes = 16;

struct FreeContext {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
};
using Context = std::unique_ptr<EVP_CIPHER_CTX, FreeContext>;

const EVP_CIPHER* cipher_of(std::size_t key_bytes) {
  return key_bytes == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
}

const unsigned char* bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

unsigned char* bytes(std::string& text) {
  return reinterpret_cast<unsigned char*>(text.data());
}

// OpenSSL fails here only without memory, or without randomness at all.
void must(int result) {
  if (result != 1) throw std::runtime_error("OpenSSL could not encrypt");
}

}  // namespace

Result<ParameterCipher> ParameterCipher::make(std::string_view current,
                                              const std::vector<std::string>& keys) {
  ParameterCipher cipher;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto decoded = base64_decode(keys[i]);
    if (!decoded || (decoded->size() != 16 && decoded->size() != 32)) {
      return sdk::invalid_argument("key " + std::to_string(i + 1) +
                                   " must be base64 of 16 bytes (aes-128) or 32 (aes-256)");
    }
    cipher.keys_.push_back({*decoded});
  }
  if (current == "off") return cipher;
  if (current != "aes-128" && current != "aes-256") {
    return sdk::invalid_argument("the encryption must be off, aes-128 or aes-256");
  }
  const auto first = std::find_if(cipher.keys_.begin(), cipher.keys_.end(),
                                  [&](const Key& key) { return key.algorithm() == current; });
  if (first == cipher.keys_.end()) {
    return sdk::invalid_argument("there is no key for " + std::string(current));
  }
  std::rotate(cipher.keys_.begin(), first, first + 1);
  cipher.seals_ = true;
  return cipher;
}

std::string ParameterCipher::encrypt(const Key& key, std::string_view text) {
  const std::size_t iv_bytes = key.bytes.size() == 16 ? 12 : kMaxIvBytes;
  std::string raw(kLengthBytes + iv_bytes + text.size() + kTagBytes, '\0');
  raw[kLengthBytes - 1] = static_cast<char>(iv_bytes);
  unsigned char* iv = bytes(raw) + kLengthBytes;
  must(RAND_bytes(iv, static_cast<int>(iv_bytes)));
  const Context context(EVP_CIPHER_CTX_new());
  must(context ? 1 : 0);
  must(EVP_EncryptInit_ex(context.get(), cipher_of(key.bytes.size()), nullptr, nullptr, nullptr));
  must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_IVLEN, static_cast<int>(iv_bytes),
                           nullptr));
  must(EVP_EncryptInit_ex(context.get(), nullptr, nullptr, bytes(key.bytes), iv));
  int written = 0;
  unsigned char* out = iv + iv_bytes;
  must(EVP_EncryptUpdate(context.get(), out, &written, bytes(text), static_cast<int>(text.size())));
  int more = 0;
  must(EVP_EncryptFinal_ex(context.get(), out + written, &more));
  must(EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_GET_TAG, kTagBytes, out + text.size()));
  return base64_encode(raw);
}

std::optional<std::string> ParameterCipher::decrypt_with(const Key& key, std::string_view raw) {
  if (raw.size() < kLengthBytes + kTagBytes) return std::nullopt;
  std::size_t iv_bytes = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    iv_bytes = iv_bytes << 8 | static_cast<unsigned char>(raw[i]);
  }
  if (iv_bytes == 0 || iv_bytes > kMaxIvBytes || raw.size() < kLengthBytes + iv_bytes + kTagBytes) {
    return std::nullopt;
  }
  const std::string_view iv = raw.substr(kLengthBytes, iv_bytes);
  std::string tag(raw.substr(raw.size() - kTagBytes));
  raw = raw.substr(kLengthBytes + iv_bytes, raw.size() - kLengthBytes - iv_bytes - kTagBytes);
  std::string text(raw.size(), '\0');
  const Context context(EVP_CIPHER_CTX_new());
  int written = 0;
  int more = 0;
  const bool opened =
      context &&
      EVP_DecryptInit_ex(context.get(), cipher_of(key.bytes.size()), nullptr, nullptr, nullptr) ==
          1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_IVLEN, static_cast<int>(iv_bytes),
                          nullptr) == 1 &&
      EVP_DecryptInit_ex(context.get(), nullptr, nullptr, bytes(key.bytes), bytes(iv)) == 1 &&
      EVP_DecryptUpdate(context.get(), bytes(text), &written, bytes(raw),
                        static_cast<int>(raw.size())) == 1 &&
      EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_GCM_SET_TAG, kTagBytes, tag.data()) == 1 &&
      EVP_DecryptFinal_ex(context.get(), bytes(text) + written, &more) == 1;
  if (!opened) return std::nullopt;
  return text;
}

Result<std::string> ParameterCipher::decrypt(std::string_view algorithm,
                                             std::string_view sealed) const {
  const auto raw = base64_decode(sealed);
  if (raw) {
    for (const Key& key : keys_) {
      if (key.algorithm() != algorithm) continue;
      if (auto text = decrypt_with(key, *raw)) return std::move(*text);
    }
  }
  return sdk::failed_precondition("is encrypted with " + std::string(algorithm) +
                                  " and with no key that this server has");
}

void ParameterCipher::seal(Parameters& parameters) const {
  for (Parameter& parameter : parameters) {
    if (!seals_) {
      parameter.encryption.clear();
      parameter.sealed.clear();
      continue;
    }
    const Key& key = keys_.front();
    if (parameter.encryption == key.algorithm()) {
      const auto raw = base64_decode(parameter.sealed);
      if (raw && decrypt_with(key, *raw)) continue;
    }
    parameter.encryption = key.algorithm();
    parameter.sealed = encrypt(key, boost::json::serialize(parameter.value));
  }
}

Status ParameterCipher::open(Parameters& parameters) const {
  for (Parameter& parameter : parameters) {
    if (parameter.encryption.empty()) continue;
    const auto text = decrypt(parameter.encryption, parameter.sealed);
    if (!text) return text.error().with_context("parameter " + parameter.key);
    auto value = parse_json(*text, kMaxDepth);
    if (!value) return sdk::data_loss("parameter " + parameter.key + " is damaged");
    parameter.value = std::move(*value);
  }
  return {};
}

std::string ParameterCipher::seal_text(std::string_view text) const {
  if (!seals_) return std::string(text);
  const Key& key = keys_.front();
  return std::string(key.algorithm()) + ' ' + encrypt(key, text);
}

Result<std::string> ParameterCipher::open_text(std::string_view text) const {
  constexpr std::size_t kName = 7;  // of "aes-128"
  if (!text.starts_with("aes-") || text.size() <= kName) return std::string(text);
  return decrypt(text.substr(0, kName), text.substr(kName + 1));
}

std::string ParameterCipher::fingerprint() const {
  if (!seals_) return {};
  const Key& key = keys_.front();
  unsigned char digest[EVP_MAX_MD_SIZE];
  unsigned int size = 0;
  const std::string text = "berth parameters " + key.bytes;
  must(EVP_Digest(text.data(), text.size(), digest, &size, EVP_sha256(), nullptr));
  return std::string(key.algorithm()) + ' ' +
         base64_encode({reinterpret_cast<const char*>(digest), kFingerprintBytes});
}

}  // namespace berth::entity
