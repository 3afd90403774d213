// SPDX-License-Identifier: Apache-2.0
#include "api/gateway_routes.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <fmt/format.h>
#include <optional>
#include <utility>

#include "api/gateway_assembly.hpp"
#include "api/put_parts.hpp"
#include "entity/identity.hpp"
#include "http/text.hpp"

namespace berth::api {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxPath = 1024;
constexpr std::size_t kMaxHeader = 128;
constexpr std::size_t kMaxDemands = 16;
constexpr std::string_view kConfiguration = "x-ibm-configuration";
constexpr std::array<std::string_view, 7> kMethods = {"get",   "put",  "post",   "delete",
                                                      "patch", "head", "options"};

std::vector<std::string_view> split(std::string_view path) {
  std::vector<std::string_view> parts;
  if (path.starts_with('/')) path.remove_prefix(1);
  while (!path.empty()) {
    const std::size_t end = std::min(path.find('/'), path.size());
    parts.push_back(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return parts;
}

std::optional<Failure> check_path(std::string_view path, std::string_view pointer) {
  if (path.size() > kMaxPath) {
    return wrong(pointer, fmt::format("is longer than {} characters", kMaxPath));
  }
  if (path.find_first_of("?#") != std::string_view::npos) {
    return wrong(pointer, "a path has neither '?' nor '#'");
  }
  return std::nullopt;
}

Checked<const json::object*> object_member(const json::object& object, std::string_view key,
                                           std::string_view pointer) {
  const json::value* value = given(object, key);
  if (value == nullptr) return nullptr;
  if (!value->is_object()) return wrong(fmt::format("{}/{}", pointer, key), "must be an object");
  return &value->get_object();
}

// The definitions by name.
struct Definition {
  std::string header;
  bool is_secret = false;
};
using Definitions = std::map<std::string, Definition, std::less<>>;

Checked<Definitions> read_definitions(const json::object& document, std::string_view pointer) {
  Definitions definitions;
  const auto table = object_member(document, "securityDefinitions", pointer);
  if (!table) return table.error();
  if (*table == nullptr) return definitions;
  for (const auto& [name, value] : **table) {
    const std::string at = fmt::format("{}/securityDefinitions/{}", pointer, pointer_part(name));
    const json::object* definition = value.if_object();
    if (definition == nullptr) return wrong(at, "must be an object");
    const auto type = text_member(*definition, "type", at + "/type");
    if (!type) return type.error();
    const auto place = text_member(*definition, "in", at + "/in");
    if (!place) return place.error();
    if (*type != "apiKey" || *place != "header") {
      return wrong(at, "only the type apiKey, in the header, is supported");
    }
    const auto header = text_member(*definition, "name", at + "/name");
    if (!header) return header.error();
    if (!http::is_token(*header)) return wrong(at + "/name", "must be the name of a header");
    if (header->size() > kMaxHeader) {
      return wrong(at + "/name", fmt::format("is longer than {} characters", kMaxHeader));
    }
    const auto kind = text_member(*definition, "x-key-type", at + "/x-key-type");
    if (!kind) return kind.error();
    definitions[std::string(name)] = {*header, *kind == "clientSecret"};
  }
  return definitions;
}

Checked<KeyDemand> demand_of(const std::vector<std::string_view>& names,
                             const Definitions& definitions, std::string_view pointer) {
  KeyDemand demand;
  for (const std::string_view name : names) {
    const auto found = definitions.find(name);
    if (found == definitions.end()) {
      return wrong(fmt::format("{}/{}", pointer, pointer_part(name)),
                   "is none of securityDefinitions");
    }
    std::string& header = found->second.is_secret ? demand.secret_header : demand.header;
    if (!header.empty()) return wrong(pointer, "asks for more than one key and one clientSecret");
    header = found->second.header;
  }
  if (demand.header.empty()) return wrong(pointer, "asks for a clientSecret without a key");
  return demand;
}

// The member `security` of a document or of an operation; without one: `standard`.
Checked<KeyDemands> read_security(const json::object& object, const Definitions& definitions,
                                  KeyDemands standard, std::string_view pointer) {
  const json::value* value = given(object, "security");
  if (value == nullptr) return standard;
  const std::string at = fmt::format("{}/security", pointer);
  if (!value->is_array()) return wrong(at, "must be an array");
  if (value->get_array().size() > kMaxDemands) {
    return wrong(at, fmt::format("has more than {} entries", kMaxDemands));
  }
  std::vector<KeyDemand> demands;
  bool is_open = false;
  std::size_t index = 0;
  for (const json::value& entry : value->get_array()) {
    const std::string here = fmt::format("{}/{}", at, index++);
    if (!entry.is_object()) return wrong(here, "must be an object");
    std::vector<std::string_view> names;
    for (const auto& member : entry.get_object()) names.push_back(member.key());
    is_open |= names.empty();
    if (names.empty()) continue;
    auto demand = demand_of(names, definitions, here);
    if (!demand) return demand.error();
    demands.push_back(std::move(*demand));
  }
  if (is_open || demands.empty()) return KeyDemands();
  return std::make_shared<const std::vector<KeyDemand>>(std::move(demands));
}

Checked<GatewayRate> read_rate(const json::object& document, std::string_view pointer) {
  for (const std::string_view key : {"x-gateway-rate-limit", "x-ibm-rate-limit"}) {
    const json::value* value = given(document, key);
    if (value == nullptr) continue;
    const std::string at = fmt::format("{}/{}", pointer, key);
    const json::array* list = value->if_array();
    if (list == nullptr || list->size() != 1 || !list->front().is_object()) {
      return wrong(at, "must be an array of one object");
    }
    const json::object& limit = list->front().get_object();
    const json::value* rate = given(limit, "rate");
    const json::value* units = given(limit, "units");
    const auto number = rate == nullptr ? Result<std::int64_t>(sdk::invalid_argument(""))
                                        : entity::read_integer(*rate, at);
    if (!number || *number < 1) return wrong(at + "/0/rate", "must be a number above 0");
    const auto count =
        units == nullptr ? Result<std::int64_t>(1) : entity::read_integer(*units, at);
    if (!count || *count < 1 || *count > 1000) {
      return wrong(at + "/0/units", "must be a number from 1 to 1000");
    }
    const auto unit = text_member(limit, "unit", at + "/0/unit");
    if (!unit) return unit.error();
    constexpr std::array<std::pair<std::string_view, std::int64_t>, 4> kUnits = {
        {{"second", 1}, {"minute", 60}, {"hour", 3600}, {"day", 86400}}};
    const auto known =
        std::find_if(kUnits.begin(), kUnits.end(), [&](const auto& u) { return u.first == *unit; });
    if (known == kUnits.end()) {
      return wrong(at + "/0/unit", "must be second, minute, hour or day");
    }
    return GatewayRate{*number, known->second * *count};
  }
  return GatewayRate{};
}

Checked<bool> read_cors(const json::object& document, std::string_view pointer) {
  for (const std::string_view key : {std::string_view("x-gateway-configuration"), kConfiguration}) {
    const auto configuration = object_member(document, key, pointer);
    if (!configuration) return configuration.error();
    if (*configuration == nullptr) continue;
    const std::string at = fmt::format("{}/{}", pointer, key);
    const auto cors = object_member(**configuration, "cors", at);
    if (!cors) return cors.error();
    if (*cors == nullptr) continue;
    const json::value* enabled = given(**cors, "enabled");
    if (enabled == nullptr) continue;
    if (!enabled->is_bool()) return wrong(at + "/cors/enabled", "must be true or false");
    return enabled->get_bool();
  }
  return true;
}

bool is_better(const std::vector<PathPart>& a, const std::vector<PathPart>& b) {
  if (a.size() != b.size()) return a.size() > b.size();
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (a[i].is_parameter != b[i].is_parameter) return b[i].is_parameter;
  }
  return false;
}

// Paths that differ in the names of their parameters only would hide each other.
bool same_shape(const std::vector<PathPart>& a, const std::vector<PathPart>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.is_parameter == y.is_parameter && (x.is_parameter || x.text == y.text);
  });
}

}  // namespace

