// SPDX-License-Identifier: Apache-2.0
#include "nat_rules.hpp"

#include <algorithm>
#include <tuple>

namespace berth::process {
namespace {

// Told at once, so that nobody waits for what will not come; by a reset where that is possible, as
// the kernel sends only so many errors.
constexpr const char* kRefuse = "goto refuse";
constexpr const char* kRefuseChain =
    "  chain refuse {\n    meta l4proto tcp reject with tcp reset\n"
    "    reject with icmpx admin-prohibited\n  }\n";

struct Denied {
  const char* range;
  uint16_t port;
};
// This network, private, shared (CGNAT), loopback, link-local, metadata of clouds, special and
// documentation, benchmarking, multicast, reserved; and name servers that are not ours.
constexpr Denied kDenied[] = {
    {"0.0.0.0/8", 0},      {"10.0.0.0/8", 0},      {"100.64.0.0/10", 0}, {"127.0.0.0/8", 0},
    {"169.254.0.0/16", 0}, {"169.254.169.254", 0}, {"172.16.0.0/12", 0}, {"192.0.0.0/24", 0},
    {"192.0.2.0/24", 0},   {"192.168.0.0/16", 0},  {"198.18.0.0/15", 0}, {"198.51.100.0/24", 0},
    {"203.0.113.0/24", 0}, {"224.0.0.0/4", 0},     {"240.0.0.0/4", 0},   {"100.100.100.200", 0},
    {"168.63.129.16", 0},  {"0.0.0.0/0", 53},
};

struct Line {
  EgressRule rule;
  bool allow = false;
  bool ours = false;
};

// The first that fits decides.
std::vector<Line> ordered(const NatRules& rules) {
  std::vector<Line> lines;
  for (const auto& rule : rules.allow) lines.push_back({rule, true, false});
  for (const auto& rule : rules.deny) lines.push_back({rule, false, false});
  for (const auto& denied : kDenied) {
    Line line{{}, false, true};
    parse_range(denied.range, line.rule.to);
    line.rule.port = denied.port;
    lines.push_back(line);
  }
  const auto rank = [](const Line& l) {
    return std::make_tuple(-static_cast<int>(l.rule.to.prefix), l.rule.port == 0, l.ours, l.allow);
  };
  std::stable_sort(lines.begin(), lines.end(),
                   [&](const Line& a, const Line& b) { return rank(a) < rank(b); });
  return lines;
}

// Where what is allowed goes: each sandbox has so many connections at once, so that one cannot fill
// the host's table of them.
constexpr const char* kAdmit = "goto admit";
std::string admit_chain(bool limited) {
  if (!limited) return "  chain admit {\n    accept\n  }\n";
  return "  set flows {\n    type ipv4_addr; size 65536; flags dynamic;\n  }\n"
         "  chain admit {\n    add @flows { ip saddr ct count over " +
         std::to_string(kMostConnections) + " } " + kRefuse + "\n    accept\n  }\n";
}

std::string text_of_line(const Line& line, const char* allowed) {
  std::string text;
  if (line.rule.to.prefix != 0) text += "ip daddr " + text_of(line.rule.to) + " ";
  if (line.rule.port != 0) {
    text += "meta l4proto { tcp, udp } th dport " + std::to_string(line.rule.port) + " ";
  }
  return "    " + text + (line.allow ? allowed : kRefuse) + "\n";
}

std::string dns_lines(const NatRules& rules, const char* allowed) {
  std::string text;
  for (const uint32_t server : rules.dns) {
    text += "    ip daddr " + text_of(server) + " meta l4proto { tcp, udp } th dport 53 " +
            allowed + "\n";
  }
  return text;
}

std::string subnets_of(const NatRules& rules) {
  std::string text = "{ ";
  for (size_t i = 0; i < rules.subnets.size(); ++i) {
    text += (i == 0 ? "" : ", ") + text_of(rules.subnets[i]);
  }
  return text + " }";
}

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  while (true) {
    const size_t from = line.find_first_not_of(" \t");
    if (from == std::string_view::npos) return words;
    line.remove_prefix(from);
    const size_t to = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, to));
    line.remove_prefix(to);
  }
}

