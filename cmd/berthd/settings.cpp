// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <algorithm>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "default_runtimes.hpp"

namespace berth::daemon {
namespace {

constexpr std::int64_t kMb = 1024 * 1024;
constexpr std::size_t kMaxInstanceName = 32;

std::int64_t megabytes(const config::Document& config, std::string_view key) {
  return static_cast<std::int64_t>(config.bytes(key)) / kMb;
}

bool is_instance_name(const std::string& name) {
  return !name.empty() && name.size() <= kMaxInstanceName &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
         });
}

}  // namespace

Status check(const config::Document& config) {
  std::vector<std::string> errors;
  if (!is_instance_name(config.text("instance"))) {
    errors.push_back(fmt::format("{}: instance must be 1 to {} characters [a-z0-9-]",
                                 config.origin("instance"), kMaxInstanceName));
  }
  const auto ordered = [&](const char* low, const char* high, std::int64_t low_value,
                           std::int64_t high_value) {
    if (low_value <= high_value) return;
    errors.push_back(fmt::format("{}: {} must not be larger than {} ({})", config.origin(low), low,
                                 high, config.origin(high)));
  };
  const auto durations = [&](const char* low, const char* high) {
    ordered(low, high, config.duration(low).count(), config.duration(high).count());
  };
  const auto sizes = [&](const char* low, const char* high) {
    ordered(low, high, static_cast<std::int64_t>(config.bytes(low)),
            static_cast<std::int64_t>(config.bytes(high)));
  };
  durations("limits.timeout_min", "limits.timeout_default");
  durations("limits.timeout_default", "limits.timeout_max");
  sizes("limits.memory_min", "limits.memory_default");
  sizes("limits.memory_default", "limits.memory_max");
  sizes("limits.memory_max", "containers.memory");
  const auto paired = [&](const char* one, const char* other) {
    if (config.text(one).empty() || !config.text(other).empty()) return;
    errors.push_back(fmt::format("{}: {} needs {}, too", config.origin(one), one, other));
  };
  paired("http.tls_certificate", "http.tls_key");
  paired("http.tls_key", "http.tls_certificate");
  if (!errors.empty()) return sdk::invalid_argument(fmt::format("{}", fmt::join(errors, "\n")));
  return {};
}

void configure_log(const config::Document& config) {
  const std::string level = config.text("log.level");
  log::configure(level == "debug"   ? log::Level::kDebug
                 : level == "warn"  ? log::Level::kWarn
                 : level == "error" ? log::Level::kError
                                    : log::Level::kInfo,
                 config.text("log.format") == "json" ? log::Format::kJson : log::Format::kLogfmt);
}

entity::LimitBounds limit_bounds(const config::Document& config) {
  entity::LimitBounds bounds;
  bounds.timeout_ms = {config.duration("limits.timeout_min").count(),
                       config.duration("limits.timeout_default").count(),
                       config.duration("limits.timeout_max").count()};
  bounds.memory_mb = {megabytes(config, "limits.memory_min"),
                      megabytes(config, "limits.memory_default"),
                      megabytes(config, "limits.memory_max")};
  bounds.logs_mb = {0, megabytes(config, "limits.logs_max"), megabytes(config, "limits.logs_max")};
  bounds.concurrency.max = config.integer("limits.concurrency_max");
  bounds.max_code_bytes = config.bytes("limits.code_max");
  bounds.max_payload_bytes = config.bytes("limits.payload_max");
  bounds.max_result_bytes = config.bytes("limits.result_max");
  bounds.max_parameters_bytes = config.bytes("limits.parameters_max");
  bounds.max_annotations_bytes = config.bytes("limits.parameters_max");
  bounds.max_sequence_length = config.integer("limits.sequence_max");
  bounds.max_blocking_wait_ms = config.duration("limits.blocking_wait").count();
  return bounds;
}

api::Throttles throttles(const config::Document& config) {
  // 0 in the configuration, for all: off. Of one namespace's own limits it means that it may none.
  const auto bound = [&](const char* key) {
    const std::int64_t value = config.integer(key);
    return value > 0 ? api::Throttles::Number(value) : std::nullopt;
  };
  return {.invocations_per_minute = bound("limits.invocations_per_minute"),
          .concurrent_invocations = bound("limits.concurrent_invocations"),
          .fires_per_minute = bound("limits.fires_per_minute")};
}

http::ServerOptions server_options(const config::Document& config) {
  http::ServerOptions options;
  options.max_connections = static_cast<std::size_t>(config.integer("http.max_connections"));
  options.header_timeout = config.duration("http.header_timeout");
  options.body_timeout = config.duration("http.body_timeout");
  options.idle_timeout = config.duration("http.idle_timeout");
  options.write_timeout = config.duration("http.write_timeout");
  options.max_header_bytes = config.bytes("http.header_max");
  return options;
}

