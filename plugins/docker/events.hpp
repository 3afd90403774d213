// SPDX-License-Identifier: Apache-2.0
// The engine's event stream: JSON objects one after another, from which we want the deaths.
//
// EventParser is a pure value; Events keeps a stream open. Both belong to the loop's thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"
#include "docker/engine.hpp"

namespace berth::docker {

struct Event {
  enum class Kind { kDie, kOom, kOther };
  Kind kind = Kind::kOther;
  std::string id;      // the container's
  int exit_code = -1;  // of kDie
  std::int64_t time_ns = 0;
};

// Splits the stream at its line ends. A line that is no event is skipped; one longer than 1 MiB
// ends the parser's work (feed returns false).
class EventParser {
 public:
  explicit EventParser(std::function<void(const Event&)> sink) : sink_(std::move(sink)) {}
  bool feed(std::string_view bytes);

 private:
  void line(std::string_view text);

  const std::function<void(const Event&)> sink_;
  std::string rest_;
};

// Opens one stream of events about containers with a label. `opened` is called once when the engine
// sends it (never, if it ends before), `sink` for each event, `ended` once at the end.
// `since_ns`: 0 for now. Returns the exchange's number, for Client::cancel.
std::uint64_t open_events(Engine& engine, const std::string& label, std::int64_t since_ns,
                          std::function<void()> opened, std::function<void(const Event&)> sink,
                          std::function<void(sdk::Status)> ended);

}  // namespace berth::docker
