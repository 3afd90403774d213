// SPDX-License-Identifier: Apache-2.0
// The server through TLS, with OpenSSL's own client on the other side.
#include <chrono>
#include <fstream>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <signal.h>
#include <sys/socket.h>

#include "server_fixture.hpp"

namespace berth::http::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;
using namespace std::chrono_literals;

template <typename T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

struct Files {
  std::string certificate;
  std::string key;
};

// Writes a key and a certificate signed by itself.
Files make_certificate(const Files& files, const std::string& name) {
  const Owned<EVP_PKEY> key(EVP_EC_gen("P-256"), EVP_PKEY_free);
  const Owned<X509> certificate(X509_new(), X509_free);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key.get());
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_sign(certificate.get(), key.get(), EVP_sha256());
  const Owned<BIO> certificate_out(BIO_new_file(files.certificate.c_str(), "w"), BIO_free_all);
  PEM_write_bio_X509(certificate_out.get(), certificate.get());
  const Owned<BIO> key_out(BIO_new_file(files.key.c_str(), "w"), BIO_free_all);
  PEM_write_bio_PrivateKey(key_out.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return files;
}

// The client's side, blocking; a call that takes 20 s fails.
class TlsClient {
 public:
  explicit TlsClient(std::uint16_t port, int max_version = TLS1_3_VERSION)
      : socket_(RawSocket::connect_tcp(port)),
        context_(SSL_CTX_new(TLS_client_method()), SSL_CTX_free),
        ssl_(nullptr, SSL_free) {
    SSL_CTX_set_max_proto_version(context_.get(), max_version);
    // The server's limit counts the floor, not the ceiling, of what a client of today speaks.
    SSL_CTX_set_security_level(context_.get(), 0);
    ssl_.reset(SSL_new(context_.get()));
    SSL_set_fd(ssl_.get(), socket_.fd());
    static constexpr unsigned char kOffer[] = "\x02h2\x08http/1.1";
    SSL_set_alpn_protos(ssl_.get(), kOffer, sizeof kOffer - 1);
    connected = SSL_connect(ssl_.get()) == 1;
  }

  bool send(std::string_view text) {
    return SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) ==
           static_cast<int>(text.size());
  }
  // At least one byte; "" at the end.
  std::string receive_some() {
    std::string buffer(65536, '\0');
    const int count = SSL_read(ssl_.get(), buffer.data(), static_cast<int>(buffer.size()));
    buffer.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
    return buffer;
  }
  std::string receive(std::size_t count) {
    std::string all;
    while (all.size() < count) {
      const std::string piece = receive_some();
      if (piece.empty()) break;
      all += piece;
    }
    return all;
  }
  // One reply, by its Content-Length.
  std::string receive_reply() {
    std::string all;
    while (all.find("\r\n\r\n") == std::string::npos) {
      const std::string piece = receive_some();
      if (piece.empty()) return all;
      all += piece;
    }
    const std::size_t head = all.find("\r\n\r\n") + 4;
    const std::size_t at = all.find("Content-Length: ");
    const std::size_t length = at < head ? std::stoul(all.substr(at + 16)) : 0;
    if (all.size() < head + length) all += receive(head + length - all.size());
    return all;
  }
  bool farewell() {
    return receive_some().empty() && SSL_get_shutdown(ssl_.get()) == SSL_RECEIVED_SHUTDOWN;
  }
  std::string certificate_name() const {
    const Owned<X509> certificate(SSL_get1_peer_certificate(ssl_.get()), X509_free);
    char name[100] = {};
    X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name,
                              sizeof name);
    return name;
  }
  std::string protocol() const {
    const unsigned char* name = nullptr;
    unsigned size = 0;
    SSL_get0_alpn_selected(ssl_.get(), &name, &size);
    return {reinterpret_cast<const char*>(name), size};
  }

  bool connected = false;

 private:
  RawSocket socket_;
  Owned<SSL_CTX> context_;
  Owned<SSL> ssl_;
};

class TlsTest : public ServerTest {
 protected:
  TlsTest() {
    ::signal(SIGPIPE, SIG_IGN);
    make_certificate(files_, "first");
    auto loaded = TlsCertificate::load(files_.certificate, files_.key);
    EXPECT_TRUE(loaded) << loaded.error().to_string();
    if (loaded) certificate_ = *loaded;
    options_.tls = certificate_;
  }

  TemporaryDirectory directory_;
  Files files_{directory_.path("c.pem"), directory_.path("k.pem")};
  std::shared_ptr<TlsCertificate> certificate_;
  ServerOptions options_;
};

TEST_F(TlsTest, AnswersRequestsOfOneConnection) {
  start(options_);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    TlsClient client(server_->port(), version);
    ASSERT_TRUE(client.connected);
    EXPECT_EQ(client.protocol(), "http/1.1");
    for (int i = 0; i < 3; ++i) {
      ASSERT_TRUE(client.send("POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody"));
      EXPECT_THAT(client.receive_reply(), HasSubstr("\r\n\r\nPOST /a body"));
    }
  }
}

