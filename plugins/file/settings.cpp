// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>
#include <string>

#include "berth/sdk/promise.hpp"

namespace berth::file {
namespace {

[[noreturn]] void refuse(std::string_view key, std::string_view reason) {
  throw sdk::Error(
      sdk::invalid_argument("plugin.file." + std::string(key) + " " + std::string(reason)));
}

void read(const boost::json::object& table, std::string_view key, std::uint64_t min,
          std::uint64_t& number) {
  const auto* value = table.if_contains(key);
  if (value == nullptr) return;
  const auto* given = value->if_int64();
  if (given == nullptr || *given < 0 || static_cast<std::uint64_t>(*given) < min) {
    refuse(key, "must be an integer of at least " + std::to_string(min));
  }
  number = static_cast<std::uint64_t>(*given);
}

}  // namespace

Settings Settings::parse(std::string_view config_json, std::string_view data_directory) {
  Settings settings;
  settings.directory = data_directory;
  boost::system::error_code error;
  const boost::json::value json =
      boost::json::parse(config_json.empty() ? "{}" : config_json, error);
  const auto* table = error ? nullptr : json.if_object();
  if (table == nullptr) throw sdk::Error(sdk::invalid_argument("plugin.file must be a table"));
  if (const auto* directory = table->if_contains("directory")) {
    if (!directory->is_string()) refuse("directory", "must be a string");
    settings.directory = std::string(directory->get_string());
    if (!settings.directory.is_absolute()) refuse("directory", "must be an absolute path");
  }
  read(*table, "max_file_bytes", 65536, settings.max_file_bytes);
  read(*table, "max_files", 0, settings.max_files);
  read(*table, "max_bytes", 0, settings.max_bytes);
  std::uint64_t seconds = 0;
  read(*table, "max_age_s", 0, seconds);
  settings.max_age = std::chrono::seconds(seconds);
  seconds = 0;
  read(*table, "max_file_age_s", 0, seconds);
  settings.max_file_age = std::chrono::seconds(seconds);
  if (const auto* compress = table->if_contains("compress")) {
    const std::string word = compress->is_string() ? std::string(compress->get_string()) : "";
    if (word != "none" && word != "gzip") refuse("compress", "must be none or gzip");
    settings.compress = word == "gzip";
  }
  if (const auto* userlogs = table->if_contains("userlogs_directory")) {
    if (!userlogs->is_string()) refuse("userlogs_directory", "must be a string");
    settings.userlogs_directory = std::string(userlogs->get_string());
    if (!settings.userlogs_directory.is_absolute()) {
      refuse("userlogs_directory", "must be an absolute path");
    }
  }
  read(*table, "max_queued_bytes", 1, settings.max_queued_bytes);
  std::uint64_t interval = 1000;
  read(*table, "sync_interval_ms", 10, interval);
  settings.sync_interval = std::chrono::milliseconds(interval);
  if (const auto* sync = table->if_contains("sync")) {
    const std::string word = sync->is_string() ? std::string(sync->get_string()) : "";
    if (word == "never") {
      settings.sync = Sync::kNever;
    } else if (word == "interval") {
      settings.sync = Sync::kInterval;
    } else if (word == "always") {
      settings.sync = Sync::kAlways;
    } else {
      refuse("sync", "must be never, interval or always");
    }
  }
  return settings;
}

}  // namespace berth::file