std::string pointer_part(std::string_view name) {
  std::string part;
  for (const char c : name) {
    if (c == '~') {
      part += "~0";
    } else if (c == '/') {
      part += "~1";
    } else {
      part += c;
    }
  }
  return part;
}

Checked<std::vector<PathPart>> parse_path_template(std::string_view path,
                                                   std::string_view pointer) {
  if (auto failure = check_path(path, pointer)) return *failure;
  std::vector<PathPart> parts;
  for (const std::string_view text : split(path)) {
    const bool is_parameter = text.size() > 2 && text.starts_with('{') && text.ends_with('}');
    const std::string_view name = is_parameter ? text.substr(1, text.size() - 2) : text;
    if (name.empty()) return wrong(pointer, "has an empty part");
    if (name.find_first_of("{}") != std::string_view::npos) {
      return wrong(pointer, "a parameter is a whole part of the path, as in /books/{isbn}");
    }
    if (is_parameter && name.starts_with("__ow_")) {
      return wrong(pointer, "a parameter's name must not begin with __ow_");
    }
    for (const PathPart& other : parts) {
      if (is_parameter && other.is_parameter && other.text == name) {
        return wrong(pointer, fmt::format("has the parameter {} twice", name));
      }
    }
    parts.push_back({std::string(name), is_parameter});
  }
  if (parts.size() > GatewayRoutes::kMaxParts) {
    return wrong(pointer, fmt::format("has more than {} parts", GatewayRoutes::kMaxParts));
  }
  return parts;
}

