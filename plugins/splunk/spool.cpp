// SPDX-License-Identifier: Apache-2.0
#include "spool.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <system_error>
#include <unistd.h>
#include <utility>
#include <zlib.h>

#include "support/file_io.hpp"

namespace berth::splunk {
namespace {

constexpr std::uint32_t kMagic = 0x51506268;
constexpr std::uint32_t kMaxLength = 1u << 30;

// Before each record's events, as it is on disk (little-endian).
struct Header {
  std::uint32_t magic;
  std::uint32_t length;
  std::uint32_t checksum;         // of the events
  std::uint32_t header_checksum;  // of the rest of this
  unsigned char id[16];
};
static_assert(sizeof(Header) == 32);

// Up to where all is acknowledged; written in place.
struct Mark {
  std::uint64_t segment;
  std::uint64_t offset;
  std::uint64_t checksum;
};

std::uint32_t checksum_of(std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

std::uint32_t checksum_of(Header header) {
  header.header_checksum = 0;
  return checksum_of({reinterpret_cast<const char*>(&header), sizeof header});
}

std::uint64_t checksum_of(const Mark& mark) {
  return (mark.segment * 0x9e3779b97f4a7c15 ^ mark.offset) * 0x9e3779b97f4a7c15 + 1;
}

sdk::Status failed(std::string_view what, const std::filesystem::path& path, int error) {
  return support::io_error(
      what, path, error,
      {.room = "make room, or lower spool_bytes", .permission = "let berthd's user write there"});
}

// 0, or errno; then some may be written.
int write_all(int fd, std::vector<iovec>& pieces) {
  constexpr std::size_t kMaxPieces = 1024;
  std::size_t at = 0;
  while (at < pieces.size()) {
    const int count = static_cast<int>(std::min(pieces.size() - at, kMaxPieces));
    ssize_t written = ::writev(fd, &pieces[at], count);
    if (written < 0) {
      if (errno == EINTR) continue;
      return errno;
    }
    while (at < pieces.size() && static_cast<std::size_t>(written) >= pieces[at].iov_len) {
      written -= static_cast<ssize_t>(pieces[at].iov_len);
      ++at;
    }
    if (at < pieces.size() && written > 0) {
      pieces[at].iov_base = static_cast<char*>(pieces[at].iov_base) + written;
      pieces[at].iov_len -= static_cast<std::size_t>(written);
    }
  }
  return 0;
}

}  // namespace

RecordId record_id(std::string_view activation_id) {
  RecordId id{};
  const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
  for (std::size_t i = 0; i < id.size(); ++i) {
    id[i] = static_cast<unsigned char>(digit(activation_id[2 * i]) * 16 +
                                       digit(activation_id[2 * i + 1]));
  }
  return id;
}

std::filesystem::path Spool::path_of(std::uint64_t number) const {
  char name[40];
  std::snprintf(name, sizeof name, "spool-%010llu.q", static_cast<unsigned long long>(number));
  return options_.directory / name;
}

sdk::Status Spool::open(Recovery& recovery) {
  const auto& directory = options_.directory;
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return failed("cannot make the directory", directory, errno);
  }
  const auto lock_path = directory / "lock";
  lock_.reset(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock_) return failed("cannot open", lock_path, errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return failed("cannot lock", lock_path, errno);
    return sdk::failed_precondition(directory.string() +
                                    " is in use by another berthd: stop it, or give a "
                                    "spool_directory in [plugin.splunk]");
  }
  const auto position_path = directory / "position";
  position_.reset(::open(position_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!position_) return failed("cannot open", position_path, errno);

  std::vector<std::uint64_t> numbers;
  std::error_code error;
  for (std::filesystem::directory_iterator at(directory, error), end; !error && at != end;
       at.increment(error)) {
    const std::string name = at->path().filename().string();
    std::uint64_t number = 0;
    if (name.size() < 8 || name.compare(0, 6, "spool-") != 0) continue;
    (void)std::from_chars(name.data() + 6, name.data() + name.size(), number);
    // Only names that we would give ourselves.
    if (path_of(number).filename() == name) numbers.push_back(number);
  }
  if (error) return failed("cannot read the directory", directory, error.value());
  std::sort(numbers.begin(), numbers.end());
  const Position acknowledged = read_position();
  for (const std::uint64_t number : numbers) {
    const bool newest = number == numbers.back();
    sdk::Status status = recover(number, acknowledged, newest, recovery);
    if (!status.ok()) return status;
  }
  if (segments_.empty()) return rotate();
  return {};
}

sdk::Status Spool::recover(std::uint64_t number, const Position& acknowledged, bool newest,
                           Recovery& recovery) {
  const auto path = path_of(number);
  if (number < acknowledged.segment) {
    ::unlink(path.c_str());
    return {};
  }
  auto segment = std::make_shared<Segment>();
  segment->number = number;
  segment->fd.reset(::open(path.c_str(), O_RDWR | O_APPEND | O_CLOEXEC | O_NOFOLLOW));
  struct stat facts {};
  if (!segment->fd || ::fstat(segment->fd.get(), &facts) != 0) {
    return failed("cannot open", path, errno);
  }
  const auto size = static_cast<std::uint64_t>(facts.st_size);
  std::uint64_t offset = number == acknowledged.segment ? acknowledged.offset : 0;
  if (offset > size) offset = 0;
  std::string events;
  while (offset + sizeof(Header) <= size) {
    Header header{};
    if (!support::read_all(segment->fd.get(), &header, sizeof header, offset)) break;
    if (header.magic != kMagic || header.header_checksum != checksum_of(header) ||
        header.length > kMaxLength || offset + sizeof header + header.length > size) {
      break;
    }
    events.resize(header.length);
    if (!support::read_all(segment->fd.get(), events.data(), events.size(),
                           offset + sizeof header) ||
        checksum_of(events) != header.checksum) {
      break;
    }
    Record record;
    std::memcpy(record.id.data(), header.id, record.id.size());
    record.segment = segment;
    record.offset = offset + sizeof header;
    record.length = header.length;
    record.checksum = header.checksum;
    records_.push_back(std::move(record));
    ++segment->records;
    bytes_ += header.length;
    ++recovery.records;
    recovery.bytes += header.length;
    offset += sizeof header + header.length;
  }
  segment->size = offset;
  recovery.torn_bytes += size - offset;
  if (newest && size > offset && ::ftruncate(segment->fd.get(), static_cast<off_t>(offset)) != 0) {
    return failed("cannot cut the torn end off", path, errno);
  }
  if (!newest && segment->records == 0) {
    ::unlink(path.c_str());
    return {};
  }
  segments_.push_back(std::move(segment));
  return {};
}

sdk::Status Spool::rotate() {
  auto segment = std::make_shared<Segment>();
  {
    const std::lock_guard lock(mutex_);
    segment->number =
        segments_.empty() ? read_position().segment + 1 : segments_.back()->number + 1;
  }
  const auto path = path_of(segment->number);
  segment->fd.reset(
      ::open(path.c_str(), O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!segment->fd) return failed("cannot create", path, errno);
  const std::lock_guard lock(mutex_);
  if (!segments_.empty() && segments_.back()->records == 0) {
    ::unlink(path_of(segments_.back()->number).c_str());
    segments_.pop_back();
  }
  segments_.push_back(std::move(segment));
  broken_ = false;
  return {};
}

sdk::Status Spool::append(std::vector<Item> items) {
  if (items.empty()) return {};
  std::uint64_t bytes = 0;
  for (const Item& item : items) bytes += item.events.size();
  SegmentPtr segment;
  {
    const std::lock_guard lock(mutex_);
    if (bytes_ > 0 && bytes_ + bytes > options_.max_bytes) {
      return sdk::resource_exhausted(
          std::to_string(bytes_) + " bytes of logs wait for Splunk in " +
          options_.directory.string() +
          ": look why it does not take them, or raise plugin.splunk.spool_bytes");
    }
    segment = segments_.back();
  }
  if (broken_ || segment->size >= options_.segment_bytes) {
    if (sdk::Status status = rotate(); !status.ok()) return status;
    const std::lock_guard lock(mutex_);
    segment = segments_.back();
  }
  std::vector<Header> headers(items.size());
  std::vector<iovec> pieces;
  std::vector<Record> records(items.size());
  std::uint64_t offset = segment->size;
  for (std::size_t i = 0; i < items.size(); ++i) {
    Header& header = headers[i];
    header.magic = kMagic;
    header.length = static_cast<std::uint32_t>(items[i].events.size());
    header.checksum = checksum_of(items[i].events);
    std::memcpy(header.id, items[i].id.data(), sizeof header.id);
    header.header_checksum = checksum_of(header);
    pieces.push_back({&header, sizeof header});
    pieces.push_back({items[i].events.data(), items[i].events.size()});
    records[i].id = items[i].id;
    records[i].segment = segment;
    records[i].offset = offset + sizeof header;
    records[i].length = header.length;
    records[i].checksum = header.checksum;
    offset += sizeof header + header.length;
  }
  if (const int error = write_all(segment->fd.get(), pieces); error != 0) {
    // Nothing of it may stay, or the next record would not be found after a crash.
    if (::ftruncate(segment->fd.get(), static_cast<off_t>(segment->size)) != 0) broken_ = true;
    return failed("cannot write", path_of(segment->number), error);
  }
  const std::lock_guard lock(mutex_);
  segment->size = offset;
  segment->records += records.size();
  bytes_ += bytes;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (memory_ + items[i].events.size() <= options_.memory_bytes) {
      memory_ += items[i].events.size();
      records[i].events = std::make_shared<const std::string>(std::move(items[i].events));
    }
    records_.push_back(std::move(records[i]));
  }
  return {};
}

sdk::Status Spool::sync() {
  std::vector<SegmentPtr> segments;
  {
    const std::lock_guard lock(mutex_);
    segments.assign(segments_.begin(), segments_.end());
  }
  for (const SegmentPtr& segment : segments) {
    if (::fdatasync(segment->fd.get()) != 0) {
      return failed("cannot sync", path_of(segment->number), errno);
    }
  }
  return {};
}

std::uint64_t Spool::first() const {
  const std::lock_guard lock(mutex_);
  return first_;
}

std::uint64_t Spool::end() const {
  const std::lock_guard lock(mutex_);
  return first_ + records_.size();
}

sdk::Status Spool::read(const Record& record, std::string& to) const {
  if (record.events != nullptr) {
    to.append(*record.events);
    return {};
  }
  const std::size_t before = to.size();
  to.resize(before + record.length);
  if (support::read_all(record.segment->fd.get(), to.data() + before, record.length,
                        record.offset) &&
      checksum_of(std::string_view(to).substr(before)) == record.checksum) {
    return {};
  }
  to.resize(before);
  return sdk::data_loss("a record of " + path_of(record.segment->number).string() +
                        " cannot be read back");
}

sdk::Status Spool::take(std::uint64_t from, std::uint64_t max_bytes, std::uint64_t max_records,
                        Batch& batch) const {
  std::vector<Record> records;
  std::uint64_t bytes = 0;
  {
    const std::lock_guard lock(mutex_);
    batch.first = std::max(from, first_);
    for (std::uint64_t at = batch.first - first_; at < records_.size(); ++at) {
      const Record& record = records_[at];
      if (!records.empty() &&
          (bytes + record.length > max_bytes || records.size() >= max_records)) {
        break;
      }
      bytes += record.length;
      records.push_back(record);
    }
  }
  batch.events.clear();
  batch.events.reserve(bytes);
  batch.last = batch.first - 1;
  for (const Record& record : records) {
    if (sdk::Status status = read(record, batch.events); !status.ok()) {
      if (!batch.empty()) return {};  // the next one begins with it
      batch.last = batch.first;
      return status;
    }
    ++batch.last;
  }
  return {};
}

void Spool::acknowledge(std::uint64_t last) {
  const std::lock_guard lock(mutex_);
  bool any = false;
  while (!records_.empty() && first_ <= last) {
    Record& record = records_.front();
    bytes_ -= record.length;
    if (record.events != nullptr) memory_ -= record.length;
    --record.segment->records;
    records_.pop_front();
    ++first_;
    any = true;
  }
  if (!any) return;
  write_position();
  while (segments_.size() > 1 && segments_.front()->records == 0) {
    ::unlink(path_of(segments_.front()->number).c_str());
    segments_.pop_front();
  }
}

std::vector<std::string> Spool::pending(const RecordId& id) const {
  std::vector<Record> records;
  {
    const std::lock_guard lock(mutex_);
    for (const Record& record : records_) {
      if (record.id == id) records.push_back(record);
    }
  }
  std::vector<std::string> all;
  for (const Record& record : records) {
    std::string events;
    if (read(record, events).ok()) all.push_back(std::move(events));
  }
  return all;
}

Spool::Position Spool::read_position() const {
  Mark mark{};
  if (!support::read_all(position_.get(), &mark, sizeof mark, 0) ||
      mark.checksum != checksum_of(mark)) {
    return {};
  }
  return {mark.segment, mark.offset};
}

void Spool::write_position() {
  Mark mark{};
  if (records_.empty()) {
    mark.segment = segments_.back()->number;
    mark.offset = segments_.back()->size;
  } else {
    mark.segment = records_.front().segment->number;
    mark.offset = records_.front().offset - sizeof(Header);
  }
  mark.checksum = checksum_of(mark);
  // If it cannot be written, the next run sends some of them again.
  (void)!::pwrite(position_.get(), &mark, sizeof mark, 0);
}

Spool::Stats Spool::stats() const {
  const std::lock_guard lock(mutex_);
  return {records_.size(), bytes_};
}

}  // namespace berth::splunk
