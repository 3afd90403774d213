// SPDX-License-Identifier: Apache-2.0
#include "server_names.hpp"

#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <fmt/format.h>

#include "names.hpp"
#include "output.hpp"
#include "plugin/plugin_directory.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;

// Whoever presses a key does not wait longer, unless the environment says so.
constexpr std::chrono::seconds kPatience{1};
constexpr const char* kPatienceVariable = "BERTH_COMPLETION_SECONDS";

std::chrono::seconds patience() {
  const char* given = std::getenv(kPatienceVariable);
  const int seconds = given != nullptr ? std::atoi(given) : 0;
  return seconds > 0 ? std::chrono::seconds(seconds) : kPatience;
}

constexpr std::size_t kPage = 200;
constexpr std::size_t kMaxPages = 5;
constexpr std::size_t kMaxPackages = 20;
constexpr const char* kSystem = "whisk.system";

class Asking {
 public:
  explicit Asking(GlobalOptions options) : options_(std::move(options)) {
    options_.patience = patience();
  }

  std::vector<Candidate> names(std::string_view kind, const std::string& begin) {
    if (kind == "ACTION" && begin.starts_with('/')) return shared(begin, "actions");
    if (kind == "FEED") return shared(begin.starts_with('/') ? begin : "/", "feeds");
    if (kind == "ACTION") return own_actions();
    if (kind == "PACKAGE") return own("packages");
    if (kind == "TRIGGER") return own("triggers");
    if (kind == "RULE") return own("rules");
    if (kind == "ACTIVATION") return activations();
    if (kind == "KIND") return kinds();
    if (kind == "NAMESPACE") return namespaces();
    if (kind == "PLUGIN") return plugins();
    return {};
  }

 private:
  json::value get(const std::string& path) { return document(rest(options_, "GET", path)); }

  json::array pages(const std::string& collection) {
    json::array all;
    for (std::size_t page = 0; page < kMaxPages; ++page) {
      const json::value part =
          get(fmt::format("/{}?limit={}&skip={}", collection, kPage, all.size()));
      for (const json::value& entity : part.as_array()) all.push_back(entity);
      if (part.as_array().size() < kPage) break;
    }
    return all;
  }

  std::vector<Candidate> own(const std::string& collection) {
    std::vector<Candidate> found;
    for (const json::value& entity : pages(collection)) {
      found.push_back({text_of(entity, "name"), "version " + text_of(entity, "version")});
    }
    return found;
  }

  std::vector<Candidate> own_actions() {
    std::vector<Candidate> found;
    for (const json::value& action : pages("actions")) {
      const std::string space = text_of(action, "namespace");
      const std::size_t slash = space.find('/');
      const std::string package =
          slash == std::string::npos ? std::string() : space.substr(slash + 1) + '/';
      std::string kind;
      for (const json::value& annotation : action.at("annotations").as_array()) {
        if (text_of(annotation, "key") == "exec") kind = text_of(annotation, "value");
      }
      found.push_back({package + text_of(action, "name"), kind});
    }
    return found;
  }

  // What packages of the namespace in "/NAMESPACE/..." hold; until it is named, that of Berth.
  std::vector<Candidate> shared(const std::string& begin, const std::string& what) {
    const std::size_t slash = begin.find('/', 1);
    const std::string space = slash == std::string::npos ? kSystem : begin.substr(1, slash - 1);
    const std::string path = "/api/v1/namespaces/" + encode_segment(space) + "/packages";
    std::vector<Candidate> found;
    const json::value packages = get(fmt::format("{}?limit={}", path, kMaxPackages));
    for (const json::value& listed : packages.as_array()) {
      const std::string package = text_of(listed, "name");
      const std::string front = '/' + space + '/' + package + '/';
      const bool may_fit = front.starts_with(begin) || begin.starts_with(front);
      if (!may_fit) continue;
      const json::value whole = get(path + '/' + encode_segment(package));
      for (const json::value& action : whole.at(what).as_array()) {
        found.push_back({front + text_of(action, "name"), ""});
      }
    }
    return found;
  }

  std::vector<Candidate> activations() {
    std::vector<Candidate> found;
    const json::value list = get("/activations?limit=30&skip=0");
    for (const json::value& activation : list.as_array()) {
      found.push_back({text_of(activation, "activationId"),
                       text_of(activation, "name") + ", " +
                           format_time(number_of(activation, "start")) + " UTC"});
    }
    return found;
  }

  std::vector<Candidate> kinds() {
    std::vector<Candidate> found;
    const json::value info = get("/");
    for (const auto& [family, list] : info.at("runtimes").as_object()) {
      found.push_back({std::string(family) + ":default", ""});
      for (const json::value& one : list.as_array()) {
        found.push_back({text_of(one, "kind"), text_of(one, "image")});
      }
    }
    return found;
  }

  std::vector<Candidate> namespaces() {
    std::vector<Candidate> found;
    const json::value list = document(admin(options_, "GET", "/namespaces"));
    for (const json::value& one : list.as_array()) found.push_back({text_of(one, "name"), ""});
    return found;
  }

  static std::vector<Candidate> plugins() {
    std::vector<Candidate> found;
    const auto directory = plugin::PluginDirectory::scan(plugin_directory(""));
    if (!directory) return found;
    for (const plugin::PluginListing& one : directory->plugins()) found.push_back({one.name, ""});
    return found;
  }

  GlobalOptions options_;
};

}  // namespace

std::vector<Candidate> server_names(const GlobalOptions& options, std::string_view kind,
                                    const std::string& begin) {
  try {
    return Asking(options).names(kind, begin);
  } catch (const std::exception&) {
    // No server, no key, another answer: there is nothing to offer, and a prompt to spoil.
    return {};
  }
}

}  // namespace berth::cli
