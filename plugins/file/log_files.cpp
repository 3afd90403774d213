// SPDX-License-Identifier: Apache-2.0
#include "log_files.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>
#include <limits>
#include <optional>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

#include "file_io.hpp"

namespace berth::file {
namespace {

// How much goes to the kernel at once.
constexpr std::size_t kMaxWrite = 1024 * 1024;

// Where a page ended: the place of the next line, and the sequence that it should have.
struct Cursor {
  std::uint64_t segment = 0;
  std::uint64_t offset = 0;
  std::uint64_t sequence = 0;

  std::string text() const {
    return std::to_string(segment) + "." + std::to_string(offset) + "." + std::to_string(sequence);
  }
  static std::optional<Cursor> parse(std::string_view text) {
    Cursor cursor;
    if (text.empty()) return cursor;
    const char* at = text.data();
    const char* const end = at + text.size();
    for (std::uint64_t* number : {&cursor.segment, &cursor.offset, &cursor.sequence}) {
      const auto [stop, error] = std::from_chars(at, end, *number);
      const bool last = number == &cursor.sequence;
      if (error != std::errc() || (last ? stop != end : stop == end || *stop != '.')) {
        return std::nullopt;
      }
      at = last ? stop : stop + 1;
    }
    return cursor;
  }
};

// Makes one page out of lines as they are read.
class PageMaker {
 public:
  PageMaker(const ActivationId& id, std::string_view namespace_name, std::uint64_t sequence,
            std::uint64_t max_bytes)
      : id_(id), namespace_name_(namespace_name), expected_(sequence), max_bytes_(max_bytes) {}

  // False if the page is full: this line begins the next one.
  bool take(std::string_view text, std::uint64_t offset) {
    const auto line = parse_line(text);
    if (!line || line->id != id_) {
      fetched_.partial = true;
      return true;
    }
    if (!namespace_name_.empty() && line->namespace_name != namespace_name_) {
      foreign_ = true;
      return true;
    }
    // Given twice, as by a caller that did not hear that the first append had been kept.
    if (!line->has_text || line->sequence < expected_) return true;
    if (!fetched_.page.empty() && fetched_.page.bytes() + line->text.size() > max_bytes_) {
      next_offset_ = offset;
      return false;
    }
    if (line->sequence > expected_) fetched_.partial = true;
    fetched_.page.add(line->stream, line->time_ns, line->sequence, line->text);
    expected_ = line->sequence + 1;
    return true;
  }

  bool full() const { return next_offset_.has_value(); }
  // Where the next page begins: with the line that this one had no room for, or after `offset`.
  void set_cursor(std::uint64_t segment, std::uint64_t offset) {
    fetched_.page.next_cursor = Cursor{segment, next_offset_.value_or(offset), expected_}.text();
  }
  void set_partial() { fetched_.partial = true; }
  bool foreign() const { return foreign_; }
  Fetched take_result() { return std::move(fetched_); }

 private:
  const ActivationId& id_;
  const std::string_view namespace_name_;
  std::uint64_t expected_;
  const std::uint64_t max_bytes_;
  std::optional<std::uint64_t> next_offset_;
  bool foreign_ = false;
  Fetched fetched_;
};

Fetched failed(sdk::Status status) {
  Fetched fetched;
  fetched.status = std::move(status);
  return fetched;
}

}  // namespace

sdk::Status LogFiles::lock_directory() {
  const std::filesystem::path& directory = options_.directory;
  if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
    return io_error("cannot make the directory", directory, errno);
  }
  const std::filesystem::path path = directory / "lock";
  lock_.reset(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!lock_) return io_error("cannot open", path, errno);
  if (::flock(lock_.get(), LOCK_EX | LOCK_NB) == 0) return {};
  if (errno != EWOULDBLOCK) return io_error("cannot lock", path, errno);
  return sdk::failed_precondition(
      directory.string() +
      " is in use by another berthd: stop it, or name another directory in "
      "[plugin.file]");
}

