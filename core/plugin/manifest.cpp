// SPDX-License-Identifier: Apache-2.0
#include "plugin/manifest.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <fmt/format.h>
#include <optional>

#include "base/json.hpp"
#include "berth/plugin/note.h"
#include "plugin/config_schema.hpp"

namespace berth::plugin {
namespace {

constexpr std::size_t kMaxName = 32;
constexpr std::size_t kMaxId = 128;
constexpr std::size_t kMaxVersion = 64;
constexpr std::size_t kMaxWords = 64;
constexpr std::array<std::string_view, 1> kKnownFlags = {"log-store-out-of-band"};
constexpr std::string_view kFilePrefix = "libberth_";
constexpr std::string_view kFileSuffix = ".so";

constexpr bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

// Reverse DNS: two or more labels of letters, digits, '-' and '_' that start with a letter.
bool is_reverse_dns(std::string_view id) {
  if (id.size() > kMaxId) return false;
  std::size_t labels = 0;
  while (true) {
    const std::size_t dot = id.find('.');
    const std::string_view label = id.substr(0, dot);
    if (label.empty() || !(is_lower(label[0]) || is_upper(label[0]))) return false;
    if (!std::all_of(label.begin(), label.end(), [](char c) {
          return is_lower(c) || is_upper(c) || is_digit(c) || c == '-' || c == '_';
        })) {
      return false;
    }
    ++labels;
    if (dot == std::string_view::npos) return labels >= 2;
    id.remove_prefix(dot + 1);
  }
}

// Printable without spaces, starting with a digit: 1.2.0, 2.0.0-rc1+build5.
bool is_version(std::string_view version) {
  return !version.empty() && version.size() <= kMaxVersion && is_digit(version[0]) &&
         std::all_of(version.begin(), version.end(), [](char c) {
           return is_lower(c) || is_upper(c) || is_digit(c) || c == '.' || c == '-' || c == '+' ||
                  c == '~' || c == '_';
         });
}

// An interface or service id: words of [a-z0-9-] joined by dots, '/', a revision.
bool is_interface_id(std::string_view id) {
  const std::size_t slash = id.find('/');
  if (slash == std::string_view::npos || id.size() > kMaxId) return false;
  const std::string_view words = id.substr(0, slash);
  const std::string_view revision = id.substr(slash + 1);
  return !words.empty() && is_lower(words[0]) && words.back() != '.' &&
         words.find("..") == std::string_view::npos &&
         std::all_of(words.begin(), words.end(),
                     [](char c) { return is_lower(c) || is_digit(c) || c == '-' || c == '.'; }) &&
         !revision.empty() && revision.size() <= 6 && revision[0] != '0' &&
         std::all_of(revision.begin(), revision.end(), is_digit);
}

std::optional<AbiVersion> parse_abi(std::string_view text) {
  AbiVersion abi;
  const char* const end = text.data() + text.size();
  const auto major = std::from_chars(text.data(), end, abi.major);
  if (major.ec != std::errc() || major.ptr == end || *major.ptr != '.') return std::nullopt;
  const auto minor = std::from_chars(major.ptr + 1, end, abi.minor);
  if (minor.ec != std::errc() || minor.ptr != end || to_string(abi) != text) return std::nullopt;
  return abi;
}

Refusal refuse(std::string detail, std::string mend) {
  return {"note", "the note " + std::move(detail),
          std::move(mend) + ", then build the plugin again"};
}

// Reads members of the note's object; the first thing that is wrong stays.
class Fields {
 public:
  explicit Fields(const boost::json::object& object) : object_(object) {}

  std::string text(std::string_view key, bool (*is_valid)(std::string_view), const char* form) {
    const boost::json::value* value = find(key);
    if (!value) return {};
    if (!value->is_string()) {
      fail(fmt::format("has a \"{}\" that is not text", key), key, form);
      return {};
    }
    const std::string_view found = value->get_string();
    if (!is_valid(found)) {
      fail(fmt::format("has the {} {}", key, json_quote(found.substr(0, 80))), key, form);
      return {};
    }
    return std::string(found);
  }

  std::vector<std::string> words(std::string_view key, bool (*is_valid)(std::string_view),
                                 const char* form) {
    std::vector<std::string> result;
    const boost::json::value* value = find(key);
    if (!value) return result;
    if (!value->is_array() || value->get_array().size() > kMaxWords) {
      fail(fmt::format("has \"{}\" that is not an array of at most {} words", key, kMaxWords), key,
           form);
      return result;
    }
    for (const boost::json::value& word : value->get_array()) {
      const bool ok = word.is_string() && is_valid(word.get_string());
      if (!ok) {
        const std::string shown = boost::json::serialize(word).substr(0, 80);
        fail(fmt::format("has {} in \"{}\"", shown, key), key, form);
        return result;
      }
      result.emplace_back(word.get_string());
      if (std::count(result.begin(), result.end(), result.back()) > 1) {
        fail(fmt::format("has {} twice in \"{}\"", result.back(), key), key, form);
        return result;
      }
    }
    return result;
  }

