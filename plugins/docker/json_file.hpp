// SPDX-License-Identifier: Apache-2.0
// The files of the engine's json-file log driver, read directly: lines of
// {"log":"text\n","stream":"stdout","time":"..."}, rotated by renaming x to x.1, x.1 to x.2 and so
// on.
//
// parse_json_line is a pure function; a JsonLogFile belongs to one thread at a time. Reading a file
// may touch the disk, but what is read was written a moment ago.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "berth/sdk/container_factory.hpp"
#include "docker/multiplexed.hpp"
#include "support/unique_fd.hpp"

namespace berth::docker {

// Reads one line (without its end). The record's text lies in `line` or in `scratch`. False if it
// is no such line.
bool parse_json_line(std::string_view line, LogRecord& record, std::string& scratch,
                     TimeReader& times);
inline bool parse_json_line(std::string_view line, LogRecord& record, std::string& scratch) {
  TimeReader times;
  return parse_json_line(line, record, scratch, times);
}

// Reads the line that `text` begins with, if it is of the form that the engine nearly always
// writes: no escape but the \n at its end. Its length with its end, or 0 if it is of another form
// or not whole. The record's text lies in `text`.
std::size_t parse_usual_line(std::string_view text, LogRecord& record, TimeReader& times);

// A place in the sequence of files.
struct FileCursor {
  std::uint64_t inode = 0;  // 0: the oldest
  std::uint64_t offset = 0;

  std::string text() const;  // "f<inode>.<offset>"
  // Empty text is the oldest. False if it is no cursor of ours.
  static bool parse(std::string_view text, FileCursor& cursor);
  friend bool operator==(const FileCursor&, const FileCursor&) = default;
};

class JsonLogFile {
 public:
  explicit JsonLogFile(std::string path) : path_(std::move(path)) {}

  // Reads whole lines from `cursor` on, at least one if there is one and then about `max_bytes` of
  // text, and moves the cursor. OK without records: nothing more is there at the moment.
  // OUT_OF_RANGE: what the cursor names is not there any more, also where somebody has emptied the
  // file in place. NOT_FOUND: there is no such file;
  // PERMISSION_DENIED: it may not be read.
  sdk::Status read(FileCursor& cursor, std::uint64_t max_bytes, sdk::LogBatch& batch);

 private:
  sdk::Status open_at(FileCursor& cursor);
  // Opens `path_` itself (0) or its rotation number n.
  support::UniqueFd open(int n, std::uint64_t& inode) const;
  int find(std::uint64_t inode) const;  // its number, or -1
  // Reads on in the open file. True if anything was added. OUT_OF_RANGE if the file was cut.
  sdk::Status read_on(FileCursor& cursor, std::uint64_t max_bytes, sdk::LogBatch& batch,
                      bool& added);
  // Takes the lines of `piece`, which begins at the cursor, and moves it. Bytes that were no whole
  // line.
  std::size_t take_lines(std::string_view piece, FileCursor& cursor, std::uint64_t max_bytes,
                         sdk::LogBatch& batch);
  // At the end of the open file: goes to the next newer one. False if there is none.
  bool next(FileCursor& cursor, sdk::Status& status);

  const std::string path_;
  support::UniqueFd fd_;  // held, so that a rotation takes nothing away
  std::uint64_t inode_ = 0;
  std::string buffer_;
  std::string scratch_;
  TimeReader times_;
  bool in_line_ = false;  // the cursor is in the middle of what is no line of the engine's
};

}  // namespace berth::docker
