// SPDX-License-Identifier: Apache-2.0
#include "docker/json_file.hpp"

#include <algorithm>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>

namespace berth::docker {
namespace {

namespace json = boost::json;

constexpr std::size_t kSmallPiece = 16u << 10;
constexpr std::size_t kPiece = 256u << 10;
constexpr std::size_t kUsualLine = 64;
// The engine cuts lines at 16 KiB of text; even all of it escaped is far below this.
constexpr std::size_t kLongestLine = 1u << 20;
constexpr int kMostRotations = 1000;
constexpr std::ptrdiff_t kLongestTime = 30;

constexpr std::string_view kLog = R"({"log":")";
constexpr std::string_view kStdout = R"(","stream":"stdout","time":")";
constexpr std::string_view kStderr = R"(","stream":"stderr","time":")";

int hex(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// The code unit of "XXXX" at `p`, or -1.
int code_unit(const char* p, const char* end) {
  if (end - p < 4) return -1;
  int value = 0;
  for (int i = 0; i < 4; ++i) {
    const int digit = hex(p[i]);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

void append_utf8(std::string& to, unsigned c) {
  if (c < 0x80) {
    to += static_cast<char>(c);
  } else if (c < 0x800) {
    to += {static_cast<char>(0xc0 | c >> 6), static_cast<char>(0x80 | (c & 63))};
  } else if (c < 0x10000) {
    to += {static_cast<char>(0xe0 | c >> 12), static_cast<char>(0x80 | (c >> 6 & 63)),
           static_cast<char>(0x80 | (c & 63))};
  } else {
    to += {static_cast<char>(0xf0 | c >> 18), static_cast<char>(0x80 | (c >> 12 & 63)),
           static_cast<char>(0x80 | (c >> 6 & 63)), static_cast<char>(0x80 | (c & 63))};
  }
}

// Undoes one escape, `p` behind its backslash; moves `p`. False if it is none.
bool unescape(const char*& p, const char* end, std::string& to) {
  if (p == end) return false;
  switch (*p++) {
    case 'n': to += '\n'; return true;
    case 'r': to += '\r'; return true;
    case 't': to += '\t'; return true;
    case 'b': to += '\b'; return true;
    case 'f': to += '\f'; return true;
    case '"': to += '"'; return true;
    case '\\': to += '\\'; return true;
    case '/': to += '/'; return true;
    case 'u': break;
    default: return false;
  }
  const int first = code_unit(p, end);
  if (first < 0) return false;
  p += 4;
  unsigned c = static_cast<unsigned>(first);
  if (c >= 0xd800 && c < 0xdc00 && end - p >= 6 && p[0] == '\\' && p[1] == 'u') {
    const int second = code_unit(p + 2, end);
    if (second >= 0xdc00 && second < 0xe000) {
      p += 6;
      c = 0x10000 + ((c - 0xd800) << 10) + (static_cast<unsigned>(second) - 0xdc00);
    }
  }
  if (c >= 0xd800 && c < 0xe000) c = 0xfffd;  // half of a pair
  append_utf8(to, c);
  return true;
}

// Reads a JSON text from `p` (behind its quote) to the quote that ends it, which `p` then points
// at. What needs no copy is not copied. `whole` is set if the text ended with \n, which is then not
// part of it: nearly every line has this one escape.
bool read_text(const char*& p, const char* end, std::string_view& text, std::string& scratch,
               bool& whole) {
  const char* begin = p;
  bool copied = false;
  while (true) {
    const auto left = static_cast<std::size_t>(end - p);
    const auto* backslash = static_cast<const char*>(std::memchr(p, '\\', left));
    const char* limit = backslash == nullptr ? end : backslash;
    const auto* quote =
        static_cast<const char*>(std::memchr(p, '"', static_cast<std::size_t>(limit - p)));
    if (quote != nullptr) {
      if (copied) {
        scratch.append(p, quote);
        text = scratch;
      } else {
        text = std::string_view(begin, static_cast<std::size_t>(quote - begin));
      }
      p = quote;
      return true;
    }
    if (backslash == nullptr) return false;
    if (end - backslash > 2 && backslash[1] == 'n' && backslash[2] == '"') {
      whole = true;
      if (copied) scratch.append(p, backslash);
      text = copied ? std::string_view(scratch)
                    : std::string_view(begin, static_cast<std::size_t>(backslash - begin));
      p = backslash + 2;
      return true;
    }
    if (!copied) {
      scratch.clear();
      copied = true;
    }
    scratch.append(p, backslash);
    p = backslash + 1;
    if (!unescape(p, end, scratch)) return false;
  }
}

bool finish(LogRecord& record) {
  record.partial = record.text.empty() || record.text.back() != '\n';
  if (!record.partial) record.text.remove_suffix(1);
  return true;
}

// A line in another order of members, with further ones, with spaces.
bool parse_any(std::string_view line, LogRecord& record, std::string& scratch, TimeReader& times) {
  boost::system::error_code error;
  const json::value value = json::parse(line, error);
  const json::object* object = error ? nullptr : value.if_object();
  if (object == nullptr) return false;
  const json::value* log = object->if_contains("log");
  const json::value* stream = object->if_contains("stream");
  const json::value* time = object->if_contains("time");
  if (log == nullptr || !log->is_string() || time == nullptr || !time->is_string()) return false;
  scratch.assign(log->get_string().data(), log->get_string().size());
  record.text = scratch;
  record.stream =
      stream != nullptr && stream->is_string() && stream->get_string() == "stderr" ? 2 : 1;
  record.time_ns = times.read(std::string_view(time->get_string()));
  return record.time_ns >= 0 && finish(record);
}

}  // namespace

std::size_t parse_usual_line(std::string_view text, LogRecord& record, TimeReader& times) {
  if (!text.starts_with(kLog)) return 0;
  const char* const begin = text.data() + kLog.size();
  const char* const end = text.data() + text.size();
  const auto find = [](const char* from, const char* to, char c) {
    return static_cast<const char*>(std::memchr(from, c, static_cast<std::size_t>(to - from)));
  };
  const char* const quote = find(begin, end, '"');
  if (quote == nullptr || quote - begin < 2 || quote[-2] != '\\' || quote[-1] != 'n') return 0;
  const char* const stop = quote - 2;
  if (find(begin, stop, '\\') != nullptr) return 0;
  static_assert(kStdout.size() == kStderr.size());
  if (end - quote < static_cast<std::ptrdiff_t>(kStdout.size())) return 0;
  if (std::memcmp(quote, kStdout.data(), kStdout.size()) == 0) {
    record.stream = 1;
  } else if (std::memcmp(quote, kStderr.data(), kStderr.size()) == 0) {
    record.stream = 2;
  } else {
    return 0;
  }
  const char* const time = quote + kStdout.size();
  const char* const after = find(time, std::min(end, time + kLongestTime + 1), '"');
  if (after == nullptr || end - after < 3 || after[1] != '}' || after[2] != '\n') return 0;
  record.time_ns = times.read(std::string_view(time, static_cast<std::size_t>(after - time)));
  if (record.time_ns < 0) return 0;
  record.text = std::string_view(begin, static_cast<std::size_t>(stop - begin));
  record.partial = false;
  return static_cast<std::size_t>(after + 3 - text.data());
}

bool parse_json_line(std::string_view line, LogRecord& record, std::string& scratch,
                     TimeReader& times) {
  if (!line.starts_with(kLog)) return parse_any(line, record, scratch, times);
  const char* p = line.data() + kLog.size();
  const char* end = line.data() + line.size();
  bool whole = false;
  if (!read_text(p, end, record.text, scratch, whole))
    return parse_any(line, record, scratch, times);
  std::string_view rest(p, static_cast<std::size_t>(end - p));
  if (rest.starts_with(kStdout)) {
    record.stream = 1;
  } else if (rest.starts_with(kStderr)) {
    record.stream = 2;
  } else {
    return parse_any(line, record, scratch, times);
  }
  rest.remove_prefix(kStdout.size());
  if (!rest.ends_with("\"}")) return parse_any(line, record, scratch, times);
  record.time_ns = times.read(rest.substr(0, rest.size() - 2));
  if (record.time_ns < 0) return parse_any(line, record, scratch, times);
  record.partial = !whole;
  return true;
}

std::string FileCursor::text() const {
  return inode == 0 ? "" : "f" + std::to_string(inode) + "." + std::to_string(offset);
}

bool FileCursor::parse(std::string_view text, FileCursor& cursor) {
  cursor = {};
  if (text.empty()) return true;
  if (text[0] != 'f') return false;
  const char* end = text.data() + text.size();
  const auto inode = std::from_chars(text.data() + 1, end, cursor.inode);
  if (inode.ec != std::errc{} || inode.ptr == end || *inode.ptr != '.') return false;
  const auto offset = std::from_chars(inode.ptr + 1, end, cursor.offset);
  return offset.ec == std::errc{} && offset.ptr == end && cursor.inode != 0;
}

support::UniqueFd JsonLogFile::open(int n, std::uint64_t& inode) const {
  const std::string path = n == 0 ? path_ : path_ + "." + std::to_string(n);
  support::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  struct stat info {};
  if (fd && (::fstat(fd.get(), &info) != 0 || !S_ISREG(info.st_mode))) fd.reset();
  inode = info.st_ino;
  return fd;
}

int JsonLogFile::find(std::uint64_t inode) const {
  for (int n = 0; n < kMostRotations; ++n) {
    struct stat info {};
    const std::string path = n == 0 ? path_ : path_ + "." + std::to_string(n);
    if (::stat(path.c_str(), &info) != 0) {
      if (n > 0) return -1;
      continue;  // in the middle of a rotation
    }
    if (info.st_ino == inode) return n;
  }
  return -1;
}

sdk::Status JsonLogFile::open_at(FileCursor& cursor) {
  if (fd_ && cursor.inode == inode_) return {};
  fd_.reset();
  int n = 0;
  if (cursor.inode == 0) {
    struct stat info {};
    while (n < kMostRotations && ::stat((path_ + "." + std::to_string(n + 1)).c_str(), &info) == 0)
      ++n;
  } else {
    n = find(cursor.inode);
    if (n < 0) return sdk::out_of_range("the log file at this cursor is gone");
  }
  fd_ = open(n, inode_);
  if (!fd_) {
    if (errno == ENOENT) return sdk::not_found("no log file " + path_);
    return sdk::permission_denied("cannot read " + path_ + ": " + std::strerror(errno));
  }
  if (cursor.inode == 0) {
    cursor = {inode_, 0};
    return {};
  }
  // Another file may have got the inode of one that is gone.
  char before = '\n';
  if (inode_ != cursor.inode ||
      (cursor.offset > 0 &&
       (::pread(fd_.get(), &before, 1, static_cast<off_t>(cursor.offset - 1)) != 1 ||
        before != '\n'))) {
    fd_.reset();
    return sdk::out_of_range("the log file at this cursor is gone");
  }
  return {};
}

std::size_t JsonLogFile::take_lines(std::string_view piece, FileCursor& cursor,
                                    std::uint64_t max_bytes, sdk::LogBatch& batch) {
  while (!piece.empty()) {
    if (batch.bytes() >= max_bytes && !batch.empty()) break;
    LogRecord record;
    std::size_t length = parse_usual_line(piece, record, times_);
    bool good = length > 0;
    if (!good) {
      const std::size_t end = piece.find('\n');
      if (end == std::string_view::npos) break;
      length = end + 1;
      good = parse_json_line(piece.substr(0, end), record, scratch_, times_);
    }
    if (good) {
      batch.add(record.stream == 2 ? sdk::Stream::kStderr : sdk::Stream::kStdout, record.time_ns,
                record.text, record.partial ? BERTH_LOG_PARTIAL_LINE : 0u);
    }
    piece.remove_prefix(length);
    cursor.offset += length;
    in_line_ = false;
  }
  return piece.size();
}

sdk::Status JsonLogFile::read_on(FileCursor& cursor, std::uint64_t max_bytes, sdk::LogBatch& batch,
                                 bool& added) {
  const std::size_t had = batch.size();
  std::size_t size = std::clamp<std::size_t>(max_bytes + max_bytes / 2, kSmallPiece, kPiece);
  while (batch.bytes() < max_bytes || batch.size() == had) {
    // From the end of the line before: if that is not there, somebody has emptied the file.
    const std::size_t before = cursor.offset > 0 ? 1 : 0;
    buffer_.resize(size + before);
    const ssize_t n = ::pread(fd_.get(), buffer_.data(), buffer_.size(),
                              static_cast<off_t>(cursor.offset - before));
    if (n < 0) break;
    if (before == 1 && (n == 0 || (buffer_[0] != '\n' && !in_line_))) {
      fd_.reset();
      return sdk::out_of_range("the log file was emptied before it was read");
    }
    const std::size_t got = static_cast<std::size_t>(n) - before;
    // Much has been printed: better one allocation than several that grow.
    if (had == 0 && batch.empty() && got == size) {
      batch.reserve(max_bytes / kUsualLine, max_bytes + kUsualLine * 16);
    }
    const std::size_t left =
        take_lines(std::string_view(buffer_).substr(before, got), cursor, max_bytes, batch);
    if (left == got) {        // not one line's end
      if (got < size) break;  // it is being written
      if (size < kLongestLine) {
        size *= 2;
      } else {
        cursor.offset += got;  // nothing the engine wrote
        in_line_ = true;
      }
    } else if (got < size) {
      break;  // that was the file's end
    }
  }
  added = batch.size() > had;
  return {};
}

bool JsonLogFile::next(FileCursor& cursor, sdk::Status& status) {
  struct stat info {};
  if (::stat(path_.c_str(), &info) != 0 || info.st_ino == inode_) return false;
  const int n = find(inode_);
  if (n < 0) {  // rotated away while we slept: what lay between is lost
    fd_.reset();
    status = sdk::out_of_range("log files were rotated away before they were read");
    return false;
  }
  if (n == 0) return false;
  std::uint64_t inode = 0;
  support::UniqueFd newer = open(n - 1, inode);
  if (!newer || inode == inode_) return false;  // in the middle of a rotation
  fd_ = std::move(newer);
  inode_ = inode;
  cursor = {inode, 0};
  return true;
}

sdk::Status JsonLogFile::read(FileCursor& cursor, std::uint64_t max_bytes, sdk::LogBatch& batch) {
  if (const sdk::Status s = open_at(cursor); !s.ok()) return s;
  while (true) {
    bool added = false;
    sdk::Status status = read_on(cursor, max_bytes, batch, added);
    if (!status.ok() || added) return status;
    // A line may have come between the last read and the rotation: the file that was rotated is
    // read once more.
    struct stat info {};
    if (::stat(path_.c_str(), &info) != 0 || info.st_ino == inode_) return {};
    status = read_on(cursor, max_bytes, batch, added);
    if (!status.ok() || added) return status;
    if (!next(cursor, status)) return status;
  }
}

}  // namespace berth::docker
