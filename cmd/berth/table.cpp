// SPDX-License-Identifier: Apache-2.0
#include "table.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <sys/ioctl.h>
#include <unistd.h>

#include "output.hpp"

namespace berth::cli {
namespace {

constexpr std::size_t kGap = 2;
constexpr std::size_t kNarrowest = 12;  // of a column that is cut
constexpr std::string_view kEllipsis = "\xe2\x80\xa6";

// Columns of a text: one for each code point, which is right for most scripts.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::count_if(text.begin(), text.end(), [](char c) {
    return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  }));
}

std::string cut(const std::string& text, std::size_t width) {
  if (width_of(text) <= width) return text;
  std::string out;
  std::size_t columns = 0;
  for (const char c : text) {
    const bool begins = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    if (begins && ++columns == width) break;
    out += c;
  }
  return out.append(kEllipsis);
}

// What would be of no use in part.
bool is_whole(std::string_view head) {
  return head == "ACTIVATION" || head == "UUID" || head.ends_with("ID") || head.ends_with("(UTC)");
}

void fit(std::vector<std::size_t>& widths, const std::vector<std::string>& head,
         std::size_t width) {
  std::size_t total = widths.empty() ? 0 : (widths.size() - 1) * kGap;
  for (const std::size_t one : widths) total += one;
  while (total > width) {
    std::size_t widest = widths.size();
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string& name = i < head.size() ? head[i] : std::string();
      if (is_whole(name) || widths[i] <= std::max(kNarrowest, width_of(name))) continue;
      if (widest == widths.size() || widths[i] > widths[widest]) widest = i;
    }
    if (widest == widths.size()) return;  // the terminal has to break the lines
    --widths[widest];
    --total;
  }
}

Colour colour_of(bool is_head, std::string_view head, std::string_view cell) {
  if (is_head) return Colour::kBold;
  if (head != "STATUS") return Colour::kNone;
  return cell == "success" ? Colour::kGreen : Colour::kRed;
}

}  // namespace

Surface surface() {
  Surface on;
  if (::isatty(STDOUT_FILENO) != 1) return on;
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0) on.width = size.ws_col;
  const char* none = std::getenv("NO_COLOR");
  const char* terminal = std::getenv("TERM");
  on.colours = (none == nullptr || *none == '\0') && terminal != nullptr && *terminal != '\0' &&
               std::string_view(terminal) != "dumb";
  return on;
}

std::string coloured(const std::string& text, Colour colour, const Surface& on) {
  if (!on.colours || colour == Colour::kNone || text.empty()) return text;
  const char* code = "1";
  switch (colour) {
    case Colour::kGreen: code = "32"; break;
    case Colour::kYellow: code = "33"; break;
    case Colour::kRed: code = "31"; break;
    case Colour::kBold:
    case Colour::kNone: break;
  }
  return std::string("\x1b[") + code + 'm' + text + "\x1b[0m";
}

std::string table(const Rows& rows, const Surface& on) {
  if (rows.empty()) return {};
  Rows cells = rows;
  std::vector<std::size_t> widths;
  for (auto& row : cells) {
    widths.resize(std::max(widths.size(), row.size()));
    for (std::size_t i = 0; i < row.size(); ++i) {
      row[i] = printable(row[i]);
      widths[i] = std::max(widths[i], width_of(row[i]));
    }
  }
  const std::vector<std::string> head = cells.front();
  if (on.width > 0) fit(widths, head, on.width);
  std::string out;
  for (const auto& row : cells) {
    const bool is_head = &row == &cells.front();
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string cell = cut(row[i], widths[i]);
      const std::string_view name = i < head.size() ? std::string_view(head[i]) : "";
      out += coloured(cell, colour_of(is_head, name, cell), on);
      if (i + 1 < row.size()) out.append(widths[i] - width_of(cell) + kGap, ' ');
    }
    out += '\n';
  }
  return out;
}

void print_table(const Rows& rows) {
  std::fputs(table(rows, surface()).c_str(), stdout);
}

}  // namespace berth::cli
