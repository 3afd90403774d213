// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/value.hpp>

#include "berth/sdk/promise.hpp"

namespace berth::splunk {
namespace {

[[noreturn]] void refuse(const std::string& reason) {
  throw sdk::Error(sdk::invalid_argument("plugin.splunk." + reason));
}

// Typed reads of the table; what is not given stays as it is.
class Table {
 public:
  explicit Table(const boost::json::object& table) : table_(table) {}

  void text(std::string_view key, std::string& to) const {
    const auto* value = table_.if_contains(key);
    if (value == nullptr) return;
    if (!value->is_string()) refuse(std::string(key) + " must be a string");
    to = std::string(value->get_string());
  }
  void flag(std::string_view key, bool& to) const {
    const auto* value = table_.if_contains(key);
    if (value == nullptr) return;
    if (!value->is_bool()) refuse(std::string(key) + " must be true or false");
    to = value->get_bool();
  }
  void number(std::string_view key, std::uint64_t& to) const {
    const auto* value = table_.if_contains(key);
    if (value == nullptr) return;
    const auto* given = value->if_int64();
    if (given == nullptr || *given < 0) refuse(std::string(key) + " must be an integer");
    to = static_cast<std::uint64_t>(*given);
  }
  template <typename Duration>
  void time(std::string_view key, Duration& to) const {
    auto count = static_cast<std::uint64_t>(to.count());
    number(key, count);
    to = Duration(count);
  }

 private:
  const boost::json::object& table_;
};

void check_field(const std::string& name, std::string_view key) {
  const bool plain = !name.empty() && name.find_first_not_of(
                                          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                          "0123456789_.{}") == std::string::npos;
  if (!plain) refuse(std::string(key) + " must be made of letters, digits, _ . { }");
}

}  // namespace

Settings Settings::parse(std::string_view config_json, std::string_view data_directory,
                         std::string_view instance) {
  boost::system::error_code error;
  const boost::json::value json =
      boost::json::parse(config_json.empty() ? "{}" : config_json, error);
  const auto* object = error ? nullptr : json.if_object();
  if (object == nullptr) throw sdk::Error(sdk::invalid_argument("plugin.splunk: not a table"));
  const Table table(*object);
  Settings s;

  std::string word = "hec";
  table.text("mode", word);
  if (word == "docker-driver") {
    s.mode = Mode::kDockerDriver;
  } else if (word == "stdout-json") {
    s.mode = Mode::kStdoutJson;
  } else if (word != "hec") {
    refuse("mode must be hec, docker-driver or stdout-json");
  }
  s.host = instance;
  table.text("index", s.index);
  table.text("source", s.source);
  table.text("sourcetype", s.sourcetype);
  table.text("host", s.host);
  table.number("max_event_bytes", s.max_event_bytes);

  table.text("hec_url", s.collector.url);
  table.text("hec_token", s.collector.token);
  table.flag("acknowledge", s.collector.acknowledge);
  table.flag("gzip", s.collector.gzip);
  table.number("batch_bytes", s.collector.batch_bytes);
  table.number("batch_records", s.collector.batch_records);
  table.time("batch_wait_ms", s.collector.batch_wait);
  table.time("timeout_ms", s.collector.timeout);
  table.time("retry_max_ms", s.collector.retry_max);
  table.time("ack_poll_ms", s.collector.ack_poll);
  table.time("ack_timeout_ms", s.collector.ack_timeout);

  std::string directory(data_directory);
  table.text("spool_directory", directory);
  s.spool.directory = directory;
  if (!s.spool.directory.is_absolute()) refuse("spool_directory must be an absolute path");
  table.number("spool_bytes", s.spool.max_bytes);
  table.number("spool_segment_bytes", s.spool.segment_bytes);
  table.time("sync_interval_ms", s.spool.sync_interval);
  table.number("max_queued_bytes", s.spool.max_queued_bytes);
  word = "interval";
  table.text("sync", word);
  s.spool.sync = word == "never"    ? Sync::kNever
                 : word == "always" ? Sync::kAlways
                                    : Sync::kInterval;

  table.text("search_url", s.search.url);
  table.text("search_token", s.search.token);
  table.text("search_username", s.search.username);
  table.text("search_password", s.search.password);
  table.text("search_constraints", s.search.constraints);
  table.time("search_max_time_s", s.search.max_time);
  table.time("earliest_offset_s", s.search.earliest_offset);
  table.time("timestamp_offset_s", s.search.timestamp_offset);
  table.number("attempts", s.search.attempts);
  table.time("attempt_wait_ms", s.search.attempt_wait);
  table.number("page_rows", s.search.page_rows);

  table.text("time_field", s.fields.time);
  table.text("stream_field", s.fields.stream);
  table.text("message_field", s.fields.message);
  table.text("namespace_field", s.fields.namespace_name);
  table.text("activation_id_field", s.fields.activation_id);
  check_field(s.fields.time, "time_field");
  check_field(s.fields.stream, "stream_field");
  check_field(s.fields.message, "message_field");
  check_field(s.fields.namespace_name, "namespace_field");
  check_field(s.fields.activation_id, "activation_id_field");

  table.text("ca_file", s.tls.ca_file);
  table.text("server_name", s.tls.server_name);
  word = "full";
  table.text("tls_verify", word);
  s.tls.verify = word != "off-and-insecure";

  if (s.mode != Mode::kStdoutJson && (s.collector.url.empty() || s.collector.token.empty())) {
    refuse("hec_url and hec_token must be given: lines go to Splunk's HTTP Event Collector");
  }
  if (s.mode != Mode::kHec && s.search.url.empty()) {
    refuse("search_url must be given: without it no log could be shown");
  }
  const bool basic = !s.search.username.empty() || !s.search.password.empty();
  if (!s.search.url.empty() && basic == !s.search.token.empty()) {
    refuse("search_url needs either search_token or search_username and search_password");
  }
  return s;
}

}  // namespace berth::splunk
