// SPDX-License-Identifier: Apache-2.0
// The HTTP parser on any bytes: no crash, the same outcome however they are split, and where it
// accepts, what Beast reads. The first byte says request or response, the second where to split.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "differential.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const auto kind =
      data[0] % 2 == 0 ? berth::http::Parser::Kind::kRequest : berth::http::Parser::Kind::kResponse;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto differs = berth::http::testing::compare_with_beast(kind, bytes, data[1]);
  if (differs) {
    std::fprintf(stderr, "%s\n", differs->c_str());
    std::abort();
  }
  return 0;
}
