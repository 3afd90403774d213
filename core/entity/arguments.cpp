// SPDX-License-Identifier: Apache-2.0
#include "entity/arguments.hpp"

#include <algorithm>
#include <boost/json/basic_parser_impl.hpp>
#include <boost/json/serialize.hpp>
#include <map>

#include "base/json.hpp"

namespace berth::entity {
namespace {

constexpr std::size_t kMaxDepth = 256;
// What an action may return is deeper than what a client may send.
constexpr std::size_t kMaxStepDepth = 512;
// Actions whose parameters are kept ready. More only cost the time to prepare them again.
constexpr std::size_t kMaxPrepared = 4096;
constexpr std::uint64_t kHashStart = 0xcbf29ce484222325;
constexpr std::uint64_t kHashStep = 0x100000001b3;

// Watches a parse go by: the top level's keys, and whether some object may have a key twice. Keys
// are compared by hash: that two differ and hash alike only costs the slower way.
class Watcher {
 public:
  static constexpr std::size_t max_object_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_array_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_key_size = static_cast<std::size_t>(-1);
  static constexpr std::size_t max_string_size = static_cast<std::size_t>(-1);
  using Error = boost::system::error_code;
  using View = boost::json::string_view;

  explicit Watcher(bool want_keys) : want_keys_(want_keys) {}

  bool is_object() const { return is_object_; }
  bool may_repeat() const { return may_repeat_; }
  std::vector<std::string>& keys() { return keys_; }

  bool on_document_begin(Error&) { return true; }
  bool on_document_end(Error&) { return true; }
  bool on_object_begin(Error&) {
    if (depth_++ == 0) is_object_ = true;
    starts_.push_back(hashes_.size());
    return true;
  }
  bool on_object_end(std::size_t, Error&) {
    const auto first = hashes_.begin() + static_cast<std::ptrdiff_t>(starts_.back());
    if (hashes_.end() - first > 1) {
      std::sort(first, hashes_.end());
      may_repeat_ |= std::adjacent_find(first, hashes_.end()) != hashes_.end();
    }
    hashes_.erase(first, hashes_.end());
    starts_.pop_back();
    --depth_;
    return true;
  }
  bool on_array_begin(Error&) {
    ++depth_;
    return true;
  }
  bool on_array_end(std::size_t, Error&) {
    --depth_;
    return true;
  }
  bool on_key_part(View part, std::size_t, Error&) {
    add(part);
    return true;
  }
  bool on_key(View part, std::size_t, Error&) {
    add(part);
    hashes_.push_back(hash_);
    hash_ = kHashStart;
    if (want_keys_ && depth_ == 1) keys_.push_back(std::move(key_));
    key_.clear();
    return true;
  }
  bool on_string_part(View, std::size_t, Error&) { return true; }
  bool on_string(View, std::size_t, Error&) { return true; }
  bool on_number_part(View, Error&) { return true; }
  bool on_int64(std::int64_t, View, Error&) { return true; }
  bool on_uint64(std::uint64_t, View, Error&) { return true; }
  bool on_double(double, View, Error&) { return true; }
  bool on_bool(bool, Error&) { return true; }
  bool on_null(Error&) { return true; }
  bool on_comment_part(View, Error&) { return true; }
  bool on_comment(View, Error&) { return true; }

 private:
  void add(View part) {
    for (const char c : part) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * kHashStep;
    if (want_keys_ && depth_ == 1) key_.append(part.data(), part.size());
  }

