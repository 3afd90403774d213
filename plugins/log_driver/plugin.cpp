// SPDX-License-Identifier: Apache-2.0
#include "berth/sdk/plugin.hpp"

#include "log_driver_store.hpp"
#include "settings.hpp"

BERTH_REGISTER_LOG_STORE(berth::log_driver::LogDriverStore, "log-driver", "org.berth.log-driver",
                         "0.1.0", BERTH_LOG_DRIVER_SCHEMA, BERTH_NEEDS(BERTH_SERVICE_LOG),
                         BERTH_FLAGS("log-store-out-of-band"));
