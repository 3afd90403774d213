// SPDX-License-Identifier: Apache-2.0
#include "differential.hpp"

#include <gmock/gmock.h>
#include <random>

#include "parser_samples.hpp"

namespace berth::http::testing {
namespace {

constexpr int kMutations = 300;
constexpr std::size_t kLongest = 4096;  // longer samples test limits, of which Beast has others

// Characters on which parsers of HTTP tend to differ.
using namespace std::string_view_literals;
constexpr std::string_view kTroublesome = "\r\n \t:;,=\"\\\0\v\x7f\xff#*/@0123456789abcfxHT"sv;

std::string mutate(std::string bytes, std::mt19937& random) {
  for (unsigned edits = 1 + random() % 3; edits > 0 && !bytes.empty(); --edits) {
    const std::size_t at = random() % bytes.size();
    const char character = kTroublesome[random() % kTroublesome.size()];
    switch (random() % 5) {
      case 0: bytes[at] = character; break;
      case 1: bytes.insert(at, 1, character); break;
      case 2: bytes.erase(at, 1 + random() % 3); break;
      case 3: bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 40)); break;
      default: bytes.insert(at, "\r\n"); break;
    }
  }
  return bytes;
}

void compare_all(const std::vector<Sample>& samples, Parser::Kind kind) {
  std::mt19937 random(1);
  for (const Sample& sample : samples) {
    if (sample.bytes.size() > kLongest) continue;
    for (int i = 0; i <= kMutations; ++i) {
      const std::string bytes = i == 0 ? sample.bytes : mutate(sample.bytes, random);
      const auto differs =
          compare_with_beast(kind, bytes, bytes.empty() ? 0 : random() % bytes.size());
      ASSERT_EQ(differs, std::nullopt) << sample.name << ":\n" << ::testing::PrintToString(bytes);
    }
  }
}

TEST(DifferentialTest, RequestsAreReadAsBeastReadsThem) {
  compare_all(request_samples(), Parser::Kind::kRequest);
}

TEST(DifferentialTest, ResponsesAreReadAsBeastReadsThem) {
  compare_all(response_samples(), Parser::Kind::kResponse);
}

}  // namespace
}  // namespace berth::http::testing
