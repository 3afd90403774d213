// SPDX-License-Identifier: Apache-2.0
// The operator's table, addresses, names of images, credentials, words of docker run.
#include "docker/config.hpp"

#include <boost/json/array.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <gtest/gtest.h>

#include "docker/create_body.hpp"
#include "docker/endpoint.hpp"
#include "docker/engine.hpp"
#include "docker/image_name.hpp"
#include "docker/run_words.hpp"
#include "support/base64.hpp"

namespace berth::docker {
namespace {

namespace json = boost::json;

// Without what the environment of whoever runs the test says.
Config parsed(const std::string& text) {
  for (const char* name :
       {"DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_CONFIG"}) {
    ::unsetenv(name);
  }
  ::setenv("HOME", "/nonexistent", 1);
  Config config;
  const sdk::Status status = Config::parse(text, config);
  EXPECT_TRUE(status.ok()) << status.to_string();
  return config;
}

std::string refusal(const std::string& text) {
  Config config;
  const sdk::Status status = Config::parse(text, config);
  EXPECT_EQ(status.code(), sdk::StatusCode::kInvalidArgument) << text;
  return status.message();
}

TEST(DockerConfig, DefaultsAreOpenWhisks) {
  const Config config = parsed("{}");
  EXPECT_EQ(config.endpoint.unix_socket, "/var/run/docker.sock");
  EXPECT_EQ(config.network, "bridge");
  EXPECT_EQ(config.parallel_creates, 10u);
  EXPECT_EQ(config.pids_limit, 1024);
  EXPECT_EQ(config.pull_timeout, std::chrono::minutes(10));
  EXPECT_EQ(json::serialize(config.host_config.at("CapDrop")), R"(["NET_RAW","NET_ADMIN"])");
  EXPECT_EQ(json::serialize(config.host_config.at("Ulimits")),
            R"([{"Name":"nofile","Soft":1024,"Hard":1024}])");
  EXPECT_EQ(json::serialize(config.host_config.at("SecurityOpt")), R"(["no-new-privileges"])");
  EXPECT_EQ(json::serialize(config.host_config.at("LogConfig")), R"({"Type":"json-file"})");
}

TEST(DockerConfig, ReadsTheEnvironmentAsDockerDoes) {
  parsed("{}");
  ::setenv("DOCKER_HOST", "tcp://engine.test:2376", 1);
  ::setenv("DOCKER_TLS_VERIFY", "1", 1);
  ::setenv("DOCKER_CERT_PATH", "/certs", 1);
  Config config;
  ASSERT_TRUE(Config::parse("{}", config).ok());
  EXPECT_EQ(config.endpoint.base_url, "https://engine.test:2376");
  EXPECT_EQ(config.endpoint.tls.ca_file, "/certs/ca.pem");
  EXPECT_EQ(config.endpoint.tls.certificate_file, "/certs/cert.pem");
  EXPECT_EQ(config.endpoint.tls.key_file, "/certs/key.pem");
  EXPECT_EQ(config.engine_host, "engine.test");
  Config named;
  ASSERT_TRUE(Config::parse(R"({"host":"unix:///run/other.sock"})", named).ok());
  EXPECT_EQ(named.endpoint.unix_socket, "/run/other.sock");
  ::unsetenv("DOCKER_HOST");
  ::unsetenv("DOCKER_TLS_VERIFY");
  ::unsetenv("DOCKER_CERT_PATH");
}

TEST(DockerConfig, TakesEveryKey) {
  const Config config = parsed(R"({
    "host": "https://10.0.0.1", "network": "pooled", "pool_network": "mine", "pool_size": 7,
    "pause_image": "x/pause", "dns": ["1.1.1.1"], "dns_search": ["a.test"], "dns_options": ["ndots:1"],
    "cap_drop": ["ALL"], "ulimits": ["nofile=10:20", "nproc=5"], "pids_limit": 5,
    "read_only_root": true, "environment": {"A": "b"}, "log_driver": "syslog",
    "log_options": {"tag": "t"}, "registry_auth": {"r.test": {"username": "u", "password": "p"}},
    "pull_again_after": "1h", "parallel_creates": 0, "parallel_pulls": 1, "create_timeout": "1m",
    "start_timeout": 2, "pull_timeout": "3s", "call_timeout": "400ms", "pause_by": "engine",
    "tls": {"ca": "/a", "cert": "/b", "key": "/c", "server_name": "n", "verify": false},
    "extra_args": {"cap-add": ["SYS_PTRACE"], "--shm-size": "64m", "init": true, "oom-score-adj": 5,
                   "sysctl": ["net.a=1", "net.b=2"]}})");
  EXPECT_EQ(config.endpoint.base_url, "https://10.0.0.1:2376");
  EXPECT_FALSE(config.endpoint.tls.verify_peer);
  EXPECT_EQ(config.endpoint.tls.server_name, "n");
  EXPECT_EQ(config.pool_size, 7u);
  EXPECT_EQ(config.pause_by, PauseBy::kEngine);
  EXPECT_EQ(config.pull_again_after, std::chrono::hours(1));
  EXPECT_EQ(config.start_timeout, std::chrono::seconds(2));
  EXPECT_EQ(config.call_timeout, std::chrono::milliseconds(400));
  EXPECT_EQ(config.log_driver, "syslog");
  EXPECT_TRUE(config.credentials.knows("r.test"));
  const json::object& host = config.host_config;
  EXPECT_EQ(json::serialize(host.at("Dns")), R"(["1.1.1.1"])");
  EXPECT_EQ(json::serialize(host.at("CapDrop")), R"(["ALL"])");
  EXPECT_EQ(json::serialize(host.at("CapAdd")), R"(["SYS_PTRACE"])");
  EXPECT_EQ(host.at("ReadonlyRootfs"), true);
  EXPECT_TRUE(host.at("Tmpfs").as_object().contains("/tmp"));
  EXPECT_EQ(host.at("ShmSize"), 64 << 20);
  EXPECT_EQ(host.at("Init"), true);
  EXPECT_EQ(host.at("OomScoreAdj"), 5);
  EXPECT_EQ(json::serialize(host.at("Sysctls")), R"({"net.a":"1","net.b":"2"})");
  EXPECT_EQ(json::serialize(host.at("LogConfig")), R"({"Type":"syslog","Config":{"tag":"t"}})");
}

TEST(DockerConfig, NamesTheKeyThatIsWrong) {
  EXPECT_NE(refusal(R"({"host":"ssh://x"})").find("plugin.docker.host"), std::string::npos);
  EXPECT_NE(refusal(R"({"pool_network":"host"})").find("pool_network"), std::string::npos);
  EXPECT_NE(refusal(R"({"start_timeout":"soon"})").find("start_timeout"), std::string::npos);
  EXPECT_NE(refusal(R"({"ulimits":["nofile"]})").find("ulimits"), std::string::npos);
  EXPECT_NE(refusal(R"({"extra_args":{"frobnicate":"1"}})").find("frobnicate"), std::string::npos);
  EXPECT_NE(refusal(R"({"extra_args":{"memory":"1g"}})").find("decided by Berth"),
            std::string::npos);
  // The engine reads any word that Go takes for a boolean.
  for (const char* off :
       {"=false", ":false", "=0", ":f", "=F", "=FALSE", ":False", "= false", "="}) {
    for (const char* spelled : {"no-new-privileges", "No-New-Privileges", " no-new-privileges "}) {
      const std::string option = std::string(spelled) + off;
      EXPECT_NE(refusal(R"({"extra_args":{"security-opt":[")" + option + R"("]}})")
                    .find("no-new-privileges"),
                std::string::npos)
          << option;
    }
  }
  parsed(R"({"extra_args":{"security-opt":["no-new-privileges:true","label=disable"]}})");
  EXPECT_NE(refusal(R"({"docker_config":"/nonexistent/c.json"})").find("docker_config"),
            std::string::npos);
  EXPECT_NE(refusal(R"({"reach":"published","network":"pooled"})").find("reach"),
            std::string::npos);
}

TEST(DockerEndpoint, RefusesWhatIsNoAddress) {
  support::http::Endpoint endpoint;
  std::string machine;
  EXPECT_TRUE(parse_endpoint("tcp://[::1]", false, endpoint, machine).ok());
  EXPECT_EQ(endpoint.base_url, "http://[::1]:2375");
  EXPECT_EQ(machine, "[::1]");
  for (const char* bad : {"", "unix://", "unix://relative", "tcp://", "tcp://a/b", "ssh://a"}) {
    EXPECT_FALSE(parse_endpoint(bad, false, endpoint, machine).ok()) << bad;
  }
}

TEST(DockerEngine, SpeaksWhatBothKnow) {
  EXPECT_EQ(choose_version("1.41", "1.12"), "1.41");
  EXPECT_EQ(choose_version("1.24", ""), "1.24");
  EXPECT_EQ(choose_version("1.99", "1.24"), "1.51");
  EXPECT_EQ(choose_version("1.99", "1.60"), "1.60");
  EXPECT_EQ(choose_version("1.23", ""), "");
  EXPECT_EQ(choose_version("new", ""), "");
}

TEST(DockerImageName, HasTheParts) {
  struct Case {
    const char *image, *repository, *tag, *digest, *registry;
  };
  for (const Case& c : {
           Case{"python", "python", "latest", "", "docker.io"},
           Case{"a/b:1", "a/b", "1", "", "docker.io"},
           Case{"localhost/b", "localhost/b", "latest", "", "localhost"},
           Case{"r.test:5000/a/b", "r.test:5000/a/b", "latest", "", "r.test:5000"},
           Case{"r.test:5000/a/b:2", "r.test:5000/a/b", "2", "", "r.test:5000"},
           Case{"a/b@sha256:ff", "a/b", "", "sha256:ff", "docker.io"},
           Case{"a/b:3@sha256:ff", "a/b", "3", "sha256:ff", "docker.io"},
       }) {
    const ImageName name = parse_image_name(c.image);
    EXPECT_EQ(name.repository, c.repository) << c.image;
    EXPECT_EQ(name.tag, c.tag) << c.image;
    EXPECT_EQ(name.digest, c.digest) << c.image;
    EXPECT_EQ(name.registry, c.registry) << c.image;
  }
  EXPECT_EQ(parse_image_name("a/b:3@sha256:ff").reference(), "sha256:ff");
}

TEST(DockerCredentials, AreReadFromConfigJson) {
  Credentials credentials;
  bool helpers = false;
  // "user:pass:word"
  ASSERT_TRUE(credentials
                  .add_docker_config(R"({"auths":{"https://index.docker.io/v1/":{"auth":
                  "dXNlcjpwYXNzOndvcmQ="},"r.test:5000":{"identitytoken":"t"},"empty.test":{}},
                  "credsStore":"desktop"})",
                                     helpers)
                  .ok());
  EXPECT_TRUE(helpers);
  EXPECT_FALSE(credentials.knows("empty.test"));
  const auto decoded = [&](std::string_view registry) {
    return support::base64_decode(credentials.header(registry)).value_or("?");
  };
  EXPECT_EQ(decoded("docker.io"), R"({"username":"user","password":"pass:word","serveraddress":)"
                                  R"("https://index.docker.io/v1/"})");
  EXPECT_EQ(decoded("r.test:5000"), R"({"identitytoken":"t","serveraddress":"r.test:5000"})");
  EXPECT_EQ(credentials.header("unknown.test"), "");
  EXPECT_FALSE(credentials.add_docker_config("[]", helpers).ok());
  EXPECT_FALSE(credentials.add_docker_config(R"({"auths":{"x":{"auth":"%"}}})", helpers).ok());
}

TEST(DockerRunWords, BecomeFields) {
  json::object body, host;
  const auto apply = [&](std::string_view word, std::string_view value) {
    return apply_run_word(word, value, body, host).ok();
  };
  EXPECT_TRUE(apply("log-opt", "max-size=1m"));
  EXPECT_TRUE(apply("log-driver", "json-file"));
  EXPECT_TRUE(apply("log-opt", "max-file=2"));
  EXPECT_EQ(json::serialize(host.at("LogConfig")),
            R"({"Config":{"max-size":"1m","max-file":"2"},"Type":"json-file"})");
  // Another driver has other options.
  EXPECT_TRUE(apply("log-driver", "splunk"));
  EXPECT_EQ(json::serialize(host.at("LogConfig")), R"({"Type":"splunk"})");
  EXPECT_TRUE(apply("volume", "/a:/b:ro"));
  EXPECT_TRUE(apply("volume", "/c"));
  EXPECT_EQ(json::serialize(host.at("Binds")), R"(["/a:/b:ro"])");
  EXPECT_TRUE(body.at("Volumes").as_object().contains("/c"));
  EXPECT_TRUE(apply("device", "/dev/x:/dev/y:r"));
  EXPECT_EQ(host.at("Devices").at(0).at("PathInContainer"), "/dev/y");
  EXPECT_TRUE(apply("tmpfs", "/run:size=1m"));
  EXPECT_EQ(host.at("Tmpfs").at("/run"), "size=1m");
  EXPECT_TRUE(apply("entrypoint", "/bin/x"));
  EXPECT_EQ(json::serialize(body.at("Entrypoint")), R"(["/bin/x"])");
  for (const auto& [word, value] : {std::pair{"ulimit", "x=y"},
                                    {"ulimit", "=1"},
                                    {"device", "x"},
                                    {"shm-size", "1q"},
                                    {"init", "maybe"},
                                    {"log-opt", "x"},
                                    {"pids-limit", "many"},
                                    {"name", "x"},
                                    {"sysctl", "=1"},
                                    {"tmpfs", "run"},
                                    {"", ""}}) {
    EXPECT_FALSE(apply(word, value)) << word << "=" << value;
  }
  EXPECT_EQ(parse_bytes("1kb"), 1024);
  EXPECT_EQ(parse_bytes("2G"), 2ll << 30);
  EXPECT_EQ(parse_bytes("-1"), -1);
  EXPECT_EQ(parse_bytes("9223372036854775807g"), -1);
}

sdk::CreateRequest request() {
  sdk::CreateRequest r;
  r.transaction_id = "tid";
  r.name = "berth-x-1";
  r.image = "a/b";
  r.memory_bytes = 256u << 20;
  r.cpu_shares = 128;
  r.cpu_quota_millis = 500;
  r.environment = {{"__OW_API_HOST", "http://h"}, {"A", "core"}};
  r.labels = {{"action", "/ns/a"}, {"instance", "x"}};
  return r;
}

TEST(DockerCreateBody, HasEverythingTheCoreAsksFor) {
  Config config = parsed(R"({"environment":{"A":"operator","B":"2"},"dns":["1.1.1.1"]})");
  FunctionSpec spec;
  spec.owner = "owner";
  spec.token = "token";
  spec.network_mode = "bridge";
  const auto made = function_body(config, request(), spec);
  ASSERT_TRUE(made.ok());
  const json::object& host = made->body.at("HostConfig").as_object();
  EXPECT_EQ(host.at("Memory").to_number<std::uint64_t>(), 256u << 20);
  EXPECT_EQ(host.at("MemorySwap").to_number<std::uint64_t>(), 256u << 20);
  EXPECT_EQ(host.at("CpuShares").to_number<int>(), 128);
  EXPECT_EQ(host.at("CpuQuota").to_number<int>(), 50'000);
  EXPECT_EQ(host.at("PidsLimit").to_number<int>(), 1024);
  EXPECT_EQ(host.at("NetworkMode"), "bridge");
  EXPECT_TRUE(host.contains("Dns"));
  EXPECT_EQ(json::serialize(made->body.at("Env")), R"(["A=core","B=2","__OW_API_HOST=http://h"])");
  const json::object& labels = made->body.at("Labels").as_object();
  EXPECT_EQ(labels.at("berth.owner"), "owner");
  EXPECT_EQ(labels.at("berth.token"), "token");
  EXPECT_EQ(labels.at("berth.action"), "/ns/a");
  EXPECT_EQ(labels.at("berth.name"), "berth-x-1");
  EXPECT_EQ(core_labels(labels), (sdk::Pairs{{"action", "/ns/a"}, {"instance", "x"}}));
}

TEST(DockerCreateBody, LeavesToTheNamespaceWhatIsTheNamespaces) {
  const Config config = parsed(
      R"({"network":"pooled","dns":["1.1.1.1"],"extra_args":{"hostname":"h","add-host":"a:1.2.3.4"}})");
  FunctionSpec spec;
  spec.network_mode = "container:abc";
  spec.joined = true;
  const auto made = function_body(config, request(), spec);
  ASSERT_TRUE(made.ok());
  EXPECT_FALSE(made->body.at("HostConfig").as_object().contains("Dns"));
  EXPECT_FALSE(made->body.at("HostConfig").as_object().contains("ExtraHosts"));
  EXPECT_FALSE(made->body.contains("Hostname"));
  const json::object pause = pause_body(config, "owner", "img", "token");
  EXPECT_TRUE(pause.at("HostConfig").as_object().contains("Dns"));
  EXPECT_TRUE(pause.at("HostConfig").as_object().contains("ExtraHosts"));
  EXPECT_EQ(pause.at("Hostname"), "h");
  EXPECT_EQ(pause.at("HostConfig").at("NetworkMode"), "bridge");
}

TEST(DockerCreateBody, AppliesTheLogStoresParameters) {
  const Config config = parsed(R"({"log_options":{"max-size":"1m"}})");
  sdk::CreateRequest r = request();
  r.log_parameters = {{"log-driver", "splunk"}, {"log-opt", "tag=x"}, {"--log-opt", "a=b"}};
  const auto made = function_body(config, r, {});
  ASSERT_TRUE(made.ok());
  EXPECT_EQ(json::serialize(made->body.at("HostConfig").at("LogConfig")),
            R"({"Type":"splunk","Config":{"tag":"x","a":"b"}})");
  EXPECT_EQ(made->log_driver, "splunk");
  r.log_parameters = {{"log-drivel", "x"}};
  EXPECT_EQ(function_body(config, r, {}).error().code(), sdk::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace berth::docker
