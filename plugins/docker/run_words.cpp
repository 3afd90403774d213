// SPDX-License-Identifier: Apache-2.0
#include "docker/run_words.hpp"

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>
#include <charconv>
#include <optional>

namespace berth::docker {
namespace {

namespace json = boost::json;

enum class Kind {
  kText,       // replaces
  kNumber,     // an integer
  kBytes,      // a size with a unit
  kFlag,       // true or false; empty is true
  kList,       // adds to an array of strings
  kPair,       // key=value adds to an object of strings; without '=' the value is ""
  kUlimit,     // name=soft[:hard]
  kTmpfs,      // path[:options]
  kDevice,     // path[:inside[:permissions]]
  kWords,      // an array of one string (entrypoint)
  kVolume,     // source:target[:options], or a target alone
  kLogDriver,  // LogConfig.Type
  kLogOption,  // key=value in LogConfig.Config
  kOurs,       // refused: decided by Berth
};

struct Word {
  std::string_view word;
  Kind kind;
  bool in_host;  // else in the body
  std::string_view field;
};

constexpr Word kWords[] = {
    {"add-host", Kind::kList, true, "ExtraHosts"},
    {"blkio-weight", Kind::kNumber, true, "BlkioWeight"},
    {"cap-add", Kind::kList, true, "CapAdd"},
    {"cap-drop", Kind::kList, true, "CapDrop"},
    {"cgroup-parent", Kind::kText, true, "CgroupParent"},
    {"cgroupns", Kind::kText, true, "CgroupnsMode"},
    {"cpu-rt-period", Kind::kNumber, true, "CpuRealtimePeriod"},
    {"cpu-rt-runtime", Kind::kNumber, true, "CpuRealtimeRuntime"},
    {"cpuset-cpus", Kind::kText, true, "CpusetCpus"},
    {"cpuset-mems", Kind::kText, true, "CpusetMems"},
    {"device", Kind::kDevice, true, "Devices"},
    {"device-cgroup-rule", Kind::kList, true, "DeviceCgroupRules"},
    {"dns", Kind::kList, true, "Dns"},
    {"dns-opt", Kind::kList, true, "DnsOptions"},
    {"dns-option", Kind::kList, true, "DnsOptions"},
    {"dns-search", Kind::kList, true, "DnsSearch"},
    {"domainname", Kind::kText, false, "Domainname"},
    {"entrypoint", Kind::kWords, false, "Entrypoint"},
    {"env", Kind::kList, false, "Env"},
    {"group-add", Kind::kList, true, "GroupAdd"},
    {"hostname", Kind::kText, false, "Hostname"},
    {"init", Kind::kFlag, true, "Init"},
    {"ipc", Kind::kText, true, "IpcMode"},
    {"isolation", Kind::kText, true, "Isolation"},
    {"label", Kind::kPair, false, "Labels"},
    {"log-driver", Kind::kLogDriver, true, "LogConfig"},
    {"log-opt", Kind::kLogOption, true, "LogConfig"},
    {"memory-reservation", Kind::kBytes, true, "MemoryReservation"},
    {"memory-swappiness", Kind::kNumber, true, "MemorySwappiness"},
    {"oom-score-adj", Kind::kNumber, true, "OomScoreAdj"},
    {"pid", Kind::kText, true, "PidMode"},
    {"pids-limit", Kind::kNumber, true, "PidsLimit"},
    {"privileged", Kind::kFlag, true, "Privileged"},
    {"read-only", Kind::kFlag, true, "ReadonlyRootfs"},
    {"runtime", Kind::kText, true, "Runtime"},
    {"security-opt", Kind::kList, true, "SecurityOpt"},
    {"shm-size", Kind::kBytes, true, "ShmSize"},
    {"stop-signal", Kind::kText, false, "StopSignal"},
    {"stop-timeout", Kind::kNumber, false, "StopTimeout"},
    {"storage-opt", Kind::kPair, true, "StorageOpt"},
    {"sysctl", Kind::kPair, true, "Sysctls"},
    {"tmpfs", Kind::kTmpfs, true, "Tmpfs"},
    {"ulimit", Kind::kUlimit, true, "Ulimits"},
    {"user", Kind::kText, false, "User"},
    {"userns", Kind::kText, true, "UsernsMode"},
    {"uts", Kind::kText, true, "UTSMode"},
    {"volume", Kind::kVolume, true, "Binds"},
    {"volumes-from", Kind::kList, true, "VolumesFrom"},
    {"workdir", Kind::kText, false, "WorkingDir"},
    // The core decides these, or the plugin relies on them.
    {"cpu-period", Kind::kOurs, true, ""},
    {"cpu-quota", Kind::kOurs, true, ""},
    {"cpu-shares", Kind::kOurs, true, ""},
    {"cpus", Kind::kOurs, true, ""},
    {"detach", Kind::kOurs, true, ""},
    {"interactive", Kind::kOurs, true, ""},
    {"memory", Kind::kOurs, true, ""},
    {"memory-swap", Kind::kOurs, true, ""},
    {"name", Kind::kOurs, true, ""},
    {"net", Kind::kOurs, true, ""},
    {"network", Kind::kOurs, true, ""},
    {"oom-kill-disable", Kind::kOurs, true, ""},
    {"publish", Kind::kOurs, true, ""},
    {"restart", Kind::kOurs, true, ""},
    {"rm", Kind::kOurs, true, ""},
    {"tty", Kind::kOurs, true, ""},
};

std::optional<std::int64_t> integer(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || parsed.ptr != end) return std::nullopt;
  return value;
}

json::array& list_at(json::object& object, std::string_view field) {
  json::value& value = object[field];
  if (!value.is_array()) value = json::array();
  return value.get_array();
}

json::object& object_at(json::object& object, std::string_view field) {
  json::value& value = object[field];
  if (!value.is_object()) value = json::object();
  return value.get_object();
}

bool add_ulimit(std::string_view value, json::array& list) {
  const std::size_t equals = value.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  const std::string_view limits = value.substr(equals + 1);
  const std::size_t colon = limits.find(':');
  const auto soft = integer(limits.substr(0, colon));
  const auto hard = colon == std::string_view::npos ? soft : integer(limits.substr(colon + 1));
  if (!soft || !hard) return false;
  const std::string_view name = value.substr(0, equals);
  for (json::value& known : list) {
    if (known.at("Name").as_string() == name) {
      known = json::object{{"Name", name}, {"Soft", *soft}, {"Hard", *hard}};
      return true;
    }
  }
  list.push_back(json::object{{"Name", name}, {"Soft", *soft}, {"Hard", *hard}});
  return true;
}

bool add_device(std::string_view value, json::array& list) {
  const std::size_t first = value.find(':');
  const std::string_view on_host = value.substr(0, first);
  std::string_view inside = on_host, permissions = "rwm";
  if (first != std::string_view::npos) {
    const std::size_t second = value.find(':', first + 1);
    inside = value.substr(first + 1, second - first - 1);
    if (second != std::string_view::npos) permissions = value.substr(second + 1);
  }
  if (on_host.empty() || on_host[0] != '/' || inside.empty()) return false;
  list.push_back(json::object{
      {"PathOnHost", on_host}, {"PathInContainer", inside}, {"CgroupPermissions", permissions}});
  return true;
}

bool add_volume(std::string_view value, json::object& body, json::object& host) {
  if (value.empty()) return false;
  if (value.find(':') == std::string_view::npos) {
    object_at(body, "Volumes")[value] = json::object();
  } else {
    list_at(host, "Binds").push_back(json::value(value));
  }
  return true;
}

}  // namespace

