// SPDX-License-Identifier: Apache-2.0
// The arms of bench_logs. Each call is one round of one arm.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace berth::bench {

// Lines as functions print them, about 100 bytes long.
std::vector<std::string> sample_lines(std::size_t bytes);

double wall_seconds();
// Of this process, all threads.
double cpu_seconds();

// MB/s of output made into lines by the core (LogFramer) on one thread.
double frame(const std::vector<std::string>& lines);
// MB/s of `cat` from one file in memory to another.
double cat(const std::vector<std::string>& lines, const std::string& directory);

// A rate by this process's time: MB/s of wall time and of CPU time, all threads together.
struct Rate {
  double wall_mb_s = 0;
  double core_mb_s = 0;
};

struct Lag {
  double p50_ms = 0;
  double p99_ms = 0;
};
// Text kept by the file store, and read back activation by activation; its disk is `directory`.
struct Kept {
  Rate in;
  Rate out;
};
Kept file_store(const std::vector<std::string>& lines, const std::string& directory);
// From the append of a line until one who follows has it.
Lag file_lag(int lines, const std::string& directory);

// Bytes of text that a store answered for and that are gone after kill -9 of its process. `kept`
// is how many it answered for.
struct Lost {
  double bytes = 0;
  double kept = 0;
};
Lost file_killed(const std::vector<std::string>& lines, const std::string& directory);

// Events of the splunk store to a collector in another process. `core_mb_s` is of events, as they
// are before they are compressed. If `keep` is given, what the collector gets is written there.
Rate splunk_ship(const std::vector<std::string>& lines, bool gzip, const std::string& directory,
                 const std::string& keep = "");
// MB/s of `gzip -1` over a file.
double gzip_1(const std::string& file);

// The same lines as syslog messages through a real rsyslogd, from a socket to a file; by rsyslogd's
// own time. Nothing where it is not installed.
std::optional<Rate> rsyslog(const std::vector<std::string>& lines, const std::string& directory);

// A collector in a child process: answers each request with success, and appends its body to the
// file `keep`, if there is one.
class Sink {
 public:
  explicit Sink(const std::string& keep = "");
  ~Sink();
  Sink(const Sink&) = delete;
  Sink& operator=(const Sink&) = delete;
  int port() const { return port_; }

 private:
  int child_ = 0;
  int port_ = 0;
};

}  // namespace berth::bench
