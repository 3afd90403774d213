// SPDX-License-Identifier: Apache-2.0
#include "archive.hpp"

#include <cstdint>
#include <fcntl.h>
#include <set>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>
#include <zlib.h>

#include "json.hpp"

namespace berth::native {
namespace {

constexpr std::string_view kDamaged = "the action archive is damaged";
constexpr std::string_view kTooLarge = "the action archive unpacks to more than is allowed";
constexpr size_t kEndSize = 22;
constexpr size_t kEntrySize = 46;
constexpr size_t kLocalSize = 30;
constexpr size_t kMaxNameBytes = 1024;
constexpr size_t kMaxLinkBytes = 4096;

uint32_t read16(std::string_view data, size_t at) {
  return static_cast<uint8_t>(data[at]) | static_cast<uint32_t>(static_cast<uint8_t>(data[at + 1]))
                                              << 8;
}

uint32_t read32(std::string_view data, size_t at) {
  return read16(data, at) | read16(data, at + 2) << 16;
}

struct Entry {
  std::string_view name;
  std::string_view packed;
  uint32_t method = 0;
  uint32_t crc = 0;
  uint32_t size = 0;
  uint32_t mode = 0;
};

using Parts = std::vector<std::string_view>;

Parts split_path(std::string_view path) {
  Parts parts;
  while (!path.empty()) {
    const size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (!part.empty() && part != ".") parts.push_back(part);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
  }
  return parts;
}

class Extractor {
 public:
  Extractor(std::string_view data, const std::string& directory, std::string& error)
      : data_(data), directory_(directory), error_(error) {}

  bool run() {
    if (!find_directory()) return false;
    for (size_t i = 0; i < count_; ++i) {
      Entry entry;
      if (!next_entry(entry) || !extract(entry)) return false;
    }
    for (const auto& [target, path] : links_) {
      if (symlink(target.c_str(), path.c_str()) != 0) return fail_system("cannot make a link");
    }
    return true;
  }

 private:
  bool fail(std::string_view text) {
    error_ = text;
    return false;
  }
  bool fail_name(std::string_view text, std::string_view name) {
    error_ = std::string(text) + ": " + quote(name);
    return false;
  }
  bool fail_system(std::string_view text) {
    error_ = std::string(text) + ": " + strerror(errno);
    return false;
  }

  bool find_directory() {
    const size_t end = data_.rfind(std::string_view("PK\x05\x06", 4));
    if (end == std::string_view::npos || end + kEndSize > data_.size()) {
      return fail("the action archive has no central directory");
    }
    count_ = read16(data_, end + 10);
    at_ = read32(data_, end + 16);
    if (read32(data_, end + 4) != 0 || read16(data_, end + 8) != count_ || at_ == 0xFFFFFFFF) {
      return fail("the action archive is split or uses zip64, which is not supported");
    }
    end_ = end;
    return at_ + read32(data_, end + 12) <= end_ || fail(kDamaged);
  }

  bool next_entry(Entry& entry) {
    if (at_ + kEntrySize > end_ || data_.substr(at_, 4) != std::string_view("PK\x01\x02", 4))
      return fail(kDamaged);
    const size_t at = at_;
    const size_t name_length = read16(data_, at + 28);
    at_ += kEntrySize + name_length + read16(data_, at + 30) + read16(data_, at + 32);
    if (at_ > end_) return fail(kDamaged);
    if (name_length > kMaxNameBytes)
      return fail("the action archive holds a name that is too long");
    if ((read16(data_, at + 8) & 1) != 0) return fail("the action archive is encrypted");
    const bool made_by_unix = data_[at + 5] == 3;
    entry.name = data_.substr(at + kEntrySize, name_length);
    entry.method = read16(data_, at + 10);
    entry.crc = read32(data_, at + 16);
    entry.size = read32(data_, at + 24);
    entry.mode = made_by_unix ? read16(data_, at + 40) : 0;
    const size_t packed = read32(data_, at + 20);
    const size_t local = read32(data_, at + 42);
    if (local + kLocalSize > end_ || data_.substr(local, 4) != std::string_view("PK\x03\x04", 4))
      return fail(kDamaged);
    const size_t start = local + kLocalSize + read16(data_, local + 26) + read16(data_, local + 28);
    if (start + packed > end_) return fail(kDamaged);
    entry.packed = data_.substr(start, packed);
    return true;
  }

  bool extract(const Entry& entry) {
    total_ += entry.size;
    if (total_ > kMaxArchiveBytes) return fail(kTooLarge);
    const Parts parts = split_path(entry.name);
    if (!is_safe(entry.name, parts))
      return fail_name("the action archive holds an unsafe name", entry.name);
    if (entry.name.back() == '/' || parts.empty()) return make_directories(parts, parts.size());
    if (!make_directories(parts, parts.size() - 1)) return false;
    std::string path = directory_;
    for (const std::string_view part : parts) path.append("/").append(part);
    switch (entry.mode & S_IFMT) {
      case S_IFLNK: return plan_link(entry, parts, path);
      case 0:
      case S_IFREG: return write_file(entry, path);
      default: return fail_name("the action archive holds a special file", entry.name);
    }
  }

