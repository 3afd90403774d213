// SPDX-License-Identifier: Apache-2.0
// Reads of records, their count and their expiry, in a store that has so many of them.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "store/sqlite_store.hpp"

namespace berth::bench {

// Namespace and id of some records, spread over all.
using SomeIds = std::vector<std::pair<std::string, std::string>>;

// Puts `count` records of ten namespaces and seventy actions, a millisecond apart, through the
// store's own writer.
SomeIds fill(store::ActivationStore& records, std::size_t count);

struct Reads {
  std::vector<double> get_us;
  std::vector<double> list_us;
  std::vector<double> by_name_us;
  std::vector<double> deep_us;    // a list that begins in the middle, by time
  std::vector<double> recent_us;  // a count of what came in the last thousand milliseconds
  std::vector<double> count_us;   // a count of all of one namespace: it takes time by its result
};

Reads read(store::ActivationStore& records, std::size_t count, const SomeIds& ids);

// Opens the store with an age that the oldest ten thousand have passed: how many of them a second
// are deleted.
double expire(const std::filesystem::path& file);

}  // namespace berth::bench
