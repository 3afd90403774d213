// SPDX-License-Identifier: Apache-2.0
#include "test_pki.hpp"

#include <cstdio>
#include <memory>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdexcept>

namespace berth::testing {
namespace {

using Key = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;
using Certificate = std::unique_ptr<X509, decltype(&X509_free)>;

Key make_key() {
  return Key(EVP_EC_gen("P-256"), &EVP_PKEY_free);
}

void extend(X509* certificate, X509* issuer, int nid, const char* value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, nid, value);
  X509_add_ext(certificate, extension, -1);
  X509_EXTENSION_free(extension);
}

// Signed by `issuer`, or by itself if that is null.
Certificate make_certificate(const char* name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key,
                             long serial, const std::string& alternative,
                             long valid_s = 24 * 3600) {
  Certificate certificate(X509_new(), &X509_free);
  X509* raw = certificate.get();
  X509_set_version(raw, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), serial);
  X509_gmtime_adj(X509_getm_notBefore(raw), -3600);
  X509_gmtime_adj(X509_getm_notAfter(raw), valid_s);
  X509_set_pubkey(raw, key);
  X509_NAME_add_entry_by_txt(X509_get_subject_name(raw), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
  X509* signer = issuer == nullptr ? raw : issuer;
  X509_set_issuer_name(raw, X509_get_subject_name(signer));
  extend(raw, signer, NID_basic_constraints, issuer == nullptr ? "critical,CA:TRUE" : "CA:FALSE");
  if (!alternative.empty()) extend(raw, signer, NID_subject_alt_name, alternative.c_str());
  X509_sign(raw, issuer_key, EVP_sha256());
  return certificate;
}

void save(const std::string& path, X509* certificate, EVP_PKEY* key) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (file == nullptr) throw std::runtime_error("cannot write " + path);
  if (certificate != nullptr) PEM_write_X509(file, certificate);
  if (key != nullptr) PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
  std::fclose(file);
}

}  // namespace

TestPki::TestPki(const std::string& directory, const std::string& server_name, long server_valid_s)
    : ca(directory + "/ca.pem"),
      server_certificate(directory + "/server.pem"),
      server_key(directory + "/server.key"),
      client_certificate(directory + "/client.pem"),
      client_key(directory + "/client.key") {
  const Key ca_key = make_key(), server = make_key(), client = make_key();
  const auto authority =
      make_certificate("test authority", ca_key.get(), nullptr, ca_key.get(), 1, "");
  save(ca, authority.get(), nullptr);
  const auto of_server = make_certificate("server", server.get(), authority.get(), ca_key.get(), 2,
                                          "DNS:" + server_name, server_valid_s);
  save(server_certificate, of_server.get(), nullptr);
  save(server_key, nullptr, server.get());
  const auto of_client =
      make_certificate("client", client.get(), authority.get(), ca_key.get(), 3, "");
  save(client_certificate, of_client.get(), nullptr);
  save(client_key, nullptr, client.get());
}

}  // namespace berth::testing
