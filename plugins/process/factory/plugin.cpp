// SPDX-License-Identifier: Apache-2.0
#include "berth/sdk/plugin.hpp"

#include "factory/config.hpp"
#include "factory/process_factory.hpp"

BERTH_REGISTER_PLUGIN(berth::process::ProcessFactory, "process", "org.berth.process", "0.1.0",
                      BERTH_PROVIDES(BERTH_INTERFACE_CONTAINER_FACTORY, BERTH_INTERFACE_RESIZE,
                                     BERTH_INTERFACE_STATS),
                      BERTH_NEEDS(BERTH_SERVICE_LOG, BERTH_SERVICE_METRICS), BERTH_FLAGS(),
                      BERTH_PROCESS_SCHEMA);
