// SPDX-License-Identifier: Apache-2.0
// Everything a plugin written in C++17 needs, in one include. A whole plugin:
//
//   #include <berth/sdk/plugin.hpp>
//
//   class Echo final : public berth::sdk::ContainerFactory {
//    public:
//     explicit Echo(const berth::sdk::OpenArgs& args) : log_(args.host.log()) {}
//     void create(const berth::sdk::CreateRequestView& request,
//                 berth::sdk::Promise<berth::sdk::ContainerInfo> done) override;
//     ...
//   };
//
//   BERTH_REGISTER_CONTAINER_FACTORY(Echo, "echo", "org.example.echo", "1.0.0",
//                                    R"({"type": "object"})", BERTH_NEEDS(BERTH_SERVICE_LOG));
//
// and in CMake: berth_add_plugin(echo SOURCES echo.cpp).
#pragma once

#include "berth/sdk/container_factory.hpp"   // IWYU pragma: export
#include "berth/sdk/container_optional.hpp"  // IWYU pragma: export
#include "berth/sdk/host.hpp"                // IWYU pragma: export
#include "berth/sdk/log_store.hpp"           // IWYU pragma: export
#include "berth/sdk/promise.hpp"             // IWYU pragma: export
#include "berth/sdk/register.hpp"            // IWYU pragma: export
#include "berth/sdk/status.hpp"              // IWYU pragma: export
#include "berth/sdk/strings.hpp"             // IWYU pragma: export
