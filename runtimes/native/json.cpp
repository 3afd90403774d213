// SPDX-License-Identifier: Apache-2.0
#include "json.hpp"

#include <array>
#include <cstdint>
#include <vector>

namespace berth::native {
namespace {

constexpr size_t kMaxDepth = 10000;
constexpr std::string_view kSpace = " \t\n\r";

// What stands for itself inside a string: codes are megabytes of it, so this is one look-up a byte.
constexpr std::array<bool, 256> kPlain = [] {
  std::array<bool, 256> plain{};
  for (size_t c = 0x20; c < plain.size(); ++c) plain[c] = c != '"' && c != '\\';
  return plain;
}();

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_utf8(std::string& out, uint32_t code) {
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0 | (code >> 6));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0 | (code >> 12));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    out += static_cast<char>(0xF0 | (code >> 18));
    out += static_cast<char>(0x80 | ((code >> 12) & 0x3F));
    out += static_cast<char>(0x80 | ((code >> 6) & 0x3F));
    out += static_cast<char>(0x80 | (code & 0x3F));
  }
}

// A validating reader; it keeps its own stack, so a deep value cannot exhaust ours.
class Validator {
 public:
  Validator(std::string_view text, std::string& error) : text_(text), error_(error) {}

  bool run() {
    skip_space();
    if (!value()) return false;
    while (!stack_.empty()) {
      if (!after_value()) return false;
    }
    skip_space();
    return at_ == text_.size() || fail("after top-level value");
  }

 private:
  bool fail(std::string_view place) {
    if (at_ >= text_.size()) {
      error_ = "unexpected end of JSON input";
      return false;
    }
    error_ = "invalid character '";
    // A whole UTF-8 character, not its first byte.
    size_t end = at_ + 1;
    while (end < text_.size() && (static_cast<unsigned char>(text_[end]) & 0xC0) == 0x80) ++end;
    error_.append(text_.substr(at_, end - at_)).append("' ").append(place);
    return false;
  }

  void skip_space() {
    at_ = text_.find_first_not_of(kSpace, at_);
    if (at_ == std::string_view::npos) at_ = text_.size();
  }

  bool at(char c) const { return at_ < text_.size() && text_[at_] == c; }

  // Consumes a scalar, or opens containers down to the first scalar or empty container.
  bool value() {
    for (;;) {
      if (at_ >= text_.size()) return fail("");
      const char c = text_[at_];
      if (c == '"') return string();
      if (c == '-' || is_digit(c)) return number();
      if (c == 't') return literal("true");
      if (c == 'f') return literal("false");
      if (c == 'n') return literal("null");
      if (c != '{' && c != '[') return fail("looking for beginning of value");
      if (stack_.size() >= kMaxDepth) {
        error_ = "exceeded max depth";
        return false;
      }
      ++at_;
      skip_space();
      const char close = c == '{' ? '}' : ']';
      if (at(close)) {
        ++at_;
        return true;
      }
      stack_.push_back(close);
      if (c == '{' && !key()) return false;
    }
  }

  bool key() {
    if (!at('"')) return fail("looking for beginning of object key string");
    if (!string()) return false;
    skip_space();
    if (!at(':')) return fail("after object key");
    ++at_;
    skip_space();
    return true;
  }

  bool after_value() {
    skip_space();
    const char close = stack_.back();
    if (at(close)) {
      ++at_;
      stack_.pop_back();
      return true;
    }
    if (!at(',')) return fail(close == '}' ? "after object key:value pair" : "after array element");
    ++at_;
    skip_space();
    if (close == '}' && !key()) return false;
    return value();
  }

  bool literal(std::string_view word) {
    for (const char expected : word) {
      if (!at(expected)) return fail("in literal " + std::string(word));
      ++at_;
    }
    return true;
  }

  bool digits() {
    if (at_ >= text_.size() || !is_digit(text_[at_])) return fail("in numeric literal");
    while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    return true;
  }

  bool number() {
    if (at('-')) ++at_;
    if (at('0')) {
      ++at_;
    } else if (!digits()) {
      return false;
    }
    if (at('.')) {
      ++at_;
      if (!digits()) return false;
    }
    if (at('e') || at('E')) {
      ++at_;
      if (at('+') || at('-')) ++at_;
      return digits();
    }
    return true;
  }

