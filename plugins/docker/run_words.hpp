// SPDX-License-Identifier: Apache-2.0
// The words of `docker run` (without their dashes) as fields of the Engine API's create call: for
// the operator's extra_args and for a LogStore's container parameters. Pure functions.
#pragma once

#include <boost/json/object.hpp>
#include <string>
#include <string_view>

#include "berth/sdk/status.hpp"

namespace berth::docker {

// Puts one `--word=value` into `body` (the create call's body) and `host` (its HostConfig). Words
// that may be given several times add; the others replace. INVALID_ARGUMENT for a word that is not
// known, a value that does not fit, or a word that is Berth's own to decide.
sdk::Status apply_run_word(std::string_view word, std::string_view value, boost::json::object& body,
                           boost::json::object& host);

// "64m", "1gb", "1024" in bytes; -1 if it is none.
std::int64_t parse_bytes(std::string_view text);

// Whether this security option leaves no-new-privileges as it is, or sets it. In every spelling
// that an engine might understand.
bool keeps_no_new_privileges(std::string_view option);

// Whether a log store may ask for this word: it says where output goes, and nothing about what the
// container may do.
bool is_log_word(std::string_view word);

}  // namespace berth::docker
