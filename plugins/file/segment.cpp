// SPDX-License-Identifier: Apache-2.0
#include "segment.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_io.hpp"

namespace berth::file {
namespace {

constexpr std::string_view kPrefix = "logs-";
constexpr std::string_view kSuffix = ".jsonl";
constexpr std::string_view kPacked = ".gz";
constexpr std::size_t kBlock = 256 * 1024;

std::string file_name(std::uint64_t number, std::string_view suffix) {
  char digits[24];
  std::snprintf(digits, sizeof digits, "%010llu", static_cast<unsigned long long>(number));
  return std::string(kPrefix).append(digits).append(suffix);
}

}  // namespace

Segment::Segment(const std::filesystem::path& directory, std::uint64_t number)
    : number_(number),
      path_(directory / file_name(number, kSuffix)),
      index_path_(directory / file_name(number, ".idx")),
      packed_path_(directory / file_name(number, ".jsonl.gz")),
      memory_(std::make_unique<MemoryIndex>()) {}

std::uint64_t Segment::number_of(const std::filesystem::path& path) {
  std::string name = path.filename().string();
  if (name.ends_with(kPacked)) name.resize(name.size() - kPacked.size());
  if (name.size() <= kPrefix.size() + kSuffix.size() ||
      name.compare(0, kPrefix.size(), kPrefix) != 0 ||
      name.compare(name.size() - kSuffix.size(), kSuffix.size(), kSuffix) != 0) {
    return 0;
  }
  const char* const begin = name.data() + kPrefix.size();
  const char* const end = name.data() + name.size() - kSuffix.size();
  std::uint64_t number = 0;
  const auto [stop, error] = std::from_chars(begin, end, number);
  // Only names that we would give ourselves.
  return error == std::errc() && stop == end && name == file_name(number, kSuffix) ? number : 0;
}

bool Segment::is_index(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.compare(0, kPrefix.size(), kPrefix) == 0 &&
         (path.extension() == ".idx" || name.find(".idx.tmp") != std::string::npos);
}

sdk::Status Segment::create() {
  auto data = std::make_shared<Data>();
  data->fd.reset(
      ::open(path_.c_str(), O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!data->fd) return io_error("cannot create", path_, errno);
  fd_ = data->fd.get();
  data_ = std::move(data);
  return {};
}

sdk::Status Segment::recover(bool newest, Recovery& recovery) {
  const int mode = newest ? O_RDWR | O_APPEND : O_RDONLY;
  auto data = std::make_shared<Data>();
  struct stat facts {};
  data->packed = GzipBlocks::open(packed_path_);
  // A crash between the packing and the deletion leaves both; they are the same then.
  if (data->packed != nullptr && ::stat(path_.c_str(), &facts) == 0 &&
      static_cast<std::uint64_t>(facts.st_size) != data->packed->size()) {
    data->packed.reset();
    ::unlink(packed_path_.c_str());
  }
  if (data->packed != nullptr) {
    ::unlink(path_.c_str());
    ::stat(packed_path_.c_str(), &facts);
    size_ = data->packed->size();
    newest = false;
  } else {
    data->fd.reset(::open(path_.c_str(), mode | O_CLOEXEC | O_NOFOLLOW));
    if (!data->fd || ::fstat(data->fd.get(), &facts) != 0) {
      const bool damaged = errno == ENOENT && ::access(packed_path_.c_str(), F_OK) == 0;
      if (damaged) return sdk::data_loss(packed_path_.string() + " is damaged: move it away");
      return io_error("cannot open", path_, errno);
    }
    size_ = static_cast<std::uint64_t>(facts.st_size);
    fd_ = data->fd.get();
  }
  data_ = std::move(data);
  learn_times(static_cast<std::int64_t>(facts.st_mtim.tv_sec) * 1000 +
              facts.st_mtim.tv_nsec / 1'000'000);

  std::uint64_t covered = 0;
  if (std::shared_ptr<const SortedIndex> index = SortedIndex::open(index_path_);
      index != nullptr && index->data_bytes() <= size_) {
    covered = index->data_bytes();
    if (!newest && covered == size_) {
      recovered_size_ = size_;
      sorted_ = std::move(index);
      memory_.reset();
      return {};
    }
    for (const Chunk& chunk : index->load()) memory_->add(chunk);
  }
  scan(covered, recovery);
  if (newest && recovery.torn_bytes > 0) {
    size_ -= recovery.torn_bytes;
    if (::ftruncate(fd_, static_cast<off_t>(size_.load())) != 0) {
      return io_error("cannot cut the torn last line off", path_, errno);
    }
  }
  recovered_size_ = size_;
  return {};
}

void Segment::scan(std::uint64_t from, Recovery& recovery) {
  Chunk chunk;  // of length 0: none open
  const auto close = [&] {
    if (chunk.length > 0) memory_->add(chunk);
    chunk = Chunk();
  };
  std::uint64_t end_of_lines = from;
  read(from, size_, [&](std::string_view text, std::uint64_t offset, std::uint64_t next) {
    end_of_lines = next;
    const auto line = scan_line(text);
    if (!line) {
      ++recovery.damaged_lines;
      close();
      return true;
    }
    if (chunk.length == 0 || chunk.id != line->id) {
      close();
      chunk.id = line->id;
      chunk.offset = offset;
    }
    chunk.length = next - chunk.offset;
    if (line->first) chunk.flags |= kChunkFirst;
    if (line->final) chunk.flags |= kChunkFinal;
    return true;
  });
  close();
  recovery.scanned_bytes += end_of_lines - from;
  recovery.torn_bytes += size_ - end_of_lines;
}

void Segment::learn_times(std::int64_t modified_ms) {
  written_ms_ = modified_ms;
  begun_ms_ = size_ > 0 ? modified_ms : 0;
  read(0, std::min<std::uint64_t>(size_, kBlock),
       [this](std::string_view text, std::uint64_t, std::uint64_t) {
         constexpr std::string_view kBegin = R"({"time":")";
         if (text.starts_with(kBegin)) {
           if (const auto time = parse_time(text.substr(kBegin.size(), 30))) {
             begun_ms_ = *time / 1'000'000;
           }
         }
         return false;
       });
}

sdk::Status Segment::append(std::string_view bytes, const std::vector<Chunk>& chunks,
                            std::int64_t now_ms) {
  const std::uint64_t start = size_;
  if (const int error = write_all(fd_, bytes); error != 0) {
    // Nothing of it may stay, or the next line would be glued to a torn one.
    if (::ftruncate(fd_, static_cast<off_t>(start)) != 0) broken_ = true;
    return io_error("cannot write", path_, error);
  }
  const std::lock_guard lock(mutex_);
  for (Chunk chunk : chunks) {
    chunk.offset += start;
    memory_->add(chunk);
  }
  size_ = start + bytes.size();
  if (start == 0) begun_ms_ = now_ms;
  written_ms_ = now_ms;
  dirty_ = true;
  return {};
}

sdk::Status Segment::sync() {
  if (!dirty_.exchange(false)) return {};
  const auto data = this->data();
  if (!data->fd || ::fdatasync(data->fd.get()) == 0) return {};
  const int error = errno;
  dirty_ = true;
  return io_error("cannot sync", path_, error);
}

bool Segment::sealed() const {
  const std::lock_guard lock(mutex_);
  return memory_ == nullptr;
}

sdk::Status Segment::seal() {
  std::vector<Chunk> chunks;
  {
    const std::lock_guard lock(mutex_);
    if (memory_ == nullptr) return {};
    chunks = memory_->chunks();
  }
  // The index must not outlive lines that it tells of.
  if (sdk::Status status = sync(); !status.ok()) return status;
  if (sdk::Status status = SortedIndex::write(index_path_, std::move(chunks), size_);
      !status.ok()) {
    return status;
  }
  std::shared_ptr<const SortedIndex> sorted = SortedIndex::open(index_path_);
  if (sorted == nullptr) return sdk::data_loss("cannot read back " + index_path_.string());
  const std::lock_guard lock(mutex_);
  if (removed_) ::unlink(index_path_.c_str());
  sorted_ = std::move(sorted);
  memory_.reset();
  return {};
}

bool Segment::Data::read(char* to, std::size_t bytes, std::uint64_t offset) const {
  return packed != nullptr ? packed->read(to, bytes, offset)
                           : read_all(fd.get(), to, bytes, offset);
}

std::shared_ptr<const Segment::Data> Segment::data() const {
  const std::lock_guard lock(mutex_);
  return data_;
}

bool Segment::packed() const {
  return data()->packed != nullptr;
}

std::uint64_t Segment::disk_size() const {
  const auto data = this->data();
  return data->packed != nullptr ? data->packed->disk_size() : size_.load();
}

bool Segment::is_packing(const std::filesystem::path& path) {
  const std::string name = path.filename().string();
  return name.starts_with(kPrefix) && name.ends_with(".jsonl.gz.tmp");
}

sdk::Status Segment::pack(const bool* stop) {
  const auto plain = data();
  if (plain->packed != nullptr || size_ == 0) return {};
  sdk::Status status = GzipBlocks::pack(plain->fd.get(), size_, packed_path_, stop);
  if (!status.ok()) return status;
  auto data = std::make_shared<Data>();
  data->packed = GzipBlocks::open(packed_path_);
  if (data->packed == nullptr || data->packed->size() != size_) {
    ::unlink(packed_path_.c_str());
    return sdk::data_loss("cannot read back " + packed_path_.string());
  }
  const std::lock_guard lock(mutex_);
  ::unlink(removed_ ? packed_path_.c_str() : path_.c_str());
  data_ = std::move(data);
  return {};
}

std::vector<Chunk> Segment::find(const ActivationId& id) const {
  std::shared_ptr<const SortedIndex> sorted;
  std::vector<Chunk> chunks;
  {
    const std::lock_guard lock(mutex_);
    if (memory_ != nullptr) {
      chunks = memory_->find(id);
    } else {
      sorted = sorted_;
    }
  }
  if (sorted != nullptr) chunks = sorted->find(id);
  for (Chunk& chunk : chunks) {
    if (chunk.offset < recovered_size_) chunk.flags |= kChunkRecovered;
  }
  return chunks;
}

bool Segment::read(
    std::uint64_t offset, std::uint64_t end,
    const std::function<bool(std::string_view, std::uint64_t, std::uint64_t)>& line) const {
  const auto data = this->data();
  std::string buffer;
  std::uint64_t buffer_offset = offset;  // in the file
  std::size_t begin = 0;                 // of the line in the buffer
  std::size_t searched = 0;              // up to where there is no line's end
  std::uint64_t read_up_to = offset;
  for (;;) {
    const void* const found = searched < buffer.size() ? std::memchr(buffer.data() + searched, '\n',
                                                                     buffer.size() - searched)
                                                       : nullptr;
    if (found != nullptr) {
      const auto line_end =
          static_cast<std::size_t>(static_cast<const char*>(found) - buffer.data());
      if (!line(std::string_view(buffer).substr(begin, line_end - begin), buffer_offset + begin,
                buffer_offset + line_end + 1)) {
        return true;
      }
      begin = searched = line_end + 1;
      continue;
    }
    if (read_up_to >= end) return true;
    buffer.erase(0, begin);
    buffer_offset += begin;
    begin = 0;
    searched = buffer.size();
    // A long line is read in growing steps, so that it is not copied again and again.
    const std::uint64_t wanted = std::max<std::uint64_t>(kBlock, buffer.size());
    const auto step = static_cast<std::size_t>(std::min<std::uint64_t>(wanted, end - read_up_to));
    buffer.resize(searched + step);
    if (!data->read(buffer.data() + searched, step, read_up_to)) return false;
    read_up_to += step;
  }
}

void Segment::remove() {
  const std::lock_guard lock(mutex_);
  removed_ = true;
  ::unlink(path_.c_str());
  ::unlink(packed_path_.c_str());
  ::unlink(index_path_.c_str());
}

}  // namespace berth::file
