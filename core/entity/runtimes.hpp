// SPDX-License-Identifier: Apache-2.0
// OpenWhisk's runtimes manifest: which kinds there are, their images, and how many containers of
// each are started ahead. Immutable after loading.
#pragma once

#include <boost/json/object.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "entity/image_name.hpp"

namespace berth::entity {

// How the number of prewarmed containers follows demand.
struct ReactiveStemCell {
  std::int64_t min_count = 0;
  std::int64_t max_count = 0;
  std::int64_t ttl_ms = 0;
  std::int64_t threshold = 0;
  std::int64_t increment = 0;
};

struct StemCell {
  std::int64_t initial_count = 0;
  std::int64_t memory_mb = 256;
  std::optional<ReactiveStemCell> reactive;
};

// What is said of a kind that is deprecated.
std::string deprecated_text(std::string_view kind);

struct Runtime {
  std::string family;  // "python"
  std::string kind;    // "python:3.11"
  std::string image;   // "[registry/][prefix/]name[:tag]"
  bool is_default = false;
  bool deprecated = false;
  bool require_main = false;
  bool attached = false;
  bool sentinelled_logs = true;
  std::vector<StemCell> stem_cells;
};

class RuntimesManifest {
 public:
  // Parses a runtimes.json. Errors name the JSON pointer: exactly one default a family (a family of
  // one defaults to it), counts and memory sane, no kind twice.
  static Result<RuntimesManifest> parse(std::string_view text);

  // The runtime of a kind, compared without case; "<family>:default" is its default. Null: unknown.
  const Runtime* find(std::string_view kind) const;
  const std::vector<Runtime>& runtimes() const { return runtimes_; }
  // True if a blackbox image is listed under `blackboxes`: it is trusted not to need a pull and to
  // print sentinels.
  bool is_known_blackbox(std::string_view image) const;
  // "'nodejs:20', 'python:3.11'", for error texts.
  std::string kinds_text() const;
  // The `runtimes` member of GET /.
  boost::json::object to_json() const;

 private:
  std::vector<Runtime> runtimes_;
  std::vector<ImageName> blackboxes_;
};

}  // namespace berth::entity
