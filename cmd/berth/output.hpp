// SPDX-License-Identifier: Apache-2.0
// What the commands print: JSON for people, times, and a spinner while something takes long; tables
// are in table.hpp.
#pragma once

#include <boost/json/value.hpp>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace berth::cli {

// Indented by two, members in their order, with a newline at the end.
std::string pretty(const boost::json::value& value);

// "2026-11-23 17:40:12" in UTC.
std::string format_time(std::int64_t ms);
// "56 ms", "3.2 s".
std::string format_duration(std::int64_t ms);

// A name or text of the server's as one line of a terminal.
std::string printable(std::string_view text);

// Turns on standard error while it lives, on a terminal only, and only after half a second.
class Spinner {
 public:
  explicit Spinner(std::string text);
  ~Spinner();
  Spinner(const Spinner&) = delete;
  Spinner& operator=(const Spinner&) = delete;

 private:
  void run();

  std::string text_;
  std::mutex mutex_;
  std::condition_variable stopping_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace berth::cli
