// SPDX-License-Identifier: Apache-2.0
// The search for an activation's lines: what is asked of Splunk, and what its answer means. Does no
// input or output. Thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "berth/sdk/log_store.hpp"
#include "hec_event.hpp"
#include "settings.hpp"
#include "support/http/client.hpp"

namespace berth::splunk {

// `text` as a string in a search, with its quotes.
std::string quote(std::string_view text);

struct Wanted {
  std::string activation_id;
  std::string namespace_name;
  std::int64_t start_ms = 0;  // 0: unknown
  std::int64_t end_ms = 0;
  std::uint64_t first = 0;  // the first line's sequence
  std::uint64_t rows = 1000;

  // Asks for a larger page, where one line has more parts than a page has rows. False if there is
  // none.
  bool widen();
};

// The search itself. Each row has berth_sequence, berth_part, berth_parts, berth_final, berth_time,
// berth_stream and berth_message.
std::string make_query(const Settings& settings, const Wanted& wanted);

// The form to POST to /services/search/jobs for a one-shot search, `now_ms` since the epoch.
std::string make_form(const Settings& settings, const Wanted& wanted, std::int64_t now_ms);

// The whole request, for now; to be sent to search_url.
support::http::Request search_request(const Settings& settings, const Wanted& wanted);

struct Rows {
  sdk::Status status;  // of the search
  std::vector<Piece> pieces;
  std::size_t rows = 0;    // that came, whole or not
  bool cut_short = false;  // Splunk ended the search before it was through
};

// Reads an answer with HTTP code `code`. A row without its message becomes a line that says so, the
// others stay.
Rows read_rows(const Settings& settings, int code, std::string_view body);

}  // namespace berth::splunk
