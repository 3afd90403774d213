// SPDX-License-Identifier: Apache-2.0
#include "conformance/log_store_conformance.hpp"
#include "support/splunk/test_splunk.hpp"

namespace berth::conformance {
namespace {

struct WithSplunk : LogStoreSubject {
  explicit WithSplunk(const std::string& more, const std::string& faults = "{}") {
    plugin_file = BERTH_PLUGIN_FILE;
    follows = true;
    config = test::splunk_config(splunk, more);
    splunk.faults(faults);
  }
  test::TestSplunk splunk;
};

// Small pages and parts of lines, so that lines are joined from several.
std::unique_ptr<LogStoreSubject> in_small_pieces() {
  return std::make_unique<WithSplunk>(
      R"("max_event_bytes":512,"page_rows":16,"gzip":false,"spool_segment_bytes":4096)");
}
std::unique_ptr<LogStoreSubject> acknowledged() {
  return std::make_unique<WithSplunk>(R"("acknowledge":true,"sync":"always")");
}
// What was taken can be searched only a little later.
std::unique_ptr<LogStoreSubject> slowly_indexed() {
  return std::make_unique<WithSplunk>(R"("attempt_wait_ms":50)", R"({"index_after_ms":120})");
}

INSTANTIATE_TEST_SUITE_P(SmallPieces, LogStoreConformance, testing::Values(&in_small_pieces));
INSTANTIATE_TEST_SUITE_P(Acknowledged, LogStoreConformance, testing::Values(&acknowledged));
INSTANTIATE_TEST_SUITE_P(SlowlyIndexed, LogStoreConformance, testing::Values(&slowly_indexed));

}  // namespace
}  // namespace berth::conformance
