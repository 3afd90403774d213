// SPDX-License-Identifier: Apache-2.0
#include "berth/sdk/plugin.hpp"

#include "docker/config.hpp"
#include "docker/docker_factory.hpp"

BERTH_REGISTER_PLUGIN(berth::docker::DockerFactory, "docker", "org.berth.docker", "0.1.0",
                      BERTH_PROVIDES(BERTH_INTERFACE_CONTAINER_FACTORY, BERTH_INTERFACE_RESIZE,
                                     BERTH_INTERFACE_STATS),
                      BERTH_NEEDS(BERTH_SERVICE_LOG, BERTH_SERVICE_METRICS, BERTH_SERVICE_STATE),
                      BERTH_FLAGS(), BERTH_DOCKER_SCHEMA);
