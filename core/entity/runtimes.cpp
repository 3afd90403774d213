// SPDX-License-Identifier: Apache-2.0
#include "entity/runtimes.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <charconv>
#include <limits>
#include <set>

#include "base/json.hpp"
#include "entity/json_read.hpp"

namespace berth::entity {
namespace {

using boost::json::object;
using boost::json::value;

constexpr std::int64_t kMaxStemCells = 10'000;
constexpr std::int64_t kMaxStemMemoryMb = 1024 * 1024;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// "<number> <word>", the number without sign; -1 as number if it is not of that form.
std::pair<std::int64_t, std::string> split_quantity(std::string_view text) {
  const auto skip = [&] {
    while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  };
  skip();
  std::int64_t number = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || number < 0) return {-1, ""};
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  skip();
  while (!text.empty() && text.back() == ' ') text.remove_suffix(1);
  return {number, lower(text)};
}

Result<std::int64_t> parse_memory_mb(const value& json, const std::string& pointer) {
  const auto text = read_string(json, pointer);
  if (!text) return text.error();
  const auto [number, unit] = split_quantity(*text);
  std::int64_t mb = -1;
  if (number > 0 && number <= kMaxStemMemoryMb) {
    if (unit == "mb" || unit == "m") mb = number;
    if (unit == "gb" || unit == "g") mb = number * 1024;
  }
  if (mb <= 0 || mb > kMaxStemMemoryMb) {
    return bad_json(pointer, "must be a memory size like \"256 MB\", of at most 1024 GB");
  }
  return mb;
}

Result<std::int64_t> parse_duration_ms(const value& json, const std::string& pointer) {
  const auto text = read_string(json, pointer);
  if (!text) return text.error();
  auto [number, unit] = split_quantity(*text);
  if (unit.size() > 3 && unit.back() == 's') unit.pop_back();  // "minutes" as "minute"
  std::int64_t factor = 0;
  if (unit == "ms" || unit == "milli" || unit == "millisecond") factor = 1;
  if (unit == "s" || unit == "sec" || unit == "second") factor = 1000;
  if (unit == "m" || unit == "min" || unit == "minute") factor = 60'000;
  if (unit == "h" || unit == "hour") factor = 3'600'000;
  if (unit == "d" || unit == "day") factor = 86'400'000;
  if (number <= 0 || factor == 0 || number > std::numeric_limits<std::int64_t>::max() / factor) {
    return bad_json(pointer, "must be a duration above zero like \"2 minutes\"");
  }
  return number * factor;
}

// A count between `min` and `max`, both included.
Result<std::int64_t> parse_count(const object& from, std::string_view key, const std::string& where,
                                 std::int64_t min, std::int64_t max) {
  const std::string pointer = where + "/" + std::string(key);
  const auto* member = given(from, key);
  if (member == nullptr) return bad_json(where, "has no " + std::string(key));
  const auto number = read_integer(*member, pointer);
  if (!number) return number.error();
  if (*number < min || *number > max) {
    return bad_json(pointer,
                    "must be between " + std::to_string(min) + " and " + std::to_string(max));
  }
  return *number;
}

Status read_flag(const object& from, std::string_view key, const std::string& where, bool& flag) {
  const auto* member = given(from, key);
  if (member == nullptr) return {};
  const auto read = read_bool(*member, where + "/" + std::string(key));
  if (!read) return read.error();
  flag = *read;
  return {};
}

Result<ReactiveStemCell> parse_reactive(const value& json, const std::string& where) {
  const auto* from = json.if_object();
  if (from == nullptr) return bad_json(where, "must be an object");
  ReactiveStemCell cell;
  const auto max_count = parse_count(*from, "maxCount", where, 1, kMaxStemCells);
  if (!max_count) return max_count.error();
  cell.max_count = *max_count;
  const auto min_count = parse_count(*from, "minCount", where, 0, cell.max_count);
  if (!min_count) return min_count.error();
  cell.min_count = *min_count;
  const auto threshold =
      parse_count(*from, "threshold", where, 1, std::numeric_limits<std::int32_t>::max());
  if (!threshold) return threshold.error();
  cell.threshold = *threshold;
  const auto increment = parse_count(*from, "increment", where, 1, cell.max_count);
  if (!increment) return increment.error();
  cell.increment = *increment;
  const auto* ttl = given(*from, "ttl");
  if (ttl == nullptr) return bad_json(where, "has no ttl");
  const auto ttl_ms = parse_duration_ms(*ttl, where + "/ttl");
  if (!ttl_ms) return ttl_ms.error();
  cell.ttl_ms = *ttl_ms;
  return cell;
}

Result<StemCell> parse_stem_cell(const value& json, const std::string& where) {
  const auto* from = json.if_object();
  if (from == nullptr) return bad_json(where, "must be an object");
  StemCell cell;
  const bool alias = given(*from, "initialCount") == nullptr && given(*from, "count") != nullptr;
  const auto count = parse_count(*from, alias ? "count" : "initialCount", where, 1, kMaxStemCells);
  if (!count) return count.error();
  cell.initial_count = *count;
  const auto* memory = given(*from, "memory");
  if (memory == nullptr) return bad_json(where, "has no memory");
  const auto memory_mb = parse_memory_mb(*memory, where + "/memory");
  if (!memory_mb) return memory_mb.error();
  cell.memory_mb = *memory_mb;
  if (const auto* reactive = given(*from, "reactive")) {
    const auto read = parse_reactive(*reactive, where + "/reactive");
    if (!read) return read.error();
    cell.reactive = *read;
  }
  return cell;
}

Result<ImageName> parse_image(const value& json, const std::string& where) {
  if (const auto* text = json.if_string()) {
    auto name = ImageName::parse({text->data(), text->size()});
    if (!name) return name.error().with_context(where);
    return *name;
  }
  const auto* from = json.if_object();
  if (from == nullptr) return bad_json(where, "must be an object with a name");
  std::string text;
  for (const std::string_view key : {"registry", "prefix", "name", "tag"}) {
    const auto* member = given(*from, key);
    if (member == nullptr) {
      if (key == "name") return bad_json(where, "has no name");
      continue;
    }
    const auto part = read_string(*member, where + "/" + std::string(key));
    if (!part) return part.error();
    if (part->empty()) continue;
    if (key == "tag") text.push_back(':');
    text.append(*part);
    if ((key == "registry" || key == "prefix") && text.back() != '/') text.push_back('/');
  }
  auto name = ImageName::parse(text);
  if (!name) return name.error().with_context(where);
  return *name;
}

Result<Runtime> parse_runtime(std::string_view family, const value& json,
                              const std::string& where) {
  const auto* from = json.if_object();
  if (from == nullptr) return bad_json(where, "must be an object");
  Runtime runtime;
  runtime.family = family;
  const auto* kind = given(*from, "kind");
  if (kind == nullptr) return bad_json(where, "has no kind");
  const auto kind_text = read_string(*kind, where + "/kind");
  if (!kind_text) return kind_text.error();
  runtime.kind = lower(*kind_text);
  if (runtime.kind.empty() || runtime.kind == "blackbox" || runtime.kind == "sequence" ||
      runtime.kind.ends_with(":default")) {
    return bad_json(where + "/kind", "'" + runtime.kind + "' cannot be the name of a kind");
  }
  const auto* image = given(*from, "image");
  if (image == nullptr) return bad_json(where, "has no image");
  const auto image_name = parse_image(*image, where + "/image");
  if (!image_name) return image_name.error();
  runtime.image = image_name->text();
  for (const auto& [key, flag] : {std::pair{"default", &Runtime::is_default},
                                  {"deprecated", &Runtime::deprecated},
                                  {"requireMain", &Runtime::require_main},
                                  {"sentinelledLogs", &Runtime::sentinelled_logs}}) {
    if (Status status = read_flag(*from, key, where, runtime.*flag); !status.ok()) return status;
  }
  if (const auto* attached = given(*from, "attached")) {
    if (!attached->is_object()) return bad_json(where + "/attached", "must be an object");
    runtime.attached = true;
  }
  if (const auto* cells = given(*from, "stemCells")) {
    const auto* array = cells->if_array();
    if (array == nullptr) return bad_json(where + "/stemCells", "must be an array");
    for (std::size_t i = 0; i < array->size(); ++i) {
      auto cell = parse_stem_cell((*array)[i], where + "/stemCells/" + std::to_string(i));
      if (!cell) return cell.error();
      runtime.stem_cells.push_back(*cell);
    }
  }
  return runtime;
}

// Exactly one default a family; one alone is it by itself.
Status settle_default(std::vector<Runtime>& family, const std::string& where) {
  if (family.size() == 1) {
    family.front().is_default = true;
    return {};
  }
  const auto count =
      std::count_if(family.begin(), family.end(), [](const Runtime& r) { return r.is_default; });
  if (count == 1) return {};
  return bad_json(where, count == 0 ? "has no default: give one of its kinds \"default\": true"
                                    : "has " + std::to_string(count) + " defaults: leave one");
}

// `~` and `/` have a meaning in JSON pointers.
std::string escape_pointer(std::string_view key) {
  std::string out;
  for (const char c : key) {
    if (c == '~') {
      out.append("~0");
    } else if (c == '/') {
      out.append("~1");
    } else {
      out.push_back(c);
    }
  }
  return out;
}

}  // namespace

