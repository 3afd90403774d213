// SPDX-License-Identifier: Apache-2.0
#include "conformance/log_store_conformance.hpp"

namespace berth::conformance {
namespace {

std::unique_ptr<LogStoreSubject> small_files() {
  auto subject = std::make_unique<LogStoreSubject>();
  subject->plugin_file = BERTH_PLUGIN_FILE;
  subject->follows = true;
  // Small files, so that logs lie in several of them.
  subject->config = R"({"max_file_bytes":65536,"max_files":0})";
  return subject;
}

std::unique_ptr<LogStoreSubject> safe_files() {
  auto subject = std::make_unique<LogStoreSubject>();
  subject->plugin_file = BERTH_PLUGIN_FILE;
  subject->follows = true;
  subject->config = R"({"sync":"always"})";
  return subject;
}

INSTANTIATE_TEST_SUITE_P(SmallFiles, LogStoreConformance, testing::Values(&small_files));
INSTANTIATE_TEST_SUITE_P(SafeFiles, LogStoreConformance, testing::Values(&safe_files));

}  // namespace
}  // namespace berth::conformance
