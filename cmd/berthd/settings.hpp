// SPDX-License-Identifier: Apache-2.0
// The configuration as the parts of the house take it: one function a part. Pure.
#pragma once

#include <chrono>
#include <string>

#include "api/api.hpp"
#include "base/config.hpp"
#include "base/result.hpp"
#include "container/pool_options.hpp"
#include "entity/limits.hpp"
#include "entity/parameter_cipher.hpp"
#include "entity/runtimes.hpp"
#include "http/server.hpp"
#include "store/sqlite_store.hpp"

namespace berth::daemon {

// Checks what one key's range cannot say: min <= default <= max, a sane instance name. All errors
// in one, each with its origin.
Status check(const config::Document& config);

void configure_log(const config::Document& config);
entity::LimitBounds limit_bounds(const config::Document& config);
api::Throttles throttles(const config::Document& config);
http::ServerOptions server_options(const config::Document& config);
// What the keys' files say. Errors name the file.
Result<entity::ParameterCipher> parameter_cipher(const config::Document& config);
store::SqliteStore::Options store_options(const config::Document& config, Metrics& metrics);
// `api_host` is the address functions may call back.
container::PoolOptions pool_options(const config::Document& config, const std::string& api_host);
// The address clients on this machine use: that of http.listen with the port in use, and loopback
// in place of "all addresses". E.g. "http://127.0.0.1:3233".
std::string api_address(const std::string& listen, std::uint16_t port, bool tls);
// The manifest that runtimes.manifest names, or the one of this machine.
Result<entity::RuntimesManifest> runtimes_manifest(const config::Document& config);

}  // namespace berth::daemon
