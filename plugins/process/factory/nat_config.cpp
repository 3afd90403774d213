// SPDX-License-Identifier: Apache-2.0
#include "factory/nat_config.hpp"

#include <vector>

namespace berth::process {
namespace {

constexpr uint8_t kLargestSubnet = 8;
constexpr uint8_t kSmallestSubnet = 29;
// A settings packet holds these and much more.
constexpr size_t kMostRules = 4096;
constexpr size_t kMostServers = 3;
constexpr uint64_t kLeastRate = 8000;  // bytes a second

// An array of strings of which each is read by `parse`.
template <typename T, typename Parse>
void read_list(TableReader& reader, std::string_view key, size_t most, const char* what,
               std::vector<T>& to, Parse parse) {
  const auto* v = reader.find(key);
  if (v == nullptr) return;
  to.clear();
  if (!v->is_array() || v->get_array().size() > most) {
    return reader.refuse(key, "must be an array of at most " + std::to_string(most) + " texts");
  }
  for (const auto& element : v->get_array()) {
    T value;
    const std::string text = element.is_string() ? std::string(element.get_string()) : "";
    if (!parse(text, value)) {
      return reader.refuse(key, "must hold " + std::string(what) + ", not \"" + text + "\"");
    }
    to.push_back(value);
  }
}

}  // namespace

void read_nat(TableReader& reader, NatSettings& nat) {
  const auto* v = reader.find("nat");
  if (v == nullptr) return;
  if (!v->is_object()) return reader.refuse("nat", "must be a table");
  TableReader inner(v->get_object(), "plugin.process.nat.");
  std::string subnet;
  inner.text("subnet", subnet);
  if (!subnet.empty() && (!parse_range(subnet, nat.subnet) || nat.subnet.prefix < kLargestSubnet ||
                          nat.subnet.prefix > kSmallestSubnet)) {
    inner.refuse("subnet",
                 "must be a range such as 10.231.0.0/16, of /8 to /29, not \"" + subnet + "\"");
  }
  constexpr const char* kRules =
      "addresses or ranges, each with a port or none, such as "
      "\"10.1.0.0/16\" and \"10.2.3.4:5432\"";
  read_list(inner, "allow", kMostRules, kRules, nat.allow, parse_rule);
  read_list(inner, "deny", kMostRules, kRules, nat.deny, parse_rule);
  read_list(inner, "dns", kMostServers, "addresses of name servers", nat.dns, parse_ipv4);
  inner.rate("bandwidth", kLeastRate, nat.bandwidth);
  inner.boolean("enable_forwarding", nat.enable_forwarding);
  reader.adopt(inner);
}

}  // namespace berth::process
