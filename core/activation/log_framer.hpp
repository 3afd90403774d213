// SPDX-License-Identifier: Apache-2.0
// Makes lines of the pieces of one container's output and finds the sentinels that end an
// activation's part of it. Not thread-safe.
//
// The sentinel ends a line; what a function printed before it without a newline is a line of its
// own.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "plugin/container_factory.hpp"

namespace berth::activation {

inline constexpr std::string_view kSentinel = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX";

class LogFramer {
 public:
  class Sink {
   public:
    // A whole line, valid UTF-8, at most the maximum long, without its end.
    virtual void on_line(plugin::Stream stream, std::int64_t time_ns, bool time_is_ours,
                         std::string text) = 0;
    virtual void on_sentinel(plugin::Stream stream) = 0;

   protected:
    ~Sink() = default;
  };

  // Longer lines are cut into several.
  explicit LogFramer(std::size_t max_line_bytes) : max_line_bytes_(max_line_bytes) {}

  // Takes the next piece of the output, in its order.
  void feed(const plugin::LogRecord& record, Sink& sink);
  // What stands unfinished on the stream becomes a line.
  void flush(plugin::Stream stream, Sink& sink);
  // What stands unfinished on both streams is forgotten.
  void reset();

 private:
  struct Unfinished {
    std::string text;
    std::int64_t time_ns = 0;
    bool time_is_ours = false;
  };
  Unfinished& unfinished(plugin::Stream stream);
  void finish_line(plugin::Stream stream, std::int64_t time_ns, bool time_is_ours, std::string text,
                   Sink& sink);
  void emit(plugin::Stream stream, std::int64_t time_ns, bool time_is_ours, std::string text,
            Sink& sink) const;

  const std::size_t max_line_bytes_;
  std::array<Unfinished, 2> unfinished_;
};

}  // namespace berth::activation
