// SPDX-License-Identifier: Apache-2.0
#include "mesos/protocol/record_io.hpp"

#include <algorithm>
#include <utility>

namespace berth::mesos {

RecordReader::RecordReader(std::size_t max_bytes, std::function<bool(std::string_view)> on_record)
    : max_bytes_(max_bytes), on_record_(std::move(on_record)) {}

bool RecordReader::refuse(std::string why) {
  error_ = std::move(why);
  ended_ = true;
  return false;
}

bool RecordReader::feed(std::string_view bytes) {
  while (!ended_ && (!bytes.empty() || (in_record_ && record_.size() == length_))) {
    if (!in_record_) {
      const char c = bytes.front();
      bytes.remove_prefix(1);
      if (c == '\n' && digits_ > 0) {
        in_record_ = true;
        continue;
      }
      if (c < '0' || c > '9') return refuse("a record's length is no number");
      length_ = length_ * 10 + static_cast<std::size_t>(c - '0');
      ++digits_;
      // Leading zeros would make a length of any digits fit.
      if (length_ > max_bytes_ || digits_ > 20) {
        return refuse("a record is longer than " + std::to_string(max_bytes_) + " bytes");
      }
      continue;
    }
    const std::size_t wanted = length_ - record_.size();
    const std::string_view piece = bytes.substr(0, wanted);
    bytes.remove_prefix(piece.size());
    std::string_view whole = piece;
    if (!record_.empty() || piece.size() < wanted) {
      record_.append(piece);
      if (record_.size() < length_) continue;
      whole = record_;
    }
    const bool go_on = on_record_(whole);
    record_.clear();
    length_ = 0;
    digits_ = 0;
    in_record_ = false;
    if (!go_on) ended_ = true;
  }
  return !ended_;
}

std::string encode_record(std::string_view bytes) {
  std::string record = std::to_string(bytes.size());
  record += '\n';
  record.append(bytes);
  return record;
}

}  // namespace berth::mesos
