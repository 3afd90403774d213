// SPDX-License-Identifier: Apache-2.0
// Any bytes as a master's event stream: its framing gives the same records whatever the pieces, and
// each record is read as an event. The first byte says in which pieces.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "berth_mesos_v1.pb.h"
#include "mesos/protocol/record_io.hpp"

namespace {

constexpr std::size_t kMaxRecord = 1 << 20;

std::string records(std::string_view text, std::size_t piece, bool parse) {
  std::string seen;
  berth::mesos::RecordReader reader(kMaxRecord, [&](std::string_view record) {
    seen += std::to_string(record.size()) + ":";
    seen += record;
    if (!parse) return true;
    berth::mesos::v1::Event event;
    if (event.ParseFromArray(record.data(), static_cast<int>(record.size()))) {
      berth::mesos::v1::Event again;
      if (!again.ParseFromString(event.SerializeAsString())) std::abort();
    }
    return true;
  });
  while (!text.empty() && reader.feed(text.substr(0, piece))) {
    text.remove_prefix(std::min(piece, text.size()));
  }
  return seen + "/" + reader.error();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = data[0] == 0 ? 1 : data[0];
  if (records(text, piece, true) != records(text, text.size() + 1, false)) std::abort();
  return 0;
}