std::int64_t parse_bytes(std::string_view text) {
  std::int64_t value = 0;
  const char* end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, value);
  if (parsed.ec != std::errc{} || value < 0) return -1;
  std::string_view unit(parsed.ptr, static_cast<std::size_t>(end - parsed.ptr));
  if (unit.empty()) return value;
  int shift = 0;
  switch (unit[0] | 0x20) {
    case 'b': shift = 0; break;
    case 'k': shift = 10; break;
    case 'm': shift = 20; break;
    case 'g': shift = 30; break;
    default: return -1;
  }
  unit.remove_prefix(1);
  if (!unit.empty() && (shift == 0 || unit.size() != 1 || (unit[0] | 0x20) != 'b')) return -1;
  return value > (INT64_MAX >> shift) ? -1 : value << shift;
}

bool keeps_no_new_privileges(std::string_view option) {
  std::string text;
  for (const char c : option) {
    if (c == ' ' || c == '\t' || c == '-' || c == '_') continue;
    text += static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
  }
  constexpr std::string_view kOption = "nonewprivileges";
  if (!text.starts_with(kOption)) return true;
  const std::string_view value = std::string_view(text).substr(kOption.size());
  for (const std::string_view on : {"", "=1", "=t", "=true", ":1", ":t", ":true"}) {
    if (value == on) return true;
  }
  return false;
}

