// SPDX-License-Identifier: Apache-2.0
// What the tests of the splunk plugin's parts share.
#pragma once

#include <cstdint>
#include <filesystem>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <vector>

#include "berth/sdk/log_store.hpp"
#include "hec_event.hpp"
#include "settings.hpp"
#include "support/temporary_directory.hpp"

namespace berth::splunk {

inline constexpr const char* kId = "44794bd6aab74415b4e42a308d880e5b";

using test::TemporaryDirectory;

inline Settings settings_with(const std::string& more = "") {
  return Settings::parse(
      R"({"hec_url":"http://h:8088","hec_token":"t")" + (more.empty() ? "" : "," + more) + "}",
      "/tmp", "b1");
}

// The events of one append by namespace guest.
inline std::string events_of(const Settings& settings, const std::vector<std::string>& texts,
                             bool final = true, std::uint64_t first = 0) {
  berth_activation_ref ref{};
  ref.struct_size = sizeof ref;
  ref.activation_id = sdk::str(kId);
  ref.namespace_name = sdk::str("guest");
  ref.namespace_id = sdk::str("23bc46b1-71f6-4ed5-8c54-816aa4f8c502");
  ref.action = sdk::str("guest/demo/hello");
  std::vector<berth_log_line> lines;
  for (const std::string& text : texts) {
    const std::uint64_t sequence = first + lines.size();
    lines.push_back({sequence % 2 == 0 ? BERTH_STREAM_STDOUT : BERTH_STREAM_STDERR, 0,
                     1'767'323'045'006'000'000 + static_cast<std::int64_t>(sequence), sequence,
                     sdk::str(text)});
  }
  return format_events(settings, sdk::ActivationRefView(ref), {lines.data(), lines.size()}, final,
                       1'767'323'046'000'000'000);
}

}  // namespace berth::splunk
