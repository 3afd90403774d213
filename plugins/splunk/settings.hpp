// SPDX-License-Identifier: Apache-2.0
// The operator's [plugin.splunk] table. A value.
#pragma once

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace berth::splunk {

// How lines get into Splunk.
enum class Mode {
  kHec,           // berthd collects, this plugin ships to the HTTP Event Collector
  kDockerDriver,  // the engine's splunk log driver ships
  kStdoutJson,    // functions print JSON, a forwarder ships
};

// When the spool goes to the disk itself; until then it survives berthd's end, not the machine's.
enum class Sync { kNever, kInterval, kAlways };

// Where in an event the search finds what.
struct Fields {
  std::string time = "log_timestamp";
  std::string stream = "log_stream";
  std::string message = "log_message";
  std::string namespace_name = "namespace";
  std::string activation_id = "activation_id";
};

struct Tls {
  std::string ca_file;
  std::string server_name;
  bool verify = true;
};

struct Collector {
  std::string url;
  std::string token;
  bool acknowledge = false;
  bool gzip = true;
  std::uint64_t batch_bytes = 1024 * 1024;
  std::uint64_t batch_records = 10'000;
  std::chrono::milliseconds batch_wait{200};
  std::chrono::milliseconds timeout{60'000};
  std::chrono::milliseconds retry_max{30'000};
  std::chrono::milliseconds ack_poll{2'000};
  std::chrono::milliseconds ack_timeout{300'000};
};

struct SpoolSettings {
  std::filesystem::path directory;
  std::uint64_t max_bytes = 1024ull * 1024 * 1024;
  std::uint64_t segment_bytes = 16ull * 1024 * 1024;
  Sync sync = Sync::kInterval;
  std::chrono::milliseconds sync_interval{1000};
  std::uint64_t max_queued_bytes = 64ull * 1024 * 1024;
};

struct Search {
  std::string url;  // empty: nothing can be read back
  std::string token;
  std::string username;
  std::string password;
  std::string constraints;
  std::chrono::seconds max_time{10};
  std::chrono::seconds earliest_offset{7 * 24 * 3600};
  std::chrono::seconds timestamp_offset{2};
  std::uint64_t attempts = 5;
  std::chrono::milliseconds attempt_wait{200};
  std::uint64_t page_rows = 1000;
};

struct Settings {
  Mode mode = Mode::kHec;
  std::string index = "main";
  std::string source = "berth";
  std::string sourcetype = "berth:activation";
  std::string host;
  std::uint64_t max_event_bytes = 8192;
  Fields fields;
  Tls tls;
  Collector collector;
  SpoolSettings spool;
  Search search;

  // `config_json` was checked against the schema by the host. Throws sdk::Error: what a mode needs
  // is missing, or two ways to log in are given.
  static Settings parse(std::string_view config_json, std::string_view data_directory,
                        std::string_view instance);
};

}  // namespace berth::splunk
