// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <algorithm>
#include <array>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <chrono>
#include <cstdio>
#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

namespace berth::cli {
namespace {

namespace json = boost::json;

void append(std::string& out, const json::value& value, std::size_t depth) {
  const std::string inner((depth + 1) * 2, ' ');
  const std::string outer(depth * 2, ' ');
  bool first = true;
  if (const json::object* object = value.if_object(); object != nullptr && !object->empty()) {
    out += '{';
    for (const auto& [key, member] : *object) {
      out += first ? "\n" : ",\n";
      first = false;
      out += inner + json::serialize(json::string(key)) + ": ";
      append(out, member, depth + 1);
    }
    out += '\n' + outer + '}';
  } else if (const json::array* array = value.if_array(); array != nullptr && !array->empty()) {
    out += '[';
    for (const json::value& element : *array) {
      out += first ? "\n" : ",\n";
      first = false;
      out += inner;
      append(out, element, depth + 1);
    }
    out += '\n' + outer + ']';
  } else {
    out += json::serialize(value);
  }
}

}  // namespace

std::string pretty(const json::value& value) {
  std::string out;
  append(out, value, 0);
  return out += '\n';
}

std::string printable(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(),
      [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }, '?');
  return out;
}

std::string format_time(std::int64_t ms) {
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", fmt::gmtime(static_cast<std::time_t>(ms / 1000)));
}

std::string format_duration(std::int64_t ms) {
  if (ms < 1000) return fmt::format("{} ms", ms);
  return fmt::format("{:.1f} s", static_cast<double>(ms) / 1000);
}

Spinner::Spinner(std::string text) : text_(std::move(text)) {
  if (::isatty(STDERR_FILENO) == 1) thread_ = std::thread([this] { run(); });
}

Spinner::~Spinner() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stopping_.notify_one();
  thread_.join();
}

void Spinner::run() {
  constexpr std::array<const char*, 4> kFrames = {"|", "/", "-", "\\"};
  std::unique_lock lock(mutex_);
  if (stopping_.wait_for(lock, std::chrono::milliseconds(500), [this] { return stop_; })) return;
  for (std::size_t frame = 0; !stop_; ++frame) {
    std::fprintf(stderr, "\r%s %s", kFrames[frame % kFrames.size()], text_.c_str());
    std::fflush(stderr);
    stopping_.wait_for(lock, std::chrono::milliseconds(120), [this] { return stop_; });
  }
  std::fprintf(stderr, "\r\033[K");
  std::fflush(stderr);
}

}  // namespace berth::cli