sdk::Status LogFiles::open(Recovery& recovery) {
  if (sdk::Status status = lock_directory(); !status.ok()) return status;
  std::vector<std::uint64_t> numbers;
  std::vector<std::filesystem::path> indexes;
  std::error_code error;
  for (std::filesystem::directory_iterator at(options_.directory, error), end; !error && at != end;
       at.increment(error)) {
    if (const std::uint64_t number = Segment::number_of(at->path()); number != 0) {
      numbers.push_back(number);
    } else if (Segment::is_packing(at->path())) {
      ::unlink(at->path().c_str());
    } else if (Segment::is_index(at->path())) {
      indexes.push_back(at->path());
    }
  }
  // Of log files that are gone, or never finished.
  for (const std::filesystem::path& path : indexes) {
    std::error_code ignored;
    std::filesystem::path log = path;
    const bool kept = std::filesystem::exists(log.replace_extension(".jsonl"), ignored) ||
                      std::filesystem::exists(log.replace_extension(".jsonl.gz"), ignored);
    if (!kept) ::unlink(path.c_str());
  }
  if (error) return io_error("cannot read the directory", options_.directory, error.value());
  std::sort(numbers.begin(), numbers.end());
  numbers.erase(std::unique(numbers.begin(), numbers.end()), numbers.end());
  std::vector<SegmentPtr> segments;
  for (const std::uint64_t number : numbers) {
    auto segment = std::make_shared<Segment>(options_.directory, number);
    if (sdk::Status status = segment->recover(number == numbers.back(), recovery); !status.ok()) {
      return status;
    }
    segments.push_back(std::move(segment));
  }
  const bool none = segments.empty();
  {
    const std::lock_guard lock(mutex_);
    segments_ = std::move(segments);
  }
  if (none) return rotate();
  active_ = segments_.back();
  // Nothing can be appended to a packed one.
  if (active_->packed()) return rotate();
  remove_oldest();
  return {};
}

sdk::Status LogFiles::rotate() {
  auto segment =
      std::make_shared<Segment>(options_.directory, active_ == nullptr ? 1 : active_->number() + 1);
  if (sdk::Status status = segment->create(); !status.ok()) return status;
  rotated_ = true;
  active_ = segment;
  {
    const std::lock_guard lock(mutex_);
    segments_.push_back(std::move(segment));
  }
  remove_oldest();
  return {};
}

std::int64_t LogFiles::wall_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

bool LogFiles::too_much(const Segment& oldest, std::uint64_t files, std::uint64_t bytes) const {
  if (options_.max_files != 0 && files > options_.max_files) return true;
  if (options_.max_bytes != 0 && bytes > options_.max_bytes) return true;
  return options_.max_age.count() > 0 &&
         oldest.written_ms() < options_.now_ms() - options_.max_age.count();
}

// The newest file always stays.
void LogFiles::remove_oldest() {
  const std::lock_guard lock(mutex_);
  std::uint64_t bytes = 0;
  for (const SegmentPtr& segment : segments_) bytes += segment->disk_size();
  while (segments_.size() > 1 && too_much(*segments_.front(), segments_.size(), bytes)) {
    bytes -= segments_.front()->disk_size();
    segments_.front()->remove();
    segments_.erase(segments_.begin());
  }
}

sdk::Status LogFiles::rotate_if_old(std::int64_t& next_ms) {
  next_ms = std::numeric_limits<std::int64_t>::max();
  if (options_.max_file_age.count() == 0 || active_ == nullptr || active_->size() == 0) return {};
  next_ms = active_->begun_ms() + options_.max_file_age.count();
  if (options_.now_ms() < next_ms) return {};
  next_ms = std::numeric_limits<std::int64_t>::max();
  return rotate();
}

sdk::Status LogFiles::keep_house(const bool* stop) {
  remove_oldest();
  if (!options_.pack) return {};
  const std::lock_guard sealing(seal_mutex_);
  std::vector<SegmentPtr> full = snapshot();
  if (!full.empty()) full.pop_back();
  for (const SegmentPtr& segment : full) {
    if (!segment->sealed() || segment->packed()) continue;
    if (sdk::Status status = segment->pack(stop); !status.ok()) return status;
  }
  remove_oldest();
  return {};
}

sdk::Status LogFiles::append(const std::vector<Block>& blocks, std::size_t& written) {
  written = 0;
  while (written < blocks.size()) {
    std::int64_t next_ms = 0;
    if (sdk::Status status = rotate_if_old(next_ms); !status.ok()) return status;
    const std::uint64_t size = active_->size();
    const bool full = size > 0 && size + blocks[written].bytes.size() > options_.max_file_bytes;
    if (full || active_->broken()) {
      if (sdk::Status status = rotate(); !status.ok()) return status;
    }
    const std::uint64_t room = std::min<std::uint64_t>(
        kMaxWrite, options_.max_file_bytes - std::min(active_->size(), options_.max_file_bytes));
    std::string joined;
    std::vector<Chunk> chunks;
    std::size_t end = written;
    std::uint64_t bytes = 0;
    for (; end < blocks.size(); ++end) {
      // The first goes in however big it is.
      if (end > written && bytes + blocks[end].bytes.size() > room) break;
      Chunk chunk;
      chunk.id = blocks[end].id;
      chunk.offset = bytes;
      chunk.length = blocks[end].bytes.size();
      chunk.flags = blocks[end].flags;
      chunks.push_back(chunk);
      bytes += chunk.length;
    }
    std::string_view out = blocks[written].bytes;
    if (end > written + 1) {
      joined.reserve(bytes);
      for (std::size_t i = written; i < end; ++i) joined.append(blocks[i].bytes);
      out = joined;
    }
    if (sdk::Status status = active_->append(out, chunks, options_.now_ms()); !status.ok())
      return status;
    written = end;
  }
  return {};
}

