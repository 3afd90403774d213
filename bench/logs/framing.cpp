// SPDX-License-Identifier: Apache-2.0
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <stdexcept>
#include <stdlib.h>

#include "activation/log_framer.hpp"
#include "measure.hpp"

namespace berth::bench {
namespace {

constexpr double kMega = 1e6;

struct Counter final : activation::LogFramer::Sink {
  void on_line(plugin::Stream, std::int64_t, bool, std::string text) override {
    bytes += text.size() + 1;
  }
  void on_sentinel(plugin::Stream) override {}
  std::size_t bytes = 0;
};

std::size_t bytes_of(const std::vector<std::string>& lines) {
  std::size_t bytes = 0;
  for (const std::string& line : lines) bytes += line.size() + 1;
  return bytes;
}

}  // namespace

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double cpu_seconds() {
  timespec time{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) / 1e9;
}

std::vector<std::string> sample_lines(std::size_t bytes) {
  std::vector<std::string> lines;
  std::size_t made = 0;
  for (std::size_t i = 0; made < bytes; ++i) {
    lines.push_back("2026-01-02 03:04:05 INFO  request " + std::to_string(i * 7919) +
                    " from 10.0.0." + std::to_string(i % 256) + " took 12 ms: GET /api/items/" +
                    std::to_string(i) + "?page=3");
    if (i % 16 == 0) lines.back() += " \"grüße\"";
    made += lines.back().size() + 1;
  }
  return lines;
}

double frame(const std::vector<std::string>& lines) {
  // Records as a factory hands them over: one a line.
  std::vector<plugin::LogRecord> records(lines.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    records[i].stream = plugin::Stream::kStdout;
    records[i].time_ns = static_cast<std::int64_t>(i);
    records[i].bytes = lines[i];
  }
  activation::LogFramer framer(1 << 20);
  Counter counter;
  const double begin = wall_seconds();
  for (const plugin::LogRecord& record : records) framer.feed(record, counter);
  const double seconds = wall_seconds() - begin;
  if (counter.bytes != bytes_of(lines)) throw std::runtime_error("framing lost bytes");
  return static_cast<double>(counter.bytes) / kMega / seconds;
}

double cat(const std::vector<std::string>& lines, const std::string& directory) {
  const std::string in = directory + "/cat.in";
  {
    std::ofstream file(in, std::ios::binary);
    for (const std::string& line : lines) file << line << '\n';
  }
  const double begin = wall_seconds();
  if (::system(("/bin/cat " + in + " > " + directory + "/cat.out").c_str()) != 0) {
    throw std::runtime_error("cat failed");
  }
  const double seconds = wall_seconds() - begin;
  return static_cast<double>(bytes_of(lines)) / kMega / seconds;
}

}  // namespace berth::bench
