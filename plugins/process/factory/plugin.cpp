// SPDX-License-Identifier: Apache-2.0
#include "berth/sdk/plugin.hpp"

#include "factory/config.hpp"
#include "factory/process_factory.hpp"

BERTH_REGISTER_CONTAINER_FACTORY(berth::process::ProcessFactory, "process", "org.berth.process",
                                 "0.1.0", BERTH_PROCESS_SCHEMA,
                                 BERTH_NEEDS(BERTH_SERVICE_LOG, BERTH_SERVICE_METRICS));