sdk::Status LogFiles::sync() {
  sdk::Status status;
  for (const SegmentPtr& segment : snapshot()) {
    if (sdk::Status one = segment->sync(); !one.ok()) status = std::move(one);
  }
  return status;
}

sdk::Status LogFiles::close() {
  if (active_ == nullptr) return {};
  sdk::Status status = sync();
  const std::lock_guard sealing(seal_mutex_);
  for (const SegmentPtr& segment : snapshot()) {
    // Only a slower next start, if it fails.
    (void)segment->seal();
  }
  active_.reset();
  lock_.reset();
  return status;
}

sdk::Status LogFiles::seal_full() {
  const std::lock_guard sealing(seal_mutex_);
  std::vector<SegmentPtr> full = snapshot();
  if (!full.empty()) full.pop_back();
  for (const SegmentPtr& segment : full) {
    if (segment->sealed()) continue;
    if (sdk::Status status = segment->seal(); !status.ok()) return status;
  }
  return {};
}

std::vector<LogFiles::SegmentPtr> LogFiles::snapshot() const {
  const std::lock_guard lock(mutex_);
  return segments_;
}

std::vector<LogFiles::Place> LogFiles::find(const ActivationId& id) const {
  std::vector<SegmentPtr> segments = snapshot();
  std::vector<std::vector<Chunk>> found;  // newest file first
  std::size_t looked_at = 0;
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    found.push_back((*segment)->find(id));
    ++looked_at;
    // Nothing of it is older than its first line.
    const bool first =
        std::any_of(found.back().begin(), found.back().end(),
                    [](const Chunk& chunk) { return (chunk.flags & kChunkFirst) != 0; });
    if (first) break;
  }
  std::vector<Place> places;
  for (std::size_t i = looked_at; i-- > 0;) {
    for (const Chunk& chunk : found[i])
      places.push_back({segments[segments.size() - 1 - i], chunk});
  }
  return places;
}

Fetched LogFiles::fetch(const ActivationId& id, std::string_view namespace_name,
                        std::string_view cursor, std::uint64_t max_bytes) const {
  return read(id, namespace_name, cursor, max_bytes, false);
}

Fetched LogFiles::follow(const ActivationId& id, std::string_view namespace_name,
                         std::string_view cursor, std::uint64_t max_bytes) const {
  return read(id, namespace_name, cursor, max_bytes, true);
}

Fetched LogFiles::read(const ActivationId& id, std::string_view namespace_name,
                       std::string_view cursor, std::uint64_t max_bytes, bool follow) const {
  const auto from = Cursor::parse(cursor);
  if (!from)
    return failed(sdk::invalid_argument("no cursor of this store: " + std::string(cursor)));
  const std::vector<Place> places = find(id);
  if (places.empty() && !follow) {
    return failed(sdk::not_found("there are no logs of this activation"));
  }
  PageMaker page(id, namespace_name, from->sequence, max_bytes);
  bool final = false;
  bool all_recovered = true;
  for (const Place& place : places) {
    final |= (place.chunk.flags & kChunkFinal) != 0;
    all_recovered &= (place.chunk.flags & kChunkRecovered) != 0;
    const std::uint64_t end = place.chunk.offset + place.chunk.length;
    std::uint64_t begin = place.chunk.offset;
    if (place.segment->number() < from->segment) continue;
    if (place.segment->number() == from->segment) {
      if (end <= from->offset) continue;
      begin = std::max(begin, from->offset);
    }
    const bool read = place.segment->read(
        begin, end, [&page](std::string_view text, std::uint64_t offset, std::uint64_t) {
          return page.take(text, offset);
        });
    if (!read) page.set_partial();
    if (page.full()) {
      page.set_cursor(place.segment->number(), 0);
      return page.take_result();
    }
  }
  if (page.foreign()) return failed(sdk::not_found("there are no logs of this activation"));
  // It cannot go on any more, and never ended: its end was lost in a crash.
  const bool over = final || (!places.empty() && all_recovered);
  if (!final && over) page.set_partial();
  if (follow && !over) {
    Cursor next = *from;
    if (!places.empty()) {
      next.segment = places.back().segment->number();
      next.offset = places.back().chunk.offset + places.back().chunk.length;
    }
    page.set_cursor(next.segment, next.offset);
  }
  return page.take_result();
}

LogFiles::Stats LogFiles::stats() const {
  Stats stats;
  const std::lock_guard lock(mutex_);
  for (const SegmentPtr& segment : segments_) {
    ++stats.files;
    stats.bytes += segment->disk_size();
  }
  return stats;
}

}  // namespace berth::file
