// SPDX-License-Identifier: Apache-2.0
#include "berth/sdk/plugin.hpp"

#include "schema.hpp"
#include "splunk_log_store.hpp"

BERTH_REGISTER_PLUGIN(berth::splunk::SplunkLogStore, "splunk", "org.berth.splunk", "0.1.0",
                      BERTH_PROVIDES(BERTH_INTERFACE_LOG_STORE, BERTH_INTERFACE_LOG_FOLLOW,
                                     BERTH_INTERFACE_LOG_OUT_OF_BAND),
                      BERTH_NEEDS(BERTH_SERVICE_LOG, BERTH_SERVICE_METRICS), BERTH_FLAGS(),
                      BERTH_SPLUNK_SCHEMA);
