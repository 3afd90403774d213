// SPDX-License-Identifier: Apache-2.0
#include "berth/sdk/plugin.hpp"

#include "file_log_store.hpp"
#include "settings.hpp"

BERTH_REGISTER_PLUGIN(berth::file::FileLogStore, "file", "org.berth.file", "0.1.0",
                      BERTH_PROVIDES(BERTH_INTERFACE_LOG_STORE, BERTH_INTERFACE_LOG_FOLLOW),
                      BERTH_NEEDS(BERTH_SERVICE_LOG, BERTH_SERVICE_METRICS), BERTH_FLAGS(),
                      BERTH_FILE_SCHEMA);
