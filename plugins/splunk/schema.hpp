// SPDX-License-Identifier: Apache-2.0
// JSON Schema of the [plugin.splunk] table, draft 4; a macro because the note wants a literal.
#pragma once

#define BERTH_SPLUNK_INTEGER(name, min, max, standard, text)                      \
  "\"" name "\": {\"type\": \"integer\", \"minimum\": " min ", \"maximum\": " max \
  ", \"default\": " standard ", \"description\": \"" text "\"},"
#define BERTH_SPLUNK_TEXT(name, text) \
  "\"" name "\": {\"type\": \"string\", \"description\": \"" text "\"},"
#define BERTH_SPLUNK_SECRET(name, text) \
  "\"" name "\": {\"type\": \"string\", \"writeOnly\": true, \"description\": \"" text "\"},"
#define BERTH_SPLUNK_URL(name, text)                              \
  "\"" name                                                       \
  "\": {\"type\": \"string\", \"pattern\": \"^https?://[^/]+$\"," \
  " \"description\": \"" text "\"},"
#define BERTH_SPLUNK_FLAG(name, standard, text)                                               \
  "\"" name "\": {\"type\": \"boolean\", \"default\": " standard ", \"description\": \"" text \
  "\""                                                                                        \
  "},"

#define BERTH_SPLUNK_SCHEMA \
  "{\"type\": \"object\", \"additionalProperties\": false, \"properties\": {"                      \
  "\"mode\": {\"enum\": [\"hec\", \"docker-driver\", \"stdout-json\"], \"default\": \"hec\","      \
  " \"description\": \"Who brings lines to Splunk: berthd, Docker's splunk driver, or a forwarder" \
  " that reads what functions print.\"},"                                                          \
  BERTH_SPLUNK_URL("hec_url", "The HTTP Event Collector: https://HOST:8088")                       \
  BERTH_SPLUNK_SECRET("hec_token", "Its token.")                                                   \
  BERTH_SPLUNK_FLAG("acknowledge", "false", "Wait until events are indexed; the token must have"   \
                    " indexer acknowledgement on.")                                                \
  BERTH_SPLUNK_FLAG("gzip", "true", "Compress what is sent.")                                      \
  BERTH_SPLUNK_TEXT("index", "Default: main.")                                                     \
  BERTH_SPLUNK_TEXT("source", "Default: berth.")                                                   \
  BERTH_SPLUNK_TEXT("sourcetype", "Default: berth:activation.")                                    \
  BERTH_SPLUNK_TEXT("host", "The events' host; default: the name of this berthd.")                 \
  BERTH_SPLUNK_INTEGER("max_event_bytes", "512", "1048576", "8192", "Longer lines are sent in"     \
                       " parts and joined again; less than Splunk's TRUNCATE.")                    \
  BERTH_SPLUNK_INTEGER("batch_bytes", "1024", "67108864", "1048576", "A batch is sent when it has" \
                       " so many bytes,")                                                          \
  BERTH_SPLUNK_INTEGER("batch_records", "1", "1000000", "10000", "so many parts of logs,")         \
  BERTH_SPLUNK_INTEGER("batch_wait_ms", "0", "60000", "200", "or is so old.")                      \
  BERTH_SPLUNK_INTEGER("timeout_ms", "100", "600000", "60000", "Of one batch.")                    \
  BERTH_SPLUNK_INTEGER("retry_max_ms", "1", "3600000", "30000", "Longest pause between attempts.") \
  BERTH_SPLUNK_INTEGER("ack_poll_ms", "1", "60000", "2000", "How often acknowledgements are asked" \
                       " for.")                                                                    \
  BERTH_SPLUNK_INTEGER("ack_timeout_ms", "10", "86400000", "300000", "A batch that is not"         \
                       " acknowledged by then is sent again.")                                     \
  BERTH_SPLUNK_TEXT("spool_directory", "Default: the plugin's own data directory.")                \
  BERTH_SPLUNK_INTEGER("spool_bytes", "65536", "17592186044416", "1073741824", "Logs are refused"  \
                       " when more wait for Splunk.")                                              \
  BERTH_SPLUNK_INTEGER("spool_segment_bytes", "4096", "1073741824", "16777216", "Of one file.")    \
  "\"sync\": {\"enum\": [\"never\", \"interval\", \"always\"], \"default\": \"interval\","         \
  " \"description\": \"When the spool is forced to the disk.\"},"                                  \
  BERTH_SPLUNK_INTEGER("sync_interval_ms", "10", "3600000", "1000", "For interval.")               \
  BERTH_SPLUNK_INTEGER("max_queued_bytes", "1048576", "17179869184", "67108864", "Appends are"     \
                       " refused when more waits for the disk.")                                   \
  BERTH_SPLUNK_URL("search_url", "Where logs are read back: https://HOST:8089")                    \
  BERTH_SPLUNK_SECRET("search_token", "A bearer token for it,")                                    \
  BERTH_SPLUNK_TEXT("search_username", "or a name")                                                \
  BERTH_SPLUNK_SECRET("search_password", "and its password.")                                      \
  BERTH_SPLUNK_TEXT("search_constraints", "Added to every search as it is.")                       \
  BERTH_SPLUNK_INTEGER("search_max_time_s", "1", "600", "10", "Splunk ends a search then.")        \
  BERTH_SPLUNK_INTEGER("earliest_offset_s", "0", "315360000", "604800", "How far back is searched" \
                       " when an activation's start is unknown.")                                  \
  BERTH_SPLUNK_INTEGER("timestamp_offset_s", "0", "86400", "2", "The search begins and ends so"    \
                       " much before and after the activation.")                                   \
  BERTH_SPLUNK_INTEGER("attempts", "1", "100", "5", "Searches while lines are not indexed yet.")   \
  BERTH_SPLUNK_INTEGER("attempt_wait_ms", "1", "60000", "200", "Pause before the second search;"   \
                       " doubles.")                                                                \
  BERTH_SPLUNK_INTEGER("page_rows", "1", "50000", "1000", "Rows of one search.")                   \
  BERTH_SPLUNK_TEXT("time_field", "Default: log_timestamp.")                                       \
  BERTH_SPLUNK_TEXT("stream_field", "Default: log_stream.")                                        \
  BERTH_SPLUNK_TEXT("message_field", "Default: log_message.")                                      \
  BERTH_SPLUNK_TEXT("namespace_field", "Default: namespace.")                                      \
  BERTH_SPLUNK_TEXT("activation_id_field", "Default: activation_id.")                              \
  BERTH_SPLUNK_TEXT("ca_file", "PEM; replaces the system's authorities.")                          \
  BERTH_SPLUNK_TEXT("server_name", "The name that certificates must be for; default: the URL's.")  \
  "\"tls_verify\": {\"enum\": [\"full\", \"off-and-insecure\"], \"default\": \"full\","            \
  " \"description\": \"off-and-insecure accepts any certificate.\"}"                               \
  "}}"
