// SPDX-License-Identifier: Apache-2.0
// Encrypts the parameters of entities for the disk, in OpenWhisk's form: a value becomes
// base64(length of IV, 4 bytes big endian | IV | AES-GCM of its compact JSON | tag of 16 bytes)
// with "encryption": "aes-128" or "aes-256" beside it; the IV has 12 bytes with aes-128, 128 with
// aes-256.
//
// In memory a parameter keeps its value in the clear, so that no invocation decrypts anything, and
// its encrypted form, which is what the disk and the API's clients get.
//
// One key is the current one; others are there to open what was encrypted before. Immutable once
// made; thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "entity/action.hpp"

namespace berth::entity {

class ParameterCipher {
 public:
  // Encrypts nothing and opens nothing.
  ParameterCipher() = default;

  // `current` is "off", "aes-128" or "aes-256"; `keys` are base64 of 16 or 32 bytes, the first of
  // the current one's length is the one used. INVALID_ARGUMENT tells which key is wrong, and not
  // what it is.
  static Result<ParameterCipher> make(std::string_view current,
                                      const std::vector<std::string>& keys);

  // Whether there is anything to encrypt or to open.
  bool active() const { return !keys_.empty(); }
  // Encrypts what is not encrypted with the current key; with none it takes encryption away.
  void seal(Parameters& parameters) const;
  // Opens what is encrypted. FAILED_PRECONDITION names the parameter that no key opens.
  Status open(Parameters& parameters) const;
  // The same for other texts; what is not encrypted stays as it is.
  std::string seal_text(std::string_view text) const;
  Result<std::string> open_text(std::string_view text) const;
  // Tells keys apart without telling them; empty: no current key.
  std::string fingerprint() const;

 private:
  struct Key {
    std::string bytes;
    std::string_view algorithm() const { return bytes.size() == 16 ? "aes-128" : "aes-256"; }
  };
  static std::string encrypt(const Key& key, std::string_view text);
  static std::optional<std::string> decrypt_with(const Key& key, std::string_view raw);
  Result<std::string> decrypt(std::string_view algorithm, std::string_view sealed) const;

  std::vector<Key> keys_;
  bool seals_ = false;  // with the first of them
};

}  // namespace berth::entity