  bool want_keys_;
  bool is_object_ = false;
  bool may_repeat_ = false;
  std::size_t depth_ = 0;
  std::uint64_t hash_ = kHashStart;
  std::string key_;
  std::vector<std::string> keys_;      // of the top level, decoded
  std::vector<std::uint64_t> hashes_;  // of the keys of all open objects
  std::vector<std::size_t> starts_;    // where each open object's hashes begin
};

bool is_blank(char c) {
  return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

// A string of valid JSON has no raw line ends, so those that are there are blanks between tokens.
// Some runtimes read their arguments by the line.
void join_lines(std::string& text) {
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
}

}  // namespace

Defaults::Defaults(const Parameters& parameters) {
  std::map<std::string_view, const Parameter*> last;
  for (const Parameter& parameter : parameters) last[parameter.key] = &parameter;
  for (const auto& [key, parameter] : last) {
    Member& member = members_.emplace_back(Member{std::string(key), {}});
    if (parameter->init) continue;
    member.text = json_quote(key) + ':' + boost::json::serialize(parameter->value);
    if (!text_.empty()) text_ += ',';
    text_ += member.text;
  }
}

std::size_t Defaults::bytes() const {
  std::size_t keys = 0;
  for (const Member& member : members_) keys += sizeof(Member) + member.key.size();
  return keys + 2 * text_.size();
}

Result<std::string> merge(const Defaults& defaults, std::string_view payload, bool is_final,
                          std::size_t max_depth) {
  payload = trim(payload);
  if (payload.empty()) return '{' + defaults.text_ + '}';

  boost::json::parse_options options;
  options.max_depth = max_depth;
  boost::json::basic_parser<Watcher> parser(options, !defaults.empty());
  boost::system::error_code error;
  const std::size_t used = parser.write_some(false, payload.data(), payload.size(), error);
  if (error || used != payload.size()) {
    // The slow parser knows the line and column.
    const auto tree = parse_json(payload, max_depth);
    return tree ? sdk::invalid_argument("extra data") : tree.error();
  }
  Watcher& seen = parser.handler();
  if (!seen.is_object()) return sdk::invalid_argument("the arguments must be a JSON object");

  std::vector<std::string>& keys = seen.keys();
  std::sort(keys.begin(), keys.end());
  const auto overridden = [&keys](const std::string& key) {
    return std::binary_search(keys.begin(), keys.end(), key);
  };
  if (is_final) {
    for (const Defaults::Member& member : defaults.members_) {
      if (overridden(member.key)) {
        return sdk::failed_precondition("'" + member.key + "' is final");
      }
    }
  }

  std::string rewritten;
  if (seen.may_repeat()) {
    const auto tree = parse_json(payload, max_depth);
    if (!tree) return tree.error();
    rewritten = boost::json::serialize(*tree);
    payload = rewritten;
  }
  std::string arguments;
  arguments.reserve(payload.size() + defaults.text_.size() + 1);
  arguments += '{';
  for (const Defaults::Member& member : defaults.members_) {
    if (member.text.empty() || overridden(member.key)) continue;
    if (arguments.size() > 1) arguments += ',';
    arguments += member.text;
  }
  const std::string_view inner = trim(payload.substr(1, payload.size() - 2));
  if (arguments.size() > 1 && !inner.empty()) arguments += ',';
  arguments += inner;
  arguments += '}';
  join_lines(arguments);
  return arguments;
}

Result<std::string> merge_arguments(const Defaults& defaults, std::string_view payload,
                                    bool is_final) {
  return merge(defaults, payload, is_final, kMaxDepth);
}

std::optional<std::string> put_in_front(std::string_view front, std::string_view payload,
                                        std::string_view reserved) {
  payload = trim(payload);
  if (payload.empty()) return std::string("{").append(front).append("}");
  boost::json::parse_options options;
  options.max_depth = kMaxDepth;
  boost::json::basic_parser<Watcher> parser(options, true);
  boost::system::error_code error;
  const std::size_t used = parser.write_some(false, payload.data(), payload.size(), error);
  Watcher& seen = parser.handler();
  if (error || used != payload.size() || !seen.is_object() || seen.may_repeat() ||
      !payload.starts_with('{')) {
    return std::nullopt;
  }
  for (const std::string& key : seen.keys()) {
    if (key.starts_with(reserved)) return std::nullopt;
  }
  std::string arguments;
  arguments.reserve(front.size() + payload.size() + 2);
  arguments.append("{").append(front);
  const std::string_view inner = trim(payload.substr(1, payload.size() - 2));
  if (!front.empty() && !inner.empty()) arguments += ',';
  const std::size_t given = arguments.size();
  arguments.append(inner).append("}");
  std::replace_if(
      arguments.begin() + static_cast<std::ptrdiff_t>(given), arguments.end(),
      [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return arguments;
}

Result<std::string> step_arguments(const Defaults& defaults, std::string_view payload) {
  payload = trim(payload);
  if (!payload.starts_with('[')) return merge(defaults, payload, false, kMaxStepDepth);
  std::string arguments(payload);
  join_lines(arguments);
  return arguments;
}

std::shared_ptr<const Defaults> DefaultsCache::of(const Action& action) {
  static const auto kNone = std::make_shared<const Defaults>();
  if (action.parameters.empty()) return kNone;
  if (prepared_.size() >= kMaxPrepared || bytes_ > max_bytes_) {
    prepared_.clear();
    bytes_ = 0;
  }
  Prepared& prepared = prepared_[action.path()];
  if (!prepared.defaults || prepared.revision != action.revision) {
    if (prepared.defaults) bytes_ -= prepared.defaults->bytes();
    prepared = {action.revision, std::make_shared<const Defaults>(action.parameters)};
    bytes_ += prepared.defaults->bytes();
  }
  return prepared.defaults;
}

}  // namespace berth::entity
