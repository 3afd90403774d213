// SPDX-License-Identifier: Apache-2.0
#include "activation/json_shape.hpp"

#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <cstdint>
#include <string>

namespace berth::activation {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxDepth = 500;

// The callbacks of Boost.JSON's parser that keep nothing but what json_shape() tells.
struct ShapeHandler {
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);

  int depth = 0;
  JsonShape shape = JsonShape::kScalar;
  std::string key;  // the current one of the top object, if it can still be `error`

  bool on_document_begin(json::error_code&) { return true; }
  bool on_document_end(json::error_code&) { return true; }
  bool on_object_begin(json::error_code&) {
    if (depth++ == 0) shape = JsonShape::kObject;
    return true;
  }
  bool on_object_end(std::size_t, json::error_code&) {
    --depth;
    return true;
  }
  bool on_array_begin(json::error_code&) {
    if (depth++ == 0) shape = JsonShape::kArray;
    return true;
  }
  bool on_array_end(std::size_t, json::error_code&) {
    --depth;
    return true;
  }
  bool on_key_part(json::string_view part, std::size_t, json::error_code&) {
    if (depth == 1) key.append(part.data(), part.size() < 8 ? part.size() : 8);
    return true;
  }
  bool on_key(json::string_view part, std::size_t size, json::error_code&) {
    if (depth != 1) return true;
    if (size == 5) {
      key.append(part.data(), part.size());
      if (key == "error") shape = JsonShape::kObjectWithError;
    }
    key.clear();
    return true;
  }
  bool on_string_part(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_string(json::string_view, std::size_t, json::error_code&) { return true; }
  bool on_number_part(json::string_view, json::error_code&) { return true; }
  bool on_int64(std::int64_t, json::string_view, json::error_code&) { return true; }
  bool on_uint64(std::uint64_t, json::string_view, json::error_code&) { return true; }
  bool on_double(double, json::string_view, json::error_code&) { return true; }
  bool on_bool(bool, json::error_code&) { return true; }
  bool on_null(json::error_code&) { return true; }
  bool on_comment_part(json::string_view, json::error_code&) { return true; }
  bool on_comment(json::string_view, json::error_code&) { return true; }
};

// Walks over text that is known to be valid JSON.
class Walker {
 public:
  explicit Walker(std::string_view text) : text_(text) {}

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void next() { ++at_; }
  void skip_space() {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') next();
  }
  // The string at the current place, with its quotes.
  std::string_view string() {
    const std::size_t begin = at_++;
    while (at_ < text_.size() && text_[at_] != '"') at_ += text_[at_] == '\\' ? 2 : 1;
    ++at_;
    return text_.substr(begin, at_ - begin);
  }
  std::string_view value() {
    const std::size_t begin = at_;
    std::size_t depth = 0;
    while (at_ < text_.size()) {
      const char c = peek();
      if (c == '"') {
        string();
      } else if (c == '{' || c == '[') {
        ++depth;
        next();
      } else if ((c == '}' || c == ']' || c == ',') && depth == 0) {
        break;
      } else {
        if (c == '}' || c == ']') --depth;
        next();
      }
      if (depth == 0 && (c == '"' || c == '}' || c == ']')) break;
    }
    std::string_view found = text_.substr(begin, at_ - begin);
    while (!found.empty() && static_cast<unsigned char>(found.back()) <= ' ')
      found.remove_suffix(1);
    return found;
  }

 private:
  std::string_view text_;
  std::size_t at_ = 0;
};

bool is_key(std::string_view quoted, std::string_view key) {
  if (quoted.find('\\') == std::string_view::npos)
    return quoted.substr(1, quoted.size() - 2) == key;
  json::error_code error;
  const json::value text = json::parse({quoted.data(), quoted.size()}, error);
  return !error && text.is_string() &&
         text.get_string() == json::string_view(key.data(), key.size());
}

}  // namespace

std::string_view raw_member(std::string_view object, std::string_view key) {
  std::string_view found;
  Walker walker(object);
  walker.skip_space();
  while (walker.peek() == '{' || walker.peek() == ',') {
    walker.next();
    walker.skip_space();
    if (walker.peek() != '"') break;
    const std::string_view name = walker.string();
    walker.skip_space();
    walker.next();
    walker.skip_space();
    const std::string_view value = walker.value();
    if (is_key(name, key)) found = value;
    walker.skip_space();
  }
  return found;
}

JsonShape json_shape(std::string_view text) {
  json::parse_options options;
  options.max_depth = kMaxDepth;
  json::basic_parser<ShapeHandler> parser(options);
  json::error_code error;
  const std::size_t used = parser.write_some(false, text.data(), text.size(), error);
  if (error || used != text.size() || !parser.done()) return JsonShape::kInvalid;
  return parser.handler().shape;
}

}  // namespace berth::activation