Checked<std::vector<std::string>> parse_base_path(std::string_view path, std::string_view pointer) {
  if (!path.starts_with('/')) return wrong(pointer, "must begin with '/'");
  if (path.size() > 1 && path.ends_with('/')) return wrong(pointer, "must not end with '/'");
  const auto parts = parse_path_template(path, pointer);
  if (!parts) return parts.error();
  std::vector<std::string> names;
  for (const PathPart& part : *parts) {
    if (part.is_parameter) {
      return wrong(pointer, "a base path has no parameters: only the path below it may");
    }
    names.push_back(part.text);
  }
  return names;
}

Checked<GatewayRoutes> GatewayRoutes::compile(const json::object& document,
                                              std::string_view own_namespace,
                                              std::string_view pointer) {
  GatewayRoutes routes;
  const auto base = text_member(document, "basePath", fmt::format("{}/basePath", pointer));
  if (!base) return base.error();
  auto parts = parse_base_path(*base, fmt::format("{}/basePath", pointer));
  if (!parts) return parts.error();
  routes.base_ = std::move(*parts);
  const auto cors = read_cors(document, pointer);
  if (!cors) return cors.error();
  routes.cors_ = *cors;
  const auto rate = read_rate(document, pointer);
  if (!rate) return rate.error();
  routes.rate_ = *rate;

  const auto definitions = read_definitions(document, pointer);
  if (!definitions) return definitions.error();
  // A document that defines keys and does not say where they are asked for asks everywhere.
  KeyDemands everywhere;
  if (!definitions->empty() && given(document, "security") == nullptr) {
    std::vector<std::string_view> names;
    for (const auto& [name, definition] : *definitions) names.push_back(name);
    auto demand = demand_of(names, *definitions, fmt::format("{}/securityDefinitions", pointer));
    if (!demand) return demand.error();
    everywhere = std::make_shared<const std::vector<KeyDemand>>(1, std::move(*demand));
  }
  const auto demands = read_security(document, *definitions, std::move(everywhere), pointer);
  if (!demands) return demands.error();
  const auto assembly = GatewayAssembly::read(document, pointer);
  if (!assembly) return assembly.error();

  const auto paths = object_member(document, "paths", pointer);
  if (!paths) return paths.error();
  if (*paths == nullptr) return wrong(fmt::format("{}/paths", pointer), "is missing");
  std::size_t count = 0;
  for (const auto& [path, item] : **paths) {
    const std::string at = fmt::format("{}/paths/{}", pointer, pointer_part(path));
    if (!item.is_object()) return wrong(at, "must be an object");
    auto made = parse_path_template(path, at);
    if (!made) return made.error();
    Path entry{std::move(*made), {}};
    for (const auto& [name, value] : item.get_object()) {
      if (std::find(kMethods.begin(), kMethods.end(), std::string_view(name)) == kMethods.end()) {
        continue;  // parameters, x-...
      }
      const std::string here = fmt::format("{}/{}", at, std::string_view(name));
      const json::object* operation = value.if_object();
      if (operation == nullptr) return wrong(here, "must be an object");
      if (++count > kMaxOperations) {
        return wrong(here, fmt::format("an API has at most {} operations", kMaxOperations));
      }
      auto target = assembly->target(*operation, own_namespace, here);
      if (!target) return target.error();
      auto needs = read_security(*operation, *definitions, *demands, here);
      if (!needs) return needs.error();
      target->demands = std::move(*needs);
      std::string method(name);
      for (char& c : method) c = static_cast<char>(c - ('a' - 'A'));
      entry.operations.emplace(std::move(method), std::move(*target));
    }
    for (const Path& other : routes.paths_) {
      if (same_shape(entry.parts, other.parts)) return wrong(at, "is the same as another path");
    }
    if (!entry.operations.empty()) routes.paths_.push_back(std::move(entry));
  }
  std::stable_sort(routes.paths_.begin(), routes.paths_.end(),
                   [](const Path& a, const Path& b) { return is_better(a.parts, b.parts); });
  return routes;
}

GatewayRoutes::Match GatewayRoutes::match(const std::vector<std::string>& segments) const {
  Match match{nullptr, {}, 0};
  if (segments.size() < base_.size() || !std::equal(base_.begin(), base_.end(), segments.begin())) {
    return match;
  }
  for (const Path& path : paths_) {
    if (path.parts.size() > segments.size() - base_.size()) continue;
    match.fields.clear();
    bool fits = true;
    for (std::size_t i = 0; i < path.parts.size() && fits; ++i) {
      const std::string& segment = segments[base_.size() + i];
      const PathPart& part = path.parts[i];
      fits = part.is_parameter ? !segment.empty() : segment == part.text;
      if (fits && part.is_parameter) match.fields.emplace_back(part.text, segment);
    }
    if (!fits) continue;
    match.operations = &path.operations;
    match.used = base_.size() + path.parts.size();
    return match;
  }
  match.fields.clear();
  return match;
}

KeyDemand GatewayRoutes::key_demand() const {
  for (const Path& path : paths_) {
    for (const auto& [method, operation] : path.operations) {
      if (operation.demands) return operation.demands->front();
    }
  }
  return {};
}

}  // namespace berth::api