bool is_log_word(std::string_view word) {
  return word == "log-driver" || word == "log-opt" || word == "label" || word == "env";
}

sdk::Status apply_run_word(std::string_view word, std::string_view value, json::object& body,
                           json::object& host) {
  const auto wrong = [&](std::string_view expected) {
    return sdk::invalid_argument("'" + std::string(word) + "' must be " + std::string(expected) +
                                 ", not '" + std::string(value) + "'");
  };
  for (const Word& known : kWords) {
    if (known.word != word) continue;
    json::object& object = known.in_host ? host : body;
    const std::string_view field = known.field;
    switch (known.kind) {
      case Kind::kText: object[field] = value; return {};
      case Kind::kNumber: {
        const auto number = integer(value);
        if (!number) return wrong("an integer");
        object[field] = *number;
        return {};
      }
      case Kind::kBytes: {
        const std::int64_t bytes = parse_bytes(value);
        if (bytes < 0) return wrong("a size such as 64m");
        object[field] = bytes;
        return {};
      }
      case Kind::kFlag:
        if (value != "" && value != "true" && value != "false") return wrong("true or false");
        object[field] = value != "false";
        return {};
      case Kind::kList: list_at(object, field).push_back(json::value(value)); return {};
      case Kind::kPair: {
        const std::size_t equals = value.find('=');
        if (value.empty() || equals == 0) return wrong("key=value");
        object_at(object, field)[value.substr(0, equals)] =
            equals == std::string_view::npos ? std::string_view() : value.substr(equals + 1);
        return {};
      }
      case Kind::kUlimit:
        if (!add_ulimit(value, list_at(object, field))) return wrong("name=soft:hard");
        return {};
      case Kind::kTmpfs: {
        const std::size_t colon = value.find(':');
        if (value.empty() || value[0] != '/') return wrong("a path");
        object_at(object, field)[value.substr(0, colon)] =
            colon == std::string_view::npos ? std::string_view() : value.substr(colon + 1);
        return {};
      }
      case Kind::kDevice:
        if (!add_device(value, list_at(object, field))) return wrong("/path:/inside:rwm");
        return {};
      case Kind::kWords: object[field] = json::array{json::value(value)}; return {};
      case Kind::kVolume:
        if (!add_volume(value, body, host)) return wrong("source:target");
        return {};
      case Kind::kLogDriver: {
        json::object& log = object_at(object, field);
        // Options are of one driver.
        const json::value* type = log.if_contains("Type");
        if (type != nullptr && type->is_string() && type->get_string() != value) {
          log.erase("Config");
        }
        log["Type"] = value;
        return {};
      }
      case Kind::kLogOption: {
        const std::size_t equals = value.find('=');
        if (equals == std::string_view::npos || equals == 0) return wrong("key=value");
        object_at(object_at(object, field), "Config")[value.substr(0, equals)] =
            value.substr(equals + 1);
        return {};
      }
      case Kind::kOurs:
        return sdk::invalid_argument("'" + std::string(word) + "' is decided by Berth itself");
    }
  }
  return sdk::invalid_argument("'" + std::string(word) +
                               "' is no word of docker run that this plugin knows");
}

}  // namespace berth::docker