Result<RuntimesManifest> RuntimesManifest::parse(std::string_view text) {
  const auto json = parse_json(text);
  if (!json) return json.error().with_context("runtimes manifest");
  const auto* root = json->if_object();
  if (root == nullptr) return bad_json("/", "must be an object with runtimes");
  const auto* families = given(*root, "runtimes");
  if (families == nullptr) return bad_json("/", "has no runtimes");
  if (!families->is_object()) return bad_json("/runtimes", "must be an object of families");

  RuntimesManifest manifest;
  std::set<std::string> kinds;
  for (const auto& member : families->get_object()) {
    const std::string where = "/runtimes/" + escape_pointer(member.key());
    const auto* list = member.value().if_array();
    if (list == nullptr) return bad_json(where, "must be an array of kinds");
    if (list->empty()) return bad_json(where, "has no kind");
    std::vector<Runtime> family;
    for (std::size_t i = 0; i < list->size(); ++i) {
      const std::string place = where + "/" + std::to_string(i);
      auto runtime = parse_runtime(lower(member.key()), (*list)[i], place);
      if (!runtime) return runtime.error();
      if (!kinds.insert(runtime->kind).second) {
        return bad_json(place + "/kind", "'" + runtime->kind + "' is there twice");
      }
      family.push_back(std::move(*runtime));
    }
    if (Status status = settle_default(family, where); !status.ok()) return status;
    std::move(family.begin(), family.end(), std::back_inserter(manifest.runtimes_));
  }
  if (const auto* blackboxes = given(*root, "blackboxes")) {
    const auto* list = blackboxes->if_array();
    if (list == nullptr) return bad_json("/blackboxes", "must be an array of images");
    for (std::size_t i = 0; i < list->size(); ++i) {
      auto image = parse_image((*list)[i], "/blackboxes/" + std::to_string(i));
      if (!image) return image.error();
      manifest.blackboxes_.push_back(std::move(*image));
    }
  }
  return manifest;
}