  bool string() {
    ++at_;
    for (;;) {
      while (at_ < text_.size() && kPlain[static_cast<unsigned char>(text_[at_])]) ++at_;
      if (at_ >= text_.size()) return fail("");
      const auto c = static_cast<unsigned char>(text_[at_]);
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c < 0x20) return fail("in string literal");
      ++at_;
      if (c == '\\' && !escape()) return false;
    }
  }

  bool escape() {
    if (at_ >= text_.size()) return fail("");
    if (text_[at_] != 'u') {
      if (std::string_view("\"\\/bfnrt").find(text_[at_]) == std::string_view::npos)
        return fail("in string escape code");
      ++at_;
      return true;
    }
    ++at_;
    for (int i = 0; i < 4; ++i, ++at_) {
      if (at_ >= text_.size() || hex_value(text_[at_]) < 0)
        return fail("in \\u hexadecimal character escape");
    }
    return true;
  }

  std::string_view text_;
  std::string& error_;
  size_t at_ = 0;
  std::vector<char> stack_;
};

// The length of the raw string at the start of the text, quotes included.
size_t string_length(std::string_view text) {
  size_t quote_at = 0;
  for (;;) {
    quote_at = text.find('"', quote_at + 1);
    size_t backslashes = 0;
    while (text[quote_at - 1 - backslashes] == '\\') ++backslashes;
    if (backslashes % 2 == 0) return quote_at + 1;
  }
}

// The length of the value at the start of the text.
size_t value_length(std::string_view text) {
  if (text.front() == '"') return string_length(text);
  size_t depth = 0;
  size_t at = 0;
  while (at < text.size()) {
    const char c = text[at];
    if (c == '"') {
      at += string_length(text.substr(at));
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') {
      if (depth == 0) return at;
      if (--depth == 0) return at + 1;
    }
    if (depth == 0 && (c == ',' || kSpace.find(c) != std::string_view::npos)) return at;
    ++at;
  }
  return at;
}

uint32_t hex4(std::string_view text) {
  uint32_t code = 0;
  for (int i = 0; i < 4; ++i) code = code * 16 + static_cast<uint32_t>(hex_value(text[i]));
  return code;
}

}  // namespace

bool validate(std::string_view text, std::string& error) {
  return Validator(text, error).run();
}

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(kSpace);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kSpace) - first + 1);
}

bool detail::next_member(std::string_view& rest, std::string_view& name, std::string_view& value) {
  const size_t start = rest.find_first_of("\"}");
  if (start == std::string_view::npos || rest[start] == '}') return false;
  rest.remove_prefix(start);
  name = rest.substr(0, string_length(rest));
  rest.remove_prefix(name.size());
  rest.remove_prefix(rest.find(':') + 1);
  rest.remove_prefix(rest.find_first_not_of(kSpace));
  value = rest.substr(0, value_length(rest));
  rest.remove_prefix(value.size());
  return true;
}

std::optional<std::string_view> find_member(std::string_view text, std::string_view name) {
  std::optional<std::string_view> found;
  for_each_member(text, [&](std::string_view raw_name, std::string_view value) {
    if (unescape(raw_name) == name) found = value;
  });
  return found;
}

std::string unescape(std::string_view raw) {
  raw = raw.substr(1, raw.size() - 2);
  std::string out;
  out.reserve(raw.size());
  size_t at = 0;
  while (at < raw.size()) {
    const size_t backslash = raw.find('\\', at);
    out.append(raw.substr(at, backslash - at));
    if (backslash == std::string_view::npos) break;
    const char c = raw[backslash + 1];
    at = backslash + 2;
    switch (c) {
      case 'b': out += '\b'; break;
      case 'f': out += '\f'; break;
      case 'n': out += '\n'; break;
      case 'r': out += '\r'; break;
      case 't': out += '\t'; break;
      case 'u': {
        uint32_t code = hex4(raw.substr(at));
        at += 4;
        const bool high = code >= 0xD800 && code < 0xDC00;
        if (high && raw.substr(at, 2) == "\\u") {
          const uint32_t low = hex4(raw.substr(at + 2));
          if (low >= 0xDC00 && low < 0xE000) {
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
            at += 6;
          }
        }
        append_utf8(out, code >= 0xD800 && code < 0xE000 ? 0xFFFD : code);
        break;
      }
      default: out += c;
    }
  }
  return out;
}

std::string compact(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '"') {
      const size_t length = string_length(text.substr(at));
      out.append(text.substr(at, length));
      at += length;
      continue;
    }
    if (kSpace.find(text[at]) == std::string_view::npos) out += text[at];
    ++at;
  }
  return out;
}

std::string quote(std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (byte < 0x20) {
      out += "\\u00";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace berth::native
