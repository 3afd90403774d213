// SPDX-License-Identifier: Apache-2.0
#include "factory/config.hpp"

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <unistd.h>

#include "factory/nat_config.hpp"
#include "factory/table_reader.hpp"

namespace berth::process {
namespace {

namespace json = boost::json;

constexpr std::string_view kRuntimesInside = "/berth/runtimes/";
constexpr std::string_view kPlaceholder = "{runtime}";

struct DefaultImage {
  const char* image;
  const char* runtime;
};
// Ours and Apache's.
constexpr DefaultImage kImages[] = {
    {"berth/action-python", "python"},           {"berth/action-nodejs", "nodejs"},
    {"berth/action-native", "native"},           {"openwhisk/action-python-v3.9", "python"},
    {"openwhisk/action-python-v3.10", "python"}, {"openwhisk/action-python-v3.11", "python"},
    {"openwhisk/action-python-v3.12", "python"}, {"openwhisk/python3action", "python"},
    {"openwhisk/action-nodejs-v18", "nodejs"},   {"openwhisk/action-nodejs-v20", "nodejs"},
    {"openwhisk/action-nodejs-v22", "nodejs"},   {"openwhisk/dockerskeleton", "native"},
};

// The first of these that exists, else the first.
std::string first_existing(std::initializer_list<std::string> paths, int mode) {
  for (const auto& path : paths) {
    if (::access(path.c_str(), mode) == 0) return path;
  }
  return *paths.begin();
}

void read_images(TableReader& reader, Config& config) {
  const auto* v = reader.find("images");
  if (v == nullptr) return;
  if (!v->is_object()) return reader.refuse("images", "must be a table");
  for (const auto& [image, runtime] : v->get_object()) {
    const std::string name(image);
    if (!runtime.is_string() || runtime.get_string().find('/') != json::string::npos) {
      return reader.refuse("images.\"" + name + "\"", "must be the name of a runtime's folder");
    }
    if (without_tag(name) != name) {
      return reader.refuse("images.\"" + name + "\"", "must be an image's name without a tag");
    }
    config.images[name] = std::string(runtime.get_string());
  }
}

void read_commands(TableReader& reader, Config& config) {
  std::string python = "/usr/bin/python3";
  std::string nodejs = "/usr/bin/node";
  if (const auto* v = reader.find("interpreters")) {
    if (!v->is_object()) return reader.refuse("interpreters", "must be a table");
    TableReader interpreters(v->get_object());
    interpreters.text("python", python);
    interpreters.text("nodejs", nodejs);
    if (!interpreters.status().ok()) return reader.refuse("interpreters", "must be paths");
  }
  config.commands["python"] = {python, "-I", "-S", "-X", "utf8", "{runtime}/proxy.py"};
  config.commands["nodejs"] = {nodejs, "{runtime}/proxy.js"};
  config.commands["native"] = {"{runtime}/berth-native-runtime"};
  if (const auto* v = reader.find("commands")) {
    if (!v->is_object()) return reader.refuse("commands", "must be a table");
    for (const auto& [runtime, words] : v->get_object()) {
      std::vector<std::string> argv;
      if (words.is_array()) {
        for (const auto& word : words.get_array()) {
          if (word.is_string()) argv.emplace_back(word.get_string());
        }
      }
      if (argv.empty() || argv.size() != words.get_array().size()) {
        return reader.refuse("commands." + std::string(runtime), "must be an array of strings");
      }
      config.commands[std::string(runtime)] = std::move(argv);
    }
  }
  for (auto& [runtime, argv] : config.commands) {
    const std::string folder = std::string(kRuntimesInside) + runtime;
    for (auto& word : argv) {
      if (const size_t at = word.find(kPlaceholder); at != std::string::npos) {
        word.replace(at, kPlaceholder.size(), folder);
      }
    }
    // Never looked up in $PATH, which would be whoever's.
    if (argv[0].empty() || argv[0][0] != '/') {
      return reader.refuse("commands." + runtime,
                           "must begin with an absolute path, not \"" + argv[0] + "\"");
    }
  }
}

// What functions mostly import and an interpreter takes longest to find.
constexpr const char* kZygoteModules[] = {
    "base64",         "collections", "copy",   "datetime",    "decimal", "email.message",
    "functools",      "hashlib",     "hmac",   "http.client", "io",      "json",
    "logging",        "math",        "random", "re",          "socket",  "ssl",
    "string",         "threading",   "time",   "traceback",   "typing",  "urllib.parse",
    "urllib.request", "uuid"};

void read_zygote(TableReader& reader, Config& config, bool own_command) {
  ZygoteSettings zygote;
  zygote.runtime = "python";
  // A command of the operator's need not be our proxy, which alone can be forked.
  bool enabled = own_command;
  std::vector<std::string> modules(std::begin(kZygoteModules), std::end(kZygoteModules));
  if (const auto* v = reader.find("zygote")) {
    if (!v->is_object()) return reader.refuse("zygote", "must be a table");
    TableReader inner(v->get_object());
    if (const auto* given = inner.find("enabled")) {
      if (!given->is_bool()) return reader.refuse("zygote.enabled", "must be true or false");
      enabled = given->get_bool();
    }
    inner.number("prepared", 0, 1000, zygote.prepared);
    inner.number("renew_after", 1, 1'000'000'000, zygote.renew_after);
    if (const auto* given = inner.find("modules")) {
      if (!given->is_array()) return reader.refuse("zygote.modules", "must be an array of names");
      modules.clear();
      for (const auto& name : given->get_array()) {
        if (!name.is_string() || name.get_string().empty()) {
          return reader.refuse("zygote.modules", "must be an array of names");
        }
        modules.emplace_back(name.get_string());
      }
    }
    if (!inner.status().ok()) return reader.refuse("zygote", inner.status().message());
  }
  if (!enabled) return;
  zygote.argv = config.commands["python"];
  zygote.argv.emplace_back("--zygote");
  zygote.argv.insert(zygote.argv.end(), modules.begin(), modules.end());
  config.zygote_runtime = zygote.runtime;
  config.settings.zygotes.push_back(std::move(zygote));
}

}  // namespace

std::string_view without_tag(std::string_view image) {
  image = image.substr(0, image.find('@'));
  const size_t slash = image.rfind('/');
  // A colon before the last slash is a registry's port.
  const size_t colon = image.find(':', slash == std::string_view::npos ? 0 : slash);
  return image.substr(0, colon);
}

std::string program_directory() {
  char path[4096];
  const ssize_t n = ::readlink("/proc/self/exe", path, sizeof(path));
  const std::string_view file(path, n > 0 ? static_cast<size_t>(n) : 0);
  const size_t slash = file.rfind('/');
  return std::string(file.substr(0, slash == std::string_view::npos ? 0 : slash));
}

sdk::Status Config::parse(std::string_view text, const std::string& bin, Config& config) {
  boost::system::error_code error;
  const json::value value = json::parse(text.empty() ? "{}" : text, error);
  const json::object* table = error ? nullptr : value.if_object();
  if (table == nullptr) return sdk::invalid_argument("plugin.process must be a table");
  TableReader reader(*table);
  Settings& s = config.settings;

  config.sandboxer = first_existing(
      {bin + "/berth-sandboxer", bin + "/../libexec/berth/berth-sandboxer",
       "/usr/libexec/berth/berth-sandboxer", "/usr/local/libexec/berth/berth-sandboxer"},
      X_OK);
  reader.text("sandboxer", config.sandboxer);
  s.runtimes_directory =
      first_existing({bin + "/../runtimes", bin + "/../lib/berth/runtimes",
                      bin + "/../lib/x86_64-linux-gnu/berth/runtimes",
                      bin + "/../lib64/berth/runtimes", "/usr/lib/berth/runtimes"},
                     R_OK);
  reader.text("runtimes_directory", s.runtimes_directory);
  reader.text("socket_directory", config.socket_directory);

  std::string network = "none";
  reader.text("network", network);
  if (network == "host") {
    s.network = Network::kHost;
  } else if (network == "nat") {
    s.network = Network::kNat;
  } else if (network != "none") {
    reader.refuse("network", "must be none, nat or host");
  }
  read_nat(reader, s.nat);
  reader.duration_ms("detach_ttl", s.detach_ttl_ms);
  reader.bytes("writable_bytes", 1 << 20, s.writable_bytes);
  reader.number("writable_inodes", 16, UINT32_MAX, s.writable_inodes);
  reader.bytes("log_bytes", 128 << 10, s.log_bytes);
  reader.number("open_files", 16, 1 << 20, s.open_files);
  reader.number("pids", 1, 4194304, s.default_pids);
  reader.number("prepared", 0, 1000, s.prepared);
  reader.number("prepared_sockets", 0, 1000, config.prepared_sockets);
  reader.number("pooled_networks", 0, 10000, s.pooled_networks);
  if (const auto* ids = reader.find("subordinate_ids")) {
    if (!ids->is_object()) {
      reader.refuse("subordinate_ids", "must be a table");
    } else {
      TableReader inner(ids->get_object());
      inner.number("start", 65536, UINT32_MAX, s.subordinate_start);
      inner.number("count", 1024, UINT32_MAX, s.subordinate_count);
      inner.number("size", 1001, UINT32_MAX, s.subordinate_size);
      if (!inner.status().ok()) reader.refuse("subordinate_ids", inner.status().message());
    }
  }
  for (const auto& d : kImages) config.images[d.image] = d.runtime;
  read_images(reader, config);
  read_commands(reader, config);
  const auto* commands = table->if_contains("commands");
  const bool own_command =
      commands == nullptr || !commands->is_object() || !commands->get_object().contains("python");
  if (reader.status().ok()) read_zygote(reader, config, own_command);
  return reader.status();
}

const std::vector<std::string>* Config::command_of(std::string_view image,
                                                   std::string& runtime) const {
  std::string_view name = without_tag(image);
  auto it = images.find(name);
  if (it == images.end()) {
    // "registry.example.org:5000/openwhisk/x" is openwhisk/x, wherever it is kept.
    const size_t slash = name.find('/');
    const std::string_view host = name.substr(0, slash);
    if (slash == std::string_view::npos ||
        (host.find_first_of(".:") == std::string_view::npos && host != "localhost")) {
      return nullptr;
    }
    it = images.find(name.substr(slash + 1));
    if (it == images.end()) return nullptr;
  }
  runtime = it->second;
  const auto command = commands.find(runtime);
  return command == commands.end() ? nullptr : &command->second;
}

sdk::Status Config::unmapped(std::string_view image, const std::string& runtime) const {
  if (!runtime.empty()) {
    return sdk::failed_precondition(
        "image '" + std::string(image) + "' is mapped to the runtime '" + runtime +
        "', which has no command: set plugin.process.commands." + runtime);
  }
  return sdk::Status(sdk::StatusCode::kNotFound,
                     "the process plugin runs no images but those mapped to a runtime, and '" +
                         std::string(image) +
                         "' is not: use a kind, or ask the operator to add it to "
                         "[plugin.process.images]",
                     sdk::kUserError);
}

}  // namespace berth::process