const Runtime* RuntimesManifest::find(std::string_view kind) const {
  constexpr std::string_view kDefault = ":default";
  const std::string wanted = lower(kind);
  const bool by_family = wanted.ends_with(kDefault);
  const std::string_view family =
      by_family ? std::string_view(wanted).substr(0, wanted.size() - kDefault.size()) : "";
  for (const Runtime& runtime : runtimes_) {
    if (by_family ? runtime.is_default && runtime.family == family : runtime.kind == wanted) {
      return &runtime;
    }
  }
  return nullptr;
}

bool RuntimesManifest::is_known_blackbox(std::string_view image) const {
  const auto name = ImageName::parse(image);
  return name && std::any_of(blackboxes_.begin(), blackboxes_.end(),
                             [&](const ImageName& known) { return known.same_image(*name); });
}

std::string RuntimesManifest::kinds_text() const {
  std::set<std::string_view> kinds;
  for (const Runtime& runtime : runtimes_) kinds.insert(runtime.kind);
  std::string text;
  for (const std::string_view kind : kinds) {
    if (!text.empty()) text.append(", ");
    text.append("'").append(kind).append("'");
  }
  return text;
}

boost::json::object RuntimesManifest::to_json() const {
  boost::json::object families;
  for (const Runtime& runtime : runtimes_) {
    value& family = families[runtime.family];
    if (!family.is_array()) family = boost::json::array();
    family.get_array().push_back(object{{"kind", runtime.kind},
                                        {"image", runtime.image},
                                        {"deprecated", runtime.deprecated},
                                        {"default", runtime.is_default},
                                        {"attached", runtime.attached},
                                        {"requireMain", runtime.require_main}});
  }
  return families;
}

std::string deprecated_text(std::string_view kind) {
  return std::string("The '").append(kind).append(
      "' runtime is no longer supported. You may read and delete but not update or invoke this "
      "action.");
}

}  // namespace berth::entity
