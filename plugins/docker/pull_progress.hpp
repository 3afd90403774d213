// SPDX-License-Identifier: Apache-2.0
// What the engine tells while it pulls an image: a JSON object a line. A pure value.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace berth::docker {

class PullProgress {
 public:
  // False once a line is longer than 1 MiB.
  bool feed(std::string_view bytes);
  // Takes what stands behind the last line end as a line.
  void finish();

  // The engine's reason if the pull failed, else "".
  const std::string& error() const { return error_; }
  // "12 of 34 MB, 2 of 5 layers".
  std::string summary() const;

 private:
  struct Layer {
    std::int64_t current = 0;
    std::int64_t total = 0;
    bool done = false;
  };
  void line(std::string_view text);

  std::string rest_;
  std::string error_;
  std::map<std::string, Layer, std::less<>> layers_;
};

}  // namespace berth::docker
