// SPDX-License-Identifier: Apache-2.0
#include "link.hpp"

#include <gtest/gtest.h>

namespace berth::log_driver {
namespace {

std::string fill(std::string_view link, std::int64_t start_ms = 1'767'323'045'006,
                 std::string_view action = "guest/demo/a b&c") {
  berth_activation_ref ref{};
  ref.struct_size = sizeof ref;
  ref.activation_id = sdk::str("44794bd6aab74415b4e42a308d880e5b");
  ref.namespace_name = sdk::str("guest");
  ref.action = sdk::str(action);
  ref.start_ms = start_ms;
  return fill_link(link, sdk::ActivationRefView(ref));
}

TEST(Link, ItsNamesAreReplacedAndEscaped) {
  EXPECT_EQ(fill("https://x/?q={activation}&n={namespace}&a={action}"),
            "https://x/?q=44794bd6aab74415b4e42a308d880e5b&n=guest&a=guest%2Fdemo%2Fa%20b%26c");
  EXPECT_EQ(fill("https://x/{start}/{start_ms}"),
            "https://x/2026-01-02T03%3A04%3A05.006Z/1767323045006");
}

TEST(Link, AnUnknownTimeIsEmpty) {
  EXPECT_EQ(fill("https://x/{start}-{end_ms}", 0), "https://x/-");
}

TEST(Link, WhatIsNoNameStays) {
  EXPECT_EQ(fill("https://x/{activation"), "https://x/{activation");
  EXPECT_EQ(fill("https://x/}"), "https://x/}");
  EXPECT_EQ(fill(""), "");
}

TEST(Link, TellsUnknownNames) {
  EXPECT_EQ(unknown_in_link("https://x/{activation}"), "");
  EXPECT_EQ(unknown_in_link("https://x/{activation}{id}{x}"), "{id}");
  EXPECT_NE(link_names().find("{activation}"), std::string::npos);
}

}  // namespace
}  // namespace berth::log_driver
