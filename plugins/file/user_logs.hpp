// SPDX-License-Identifier: Apache-2.0
// Lines once more as OpenWhisk's file store writes them, for shippers made for it: files
// userlogs-<ms>.log of up to 100 MB, which nobody but the shipper deletes. One JSON object a line:
//
//   {"log":"hello\n","stream":"stdout","time":"2026-01-02T03:04:05.678901234Z",
//    "activationId":"44794b...","action":"guest/demo/hello","namespace":"guest","namespaceId":"23bc..."}
//
// The records of activations, which OpenWhisk puts between them, are not known to a LogStore and
// missing. Not thread-safe, but for format().
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

#include "berth/sdk/log_store.hpp"
#include "support/unique_fd.hpp"

namespace berth::file {

class UserLogs {
 public:
  static constexpr std::uint64_t kMaxFileBytes = 100ull * 1024 * 1024;

  explicit UserLogs(std::filesystem::path directory) : directory_(std::move(directory)) {}

  static std::string format(const sdk::ActivationRefView& activation, sdk::LogLinesView lines);

  // Whole lines; after an error nothing of them is in the file. `now_ms` names a new file.
  sdk::Status append(std::string_view lines, std::int64_t now_ms);

 private:
  const std::filesystem::path directory_;
  support::UniqueFd fd_;
  std::filesystem::path path_;
  std::uint64_t size_ = 0;
};

}  // namespace berth::file