  static bool is_safe(std::string_view name, const Parts& parts) {
    if (name.empty() || name.front() == '/' || name.find('\0') != std::string_view::npos)
      return false;
    for (const std::string_view part : parts) {
      if (part == "..") return false;
    }
    return true;
  }

  bool make_directories(const Parts& parts, size_t count) {
    std::string path = directory_;
    for (size_t i = 0; i < count; ++i) {
      path.append("/").append(parts[i]);
      if (made_.count(path) != 0) continue;
      if (made_.size() >= kMaxArchiveDirectories) return fail(kTooLarge);
      if (mkdir(path.c_str(), 0755) != 0) return fail_system("cannot make a directory");
      made_.insert(path);
    }
    return true;
  }

  // Only leading '..' within the link's own depth: the rest cannot climb, so chains stay below the
  // root.
  bool plan_link(const Entry& entry, const Parts& parts, const std::string& path) {
    if (entry.size > kMaxLinkBytes)
      return fail_name("the action archive holds an unsafe link", entry.name);
    std::string target;
    if (!unpack(entry, [&](std::string_view piece) {
          target.append(piece);
          return true;
        })) {
      return false;
    }
    const Parts steps = split_path(target);
    size_t climbs = 0;
    while (climbs < steps.size() && steps[climbs] == "..") ++climbs;
    bool safe = !steps.empty() && target.front() != '/' && climbs < parts.size() &&
                target.find('\0') == target.npos;
    for (size_t i = climbs; i < steps.size(); ++i) safe = safe && steps[i] != "..";
    if (!safe) return fail_name("the action archive holds an unsafe link", entry.name);
    links_.emplace_back(target, path);
    return true;
  }

  bool write_file(const Entry& entry, const std::string& path) {
    const mode_t mode = (entry.mode & 0111) != 0 ? 0755 : 0644;
    const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, mode);
    if (fd < 0) return fail_system("cannot write a file of the action archive");
    bool ok = unpack(entry, [&](std::string_view piece) {
      while (!piece.empty()) {
        const ssize_t count = write(fd, piece.data(), piece.size());
        if (count < 0 && errno == EINTR) continue;
        if (count < 0) return fail_system("cannot write a file of the action archive");
        piece.remove_prefix(static_cast<size_t>(count));
      }
      return true;
    });
    if (close(fd) != 0 && ok) ok = fail_system("cannot write a file of the action archive");
    return ok;
  }

  // Hands the content to write(piece) -> bool and checks its size and sum.
  template <typename Write>
  bool unpack(const Entry& entry, Write write) {
    if (entry.method == 0) {
      if (entry.packed.size() != entry.size || sum(0, entry.packed) != entry.crc)
        return fail(kDamaged);
      return write(entry.packed);
    }
    if (entry.method != 8) {
      return fail("the action archive uses compression method " + std::to_string(entry.method) +
                  ", which is not supported");
    }
    z_stream stream{};
    if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return fail("out of memory");
    const bool ok = inflate_all(stream, entry, write);
    inflateEnd(&stream);
    return ok;
  }

  template <typename Write>
  bool inflate_all(z_stream& stream, const Entry& entry, Write write) {
    std::vector<char> buffer(64 * 1024);
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(entry.packed.data()));
    stream.avail_in = static_cast<uInt>(entry.packed.size());
    size_t seen = 0;
    uint32_t check = 0;
    int state = Z_OK;
    while (state == Z_OK) {
      stream.next_out = reinterpret_cast<Bytef*>(buffer.data());
      stream.avail_out = static_cast<uInt>(buffer.size());
      state = inflate(&stream, Z_NO_FLUSH);
      const std::string_view piece(buffer.data(), buffer.size() - stream.avail_out);
      seen += piece.size();
      if ((state != Z_OK && state != Z_STREAM_END) || seen > entry.size) return fail(kDamaged);
      check = sum(check, piece);
      if (!write(piece)) return false;
    }
    return (seen == entry.size && check == entry.crc) || fail(kDamaged);
  }

  static uint32_t sum(uint32_t check, std::string_view bytes) {
    return static_cast<uint32_t>(crc32(check, reinterpret_cast<const Bytef*>(bytes.data()),
                                       static_cast<uInt>(bytes.size())));
  }

  std::string_view data_;
  const std::string& directory_;
  std::string& error_;
  size_t at_ = 0;
  size_t end_ = 0;
  size_t count_ = 0;
  unsigned long long total_ = 0;
  std::set<std::string> made_;
  std::vector<std::pair<std::string, std::string>> links_;
};

}  // namespace

bool is_zip(std::string_view data) {
  const std::string_view start = data.substr(0, 4);
  return start == std::string_view("PK\x03\x04", 4) || start == std::string_view("PK\x05\x06", 4);
}

bool extract_zip(std::string_view data, const std::string& directory, std::string& error) {
  return Extractor(data, directory, error).run();
}

}  // namespace berth::native
