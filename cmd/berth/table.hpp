// SPDX-License-Identifier: Apache-2.0
// Tables, and what standard output can show: as wide as the terminal, in colours where there are
// some.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace berth::cli {

// What it is printed on.
struct Surface {
  std::size_t width = 0;  // columns; 0: there is no end
  bool colours = false;
};

// Of standard output. No colours where it is no terminal, a dumb one, or NO_COLOR is set.
Surface surface();

enum class Colour { kNone, kBold, kGreen, kYellow, kRed };
// With the codes of a terminal around it; as it is for a surface without colours.
std::string coloured(const std::string& text, Colour colour, const Surface& on);

using Rows = std::vector<std::vector<std::string>>;

// Columns as wide as their widest cell, two blanks between; the first row is the head. Where that
// is too wide the widest columns are cut, with an ellipsis; those with ids never, since an id in
// part is none. With a newline at the end; control characters in cells are shown as '?'.
std::string table(const Rows& rows, const Surface& on = {});
// On standard output.
void print_table(const Rows& rows);

}  // namespace berth::cli
