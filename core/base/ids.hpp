// SPDX-License-Identifier: Apache-2.0
// Random identifiers and secrets, from the kernel's generator. Thread-safe.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace berth {

// `count` random bytes as lower-case hex digits.
std::string random_hex(std::size_t count);
// 32 lower-case hex digits: an activation id.
std::string new_activation_id();
bool is_activation_id(std::string_view text);
// 32 characters [A-Za-z0-9]: a transaction id.
std::string new_transaction_id();
// 8-4-4-4-12 lower-case hex digits, version 4.
std::string new_uuid();
bool is_uuid(std::string_view text);
// 64 characters [A-Za-z0-9]: the secret half of a namespace's key.
std::string new_secret();
// Compares without telling by time where the texts differ (their lengths are no secret).
bool constant_time_equal(std::string_view a, std::string_view b);

}  // namespace berth