namespace {

constexpr off_t kMaxKeyFile = 4096;

// A key that others may read hides nothing. Of root's own files a group may read one: so are files
// given to the user of a service.
Result<std::string> read_key_file(const std::string& path) {
  // A pipe must not hold the start up.
  const UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat facts {};
  if (!fd || ::fstat(fd.get(), &facts) != 0) {
    return sdk::failed_precondition("cannot open the key file " + path + ": " + errno_text(errno));
  }
  if (!S_ISREG(facts.st_mode)) {
    return sdk::failed_precondition("the key file " + path + " is not a file: name another one");
  }
  if (facts.st_uid != 0 && facts.st_uid != ::geteuid()) {
    return sdk::permission_denied(fmt::format("the key file {} belongs to uid {}: run chown {} {}",
                                              path, facts.st_uid, ::geteuid(), path));
  }
  if ((facts.st_mode & (facts.st_uid == 0 ? 037 : 077)) != 0) {
    return sdk::permission_denied(
        fmt::format("the key file {} has mode {:04o}, so others may read or change it: run chmod "
                    "0600 {}, and make a new key if they may have",
                    path, facts.st_mode & 07777, path));
  }
  if (facts.st_size > kMaxKeyFile) {
    return sdk::failed_precondition(
        fmt::format("the key file {} is longer than {} bytes: it is no key", path, kMaxKeyFile));
  }
  std::string text(static_cast<std::size_t>(kMaxKeyFile), '\0');
  const ssize_t got = ::pread(fd.get(), text.data(), text.size(), 0);
  if (got < 0) {
    return sdk::failed_precondition("cannot read the key file " + path + ": " + errno_text(errno));
  }
  text.resize(static_cast<std::size_t>(got));
  return text;
}

}  // namespace

Result<entity::ParameterCipher> parameter_cipher(const config::Document& config) {
  std::vector<std::string> keys;
  for (const std::string& path : config.list("parameters.key_files")) {
    auto text = read_key_file(path);
    if (!text) return text.error().with_context(config.origin("parameters.key_files"));
    text->erase(std::remove_if(text->begin(), text->end(),
                               [](char c) { return c == ' ' || c == '\n' || c == '\r'; }),
                text->end());
    keys.push_back(std::move(*text));
  }
  auto cipher = entity::ParameterCipher::make(config.text("parameters.encryption"), keys);
  if (!cipher) return cipher.error().with_context(config.origin("parameters.key_files"));
  return cipher;
}

store::SqliteStore::Options store_options(const config::Document& config, Metrics& metrics) {
  store::SqliteStore::Options options;
  options.metrics = &metrics;
  options.retention.max_age_ms = config.duration("activations.keep").count();
  options.retention.max_count_of_namespace = config.integer("activations.keep_count");
  return options;
}

container::PoolOptions pool_options(const config::Document& config, const std::string& api_host) {
  container::PoolOptions options;
  options.instance = config.text("instance");
  options.memory_bytes = config.bytes("containers.memory");
  options.max_queue = static_cast<std::size_t>(config.integer("containers.queue_limit"));
  options.pause_grace = config.duration("containers.pause_grace");
  options.idle_timeout = config.duration("containers.idle_timeout");
  options.keep = static_cast<std::uint32_t>(config.integer("containers.keep"));
  options.keep_timeout = config.duration("containers.keep_timeout");
  options.predict = config.boolean("containers.predict");
  options.create_timeout = config.duration("containers.start_timeout");
  options.max_wait = config.duration("containers.start_patience");
  options.max_response_bytes = config.bytes("limits.result_max");
  const std::string configured = config.text("containers.api_host");
  options.environment = {{"__OW_API_HOST", configured.empty() ? api_host : configured}};
  return options;
}

std::string api_address(const std::string& listen, std::uint16_t port, bool tls) {
  std::string host = listen.substr(0, listen.rfind(':'));
  if (host.empty() || host == "0.0.0.0") host = "127.0.0.1";
  if (host == "[::]") host = "[::1]";
  return fmt::format("{}://{}:{}", tls ? "https" : "http", host, port);
}

Result<entity::RuntimesManifest> runtimes_manifest(const config::Document& config) {
  const std::string path = config.text("runtimes.manifest");
  std::string text;
  if (path.empty()) {
    Interpreters interpreters;
    const boost::json::object process = config.plugin("process");
    if (const auto* table = process.if_contains("interpreters"); table && table->is_object()) {
      const auto take = [&](const char* name, std::string& into) {
        const auto* value = table->get_object().if_contains(name);
        if (value && value->is_string()) into = std::string(value->get_string());
      };
      take("python", interpreters.python);
      take("nodejs", interpreters.nodejs);
    }
    text = default_runtimes(interpreters, config.boolean("containers.prewarm"));
  } else {
    auto content = read_file(path);
    if (!content) return content.error().with_context(config.origin("runtimes.manifest"));
    text = std::move(*content);
  }
  auto manifest = entity::RuntimesManifest::parse(text);
  if (!manifest) return manifest.error().with_context(path.empty() ? "the default manifest" : path);
  return manifest;
}

}  // namespace berth::daemon
