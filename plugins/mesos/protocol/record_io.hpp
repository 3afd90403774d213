// SPDX-License-Identifier: Apache-2.0
// RecordReader: RecordIO, the framing of a Mesos event stream, taken apart piece by piece.
//
// A record is "<length in decimal digits>\n<that many bytes>". Records may be split and joined over
// pieces (and HTTP chunks) in any way. Not thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace berth::mesos {

class RecordReader {
 public:
  // `on_record` gets each record's bytes, borrowed until it returns; returning false ends feed().
  // A record above `max_bytes` is refused before any of it is kept.
  RecordReader(std::size_t max_bytes, std::function<bool(std::string_view)> on_record);

  // False once the stream makes no sense or on_record said so; then it stays so.
  bool feed(std::string_view bytes);

  // Why feed() said no; empty if on_record ended it.
  const std::string& error() const { return error_; }

 private:
  bool refuse(std::string why);

  const std::size_t max_bytes_;
  const std::function<bool(std::string_view)> on_record_;
  std::string record_;  // what came of the record so far
  std::size_t length_ = 0;
  std::size_t digits_ = 0;
  bool in_record_ = false;  // else in its length
  bool ended_ = false;
  std::string error_;
};

// The record of these bytes: for tests and servers of the same framing.
std::string encode_record(std::string_view bytes);

}  // namespace berth::mesos