  const boost::json::value* find(std::string_view key) {
    const boost::json::value* value = object_.if_contains(key);
    if (!value && !refusal_) {
      refusal_ = refuse(fmt::format("has no \"{}\"", key), "add it (see berth/plugin/note.h)");
    }
    return value;
  }

  void fail(std::string detail, std::string_view key, const char* form) {
    if (!refusal_) refusal_ = refuse(std::move(detail), fmt::format("make {} {}", key, form));
  }

  const std::optional<Refusal>& refusal() const { return refusal_; }

 private:
  const boost::json::object& object_;
  std::optional<Refusal> refusal_;
};

bool is_known_flag(std::string_view flag) {
  return std::find(kKnownFlags.begin(), kKnownFlags.end(), flag) != kKnownFlags.end();
}

bool is_abi(std::string_view text) {
  return parse_abi(text).has_value();
}

}  // namespace

std::string to_string(AbiVersion version) {
  return fmt::format("{}.{}", version.major, version.minor);
}

std::optional<Refusal> check_abi(AbiVersion abi) {
  // Our own major version and the one before; a newer minor only appends what we ignore.
  constexpr std::uint32_t kNewest = BERTH_ABI_MAJOR;
  constexpr std::uint32_t kOldest = kNewest > 1 ? kNewest - 1 : 1;
  if (abi.major >= kOldest && abi.major <= kNewest) return std::nullopt;
  const std::string known =
      kOldest == kNewest ? fmt::format("{}", kNewest) : fmt::format("{} and {}", kOldest, kNewest);
  return Refusal{"abi",
                 fmt::format("it was built for ABI {}, this host loads major version {}",
                             to_string(abi), known),
                 abi.major > kNewest
                     ? "install a newer Berth, or build the plugin against this one's headers"
                     : "build the plugin against this Berth's headers"};
}

bool Manifest::has_interface(std::string_view interface_id) const {
  return std::find(provides.begin(), provides.end(), interface_id) != provides.end();
}

bool Manifest::has_flag(std::string_view flag) const {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

bool is_plugin_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxName && is_lower(name[0]) &&
         std::all_of(name.begin(), name.end(),
                     [](char c) { return is_lower(c) || is_digit(c) || c == '-'; });
}

std::string plugin_file_name(std::string_view name) {
  std::string file = fmt::format("{}{}{}", kFilePrefix, name, kFileSuffix);
  std::replace(file.begin(), file.end(), '-', '_');
  return file;
}

std::string plugin_name_of_file(std::string_view file_name) {
  if (!file_name.starts_with(kFilePrefix) || !file_name.ends_with(kFileSuffix) ||
      file_name.size() < kFilePrefix.size() + kFileSuffix.size()) {
    return {};
  }
  file_name.remove_prefix(kFilePrefix.size());
  file_name.remove_suffix(kFileSuffix.size());
  if (file_name.find('-') != std::string_view::npos) return {};
  std::string name(file_name);
  std::replace(name.begin(), name.end(), '_', '-');
  return is_plugin_name(name) ? name : std::string();
}

Checked<Manifest> parse_manifest(std::string_view payload) {
  if (payload.size() > BERTH_NOTE_MAX_BYTES) {
    return refuse(fmt::format("has {} bytes, more than {}", payload.size(), BERTH_NOTE_MAX_BYTES),
                  "shorten its config_schema");
  }
  const auto json = parse_json(payload);
  if (!json) {
    return refuse("is not valid JSON: " + json.error().message(), "write it as one JSON object");
  }
  if (!json->is_object()) return refuse("is not a JSON object", "write it as one JSON object");

  Fields fields(json->get_object());
  Manifest manifest;
  // First, since another major version may mean something else by all the rest.
  const std::string abi = fields.text("abi", is_abi, "\"MAJOR.MINOR\", e.g. \"1.0\"");
  manifest.abi = parse_abi(abi).value_or(AbiVersion{});
  manifest.name = fields.text("name", is_plugin_name, "[a-z][a-z0-9-]* of at most 32 characters");
  manifest.id = fields.text("id", is_reverse_dns, "reverse DNS, e.g. \"org.example.echo\"");
  manifest.version = fields.text("version", is_version, "a version, e.g. \"1.2.0\"");
  manifest.provides =
      fields.words("provides", is_interface_id, "interface ids, e.g. \"berth.log-store/1\"");
  manifest.needs = fields.words("needs", is_interface_id, "service ids, e.g. \"berth.log/1\"");
  manifest.flags =
      fields.words("flags", is_known_flag, "words this host knows: \"log-store-out-of-band\"");
  const boost::json::value* schema = fields.find("config_schema");
  if (fields.refusal()) {
    const auto other_abi = abi.empty() ? std::nullopt : check_abi(manifest.abi);
    return other_abi ? *other_abi : *fields.refusal();
  }
  if (manifest.provides.empty()) {
    return refuse("provides no interface", "name one in \"provides\", e.g. \"berth.log-store/1\"");
  }
  manifest.config_schema = boost::json::serialize(*schema);
  const auto parsed = ConfigSchema::parse(manifest.config_schema);
  if (!parsed) {
    return refuse("has a config_schema that is no usable schema: " + parsed.error().message(),
                  "write it in JSON Schema draft 4");
  }
  return manifest;
}

}  // namespace berth::plugin