template <typename F>
void each_line(std::string_view text, F function) {
  while (!text.empty()) {
    const size_t end = text.find('\n');
    function(text.substr(0, end));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

}  // namespace

std::string removal(const std::string& table) {
  // Adding first makes the removal of what is not there no error.
  return "add table inet " + table + "\ndelete table inet " + table + "\n";
}

std::string ruleset(const NatRules& rules) {
  const std::string behind = "iifname \"" + rules.bridge + "\"";
  const std::string out_again = "oifname \"" + rules.bridge + "\"";
  const std::vector<Line> lines = ordered(rules);
  // Before the usual filters, so that what others accept is not accepted for us.
  std::string text = removal(rules.table) + "table inet " + rules.table + " {\n" + kRefuseChain +
                     admit_chain(rules.limit_connections);
  text += "  chain forward {\n    type filter hook forward priority filter - 5; policy accept;\n";
  text += "    " + behind + " jump from_sandboxes\n";
  text += "    " + out_again + " jump to_sandboxes\n  }\n";

  text += "  chain from_sandboxes {\n    " + out_again + " " + kRefuse + "\n";
  text += "    meta nfproto != ipv4 drop\n    ip saddr != " + subnets_of(rules) + " drop\n";
  text += "    ct state established,related accept\n    ct state invalid drop\n";
  text += dns_lines(rules, kAdmit);
  for (const Line& line : lines) text += text_of_line(line, kAdmit);
  text += std::string("    ") + kAdmit + "\n  }\n";

  text += "  chain to_sandboxes {\n    ct state established,related accept\n    goto refuse\n  }\n";

  text += "  chain input {\n    type filter hook input priority filter - 5; policy accept;\n";
  text += "    " + behind + " jump to_host\n  }\n";
  text += "  chain to_host {\n    meta nfproto != ipv4 drop\n";
  text += "    ip saddr != " + subnets_of(rules) + " drop\n";
  text += "    ct state established,related accept\n    ct state invalid drop\n";
  text += dns_lines(rules, kAdmit);
  for (const Line& line : lines) {
    if (!line.ours && (!line.allow || line.rule.to.prefix == 32))
      text += text_of_line(line, kAdmit);
  }
  text += std::string("    ") + kRefuse + "\n  }\n";

  text += "  chain postrouting {\n    type nat hook postrouting priority srcnat; policy accept;\n";
  text += "    ip saddr " + subnets_of(rules) + " oifname != \"" + rules.bridge +
          "\" masquerade\n  }\n}\n";
  return text;
}

std::string own_ruleset(const NatRules& rules, const std::vector<uint32_t>& local) {
  std::string text = removal(rules.table) + "table inet " + rules.table + " {\n" + kRefuseChain;
  text += "  chain output {\n    type filter hook output priority filter; policy accept;\n";
  text += "    oifname \"lo\" accept\n    meta nfproto != ipv4 drop\n";
  text += "    ct state established,related accept\n";
  text += dns_lines(rules, "accept");
  const std::vector<Line> lines = ordered(rules);
  const auto exact = [](const Line& l, uint32_t address) {
    return !l.ours && l.rule.to.prefix == 32 && l.rule.to.address == address;
  };
  for (const uint32_t address : local) {
    for (const Line& line : lines) {
      if (exact(line, address)) text += text_of_line(line, "accept");
    }
    text += "    ip daddr " + text_of(address) + " " + kRefuse + "\n";
  }
  for (const Line& line : lines) text += text_of_line(line, "accept");
  return text + "    accept\n  }\n}\n";
}

std::string own_limits(const std::string& table, const std::string& interface, uint64_t bandwidth) {
  // As much at once as passes in a tenth of a second, and some of the largest packets.
  const std::string over = "limit rate over " + std::to_string(bandwidth) + " bytes/second burst " +
                           std::to_string(std::max<uint64_t>(bandwidth / 10, 256 << 10)) +
                           " bytes drop\n";
  return "table inet " + table +
         " {\n  chain out_limit {\n    type filter hook output priority filter + 5; policy "
         "accept;\n"
         "    oifname \"" +
         interface + "\" " + over +
         "  }\n  chain in_limit {\n    type filter hook input priority filter; policy accept;\n"
         "    iifname \"" +
         interface + "\" " + over + "  }\n}\n";
}

std::vector<std::string> dropping_forward_chains(std::string_view listing) {
  std::vector<std::string> found;
  std::string table, chain;
  each_line(listing, [&](std::string_view line) {
    const auto words = words_of(line);
    if (words.size() >= 3 && words[0] == "table") {
      table = std::string(words[1]) + " " + std::string(words[2]);
    } else if (words.size() >= 2 && words[0] == "chain") {
      chain = std::string(words[1]);
    } else if (line.find("hook forward") != std::string_view::npos &&
               line.find("policy drop") != std::string_view::npos) {
      found.push_back(table + " " + chain);
    }
  });
  return found;
}

std::vector<std::string> handles_of(std::string_view listing, const std::string& interface) {
  std::vector<std::string> handles;
  each_line(listing, [&](std::string_view line) {
    if (line.find("\"" + interface + "\"") == std::string_view::npos) return;
    const size_t at = line.rfind("# handle ");
    if (at != std::string_view::npos) handles.emplace_back(line.substr(at + 9));
  });
  return handles;
}

}  // namespace berth::process