TEST_F(TlsTest, TakesWhatComesInOnePieceOrInMany) {
  start(options_);
  TlsClient client(server_->port());
  ASSERT_TRUE(client.connected);
  const std::string one = "GET /x HTTP/1.1\r\nHost: x\r\n\r\n";
  // Several in one record: only the first makes the socket readable.
  ASSERT_TRUE(client.send(one + one + one));
  for (int i = 0; i < 3; ++i) EXPECT_THAT(client.receive_reply(), HasSubstr("GET /x "));
  for (const char c : one) ASSERT_TRUE(client.send(std::string_view(&c, 1)));
  EXPECT_THAT(client.receive_reply(), HasSubstr("GET /x "));
  // A body of many records.
  const std::string body(1'000'000, 'z');
  ASSERT_TRUE(
      client.send("POST /big-body HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n" + body));
  EXPECT_THAT(client.receive_reply(), ::testing::EndsWith(body));
}

TEST_F(TlsTest, SendsMoreThanTheSocketTakesAtOnce) {
  start(options_);
  TlsClient client(server_->port());
  ASSERT_TRUE(client.connected);
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(client.send("GET /big HTTP/1.1\r\nHost: x\r\n\r\n"));
    const std::string reply = client.receive_reply();
    EXPECT_GE(reply.size(), kBig);
    EXPECT_EQ(reply.substr(reply.size() - kBig), std::string(kBig, 'b'));
  }
}

TEST_F(TlsTest, SaysFarewellWhenItCloses) {
  start(options_);
  TlsClient client(server_->port());
  ASSERT_TRUE(client.connected);
  ASSERT_TRUE(client.send("GET /x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"));
  EXPECT_THAT(client.receive_reply(), HasSubstr("GET /x "));
  EXPECT_TRUE(client.farewell());
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(TlsTest, NoticesThatTheCallerHangsUpWhileItWaits) {
  start(options_);
  {
    TlsClient client(server_->port());
    ASSERT_TRUE(client.connected);
    ASSERT_TRUE(client.send("GET /hold HTTP/1.1\r\nHost: x\r\n\r\n"));
    ASSERT_TRUE(wait_for_held(1));
  }
  release("late");
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(TlsTest, ClosesOnPlainHttpAndOldVersions) {
  start(options_);
  RawSocket plain = connect();
  ASSERT_TRUE(plain.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(plain.receive_all(), ::testing::Not(HasSubstr("HTTP/1.1 200")));
  EXPECT_TRUE(wait_for_connections(0));
  EXPECT_FALSE(TlsClient(server_->port(), TLS1_1_VERSION).connected);
  ERR_clear_error();
  EXPECT_TRUE(TlsClient(server_->port()).connected) << "the server goes on";
}

TEST_F(TlsTest, ASlowHandshakeIsCut) {
  options_.header_timeout = 50ms;
  options_.idle_timeout = std::chrono::hours(1);
  start(options_);
  RawSocket silent = connect();
  ASSERT_TRUE(wait_for_connections(1));
  EXPECT_EQ(silent.receive_all(), "");
  EXPECT_TRUE(wait_for_connections(0));
}

TEST_F(TlsTest, AfterTheHandshakeItIsIdleLikeAnyOther) {
  options_.header_timeout = 2000ms;
  options_.idle_timeout = std::chrono::hours(1);
  start(options_);
  TlsClient client(server_->port());
  ASSERT_TRUE(client.connected);
  std::this_thread::sleep_for(2500ms);
  ASSERT_TRUE(client.send("GET /x HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(client.receive_reply(), HasSubstr("GET /x "));
}

TEST_F(TlsTest, TooManyConnectionsAreToldSo) {
  options_.max_connections = 1;
  start(options_);
  TlsClient first(server_->port());
  ASSERT_TRUE(first.connected);
  TlsClient second(server_->port());
  ASSERT_TRUE(second.connected);
  EXPECT_THAT(second.receive_reply(), StartsWith("HTTP/1.1 503 "));
}

TEST_F(TlsTest, AReloadCountsForNewConnections) {
  start(options_);
  TlsClient old(server_->port());
  ASSERT_TRUE(old.connected);
  EXPECT_EQ(old.certificate_name(), "first");
  make_certificate(files_, "second");
  ASSERT_TRUE(certificate_->reload().ok());
  TlsClient fresh(server_->port());
  ASSERT_TRUE(fresh.connected);
  EXPECT_EQ(fresh.certificate_name(), "second");
  ASSERT_TRUE(old.send("GET /old HTTP/1.1\r\nHost: x\r\n\r\n"));
  EXPECT_THAT(old.receive_reply(), HasSubstr("GET /old "));
}

TEST_F(TlsTest, ABadFileIsNamedAndTheOldCertificateStays) {
  start(options_);
  std::ofstream(files_.certificate) << "nonsense";
  const Status broken = certificate_->reload();
  EXPECT_EQ(broken.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(broken.message(), HasSubstr(files_.certificate));
  const Files other = make_certificate({directory_.path("c2.pem"), directory_.path("k2.pem")}, "x");
  const auto mixed = TlsCertificate::load(other.certificate, files_.key);
  ASSERT_FALSE(mixed);
  EXPECT_THAT(mixed.error().message(), HasSubstr(files_.key));
  EXPECT_FALSE(TlsCertificate::load(directory_.path("none.pem"), files_.key));
  TlsClient client(server_->port());
  ASSERT_TRUE(client.connected);
  EXPECT_EQ(client.certificate_name(), "first");
}

}  // namespace
}  // namespace berth::http::testing
