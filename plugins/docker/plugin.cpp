// SPDX-License-Identifier: Apache-2.0
#include "berth/sdk/plugin.hpp"

#include "docker/config.hpp"
#include "docker/docker_factory.hpp"

BERTH_REGISTER_CONTAINER_FACTORY(berth::docker::DockerFactory, "docker", "org.berth.docker",
                                 "0.1.0", BERTH_DOCKER_SCHEMA,
                                 BERTH_NEEDS(BERTH_SERVICE_LOG, BERTH_SERVICE_METRICS,
                                             BERTH_SERVICE_STATE));
