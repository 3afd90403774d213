// SPDX-License-Identifier: Apache-2.0
#include "berth/sdk/plugin.hpp"

#include "mesos/mesos_factory.hpp"
#include "mesos/schema.hpp"

BERTH_REGISTER_CONTAINER_FACTORY(berth::mesos::MesosFactory, "mesos", "org.berth.mesos", "0.1.0",
                                 BERTH_MESOS_SCHEMA,
                                 BERTH_NEEDS(BERTH_SERVICE_LOG, BERTH_SERVICE_METRICS,
                                             BERTH_SERVICE_STATE));
