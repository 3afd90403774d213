// SPDX-License-Identifier: Apache-2.0
#include "gzip_blocks.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "file_io.hpp"

namespace berth::file {
namespace {

// A member's header: 10 bytes of gzip's, the extra field with our two numbers.
constexpr std::size_t kHeader = 24;
constexpr std::size_t kTrailer = 8;
constexpr unsigned char kStart[16] = {0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 255, 12, 0, 'B', 'h', 8, 0};
constexpr int kLevel = 6;
constexpr int kRaw = -15;  // deflate without a header of its own

void put(char* to, std::uint32_t number) {
  for (int i = 0; i < 4; ++i) to[i] = static_cast<char>(number >> (8 * i));
}

std::uint32_t get(const char* from) {
  std::uint32_t number = 0;
  for (int i = 0; i < 4; ++i) {
    number |= static_cast<std::uint32_t>(static_cast<unsigned char>(from[i])) << (8 * i);
  }
  return number;
}

Bytef* bytes_of(const char* data) {
  return reinterpret_cast<Bytef*>(const_cast<char*>(data));
}

std::uint32_t checksum(std::string_view bytes) {
  return static_cast<std::uint32_t>(::crc32_z(0, bytes_of(bytes.data()), bytes.size()));
}

// Empty if there is no memory.
std::string member_of(std::string_view bytes) {
  z_stream stream{};
  if (deflateInit2(&stream, kLevel, Z_DEFLATED, kRaw, 8, Z_DEFAULT_STRATEGY) != Z_OK) return {};
  std::string member(kHeader + deflateBound(&stream, bytes.size()) + kTrailer, '\0');
  stream.next_in = bytes_of(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = bytes_of(member.data() + kHeader);
  stream.avail_out = static_cast<uInt>(member.size() - kHeader - kTrailer);
  const int result = deflate(&stream, Z_FINISH);
  const std::size_t packed = stream.total_out;
  deflateEnd(&stream);
  if (result != Z_STREAM_END) return {};
  member.resize(kHeader + packed + kTrailer);
  std::memcpy(member.data(), kStart, sizeof kStart);
  put(member.data() + 16, static_cast<std::uint32_t>(member.size()));
  put(member.data() + 20, static_cast<std::uint32_t>(bytes.size()));
  put(member.data() + kHeader + packed, checksum(bytes));
  put(member.data() + kHeader + packed + 4, static_cast<std::uint32_t>(bytes.size()));
  return member;
}

// The two numbers of a header; false if it is none of ours.
bool parse_header(const char* header, std::uint32_t& disk_bytes, std::uint32_t& bytes) {
  if (std::memcmp(header, kStart, sizeof kStart) != 0) return false;
  disk_bytes = get(header + 16);
  bytes = get(header + 20);
  return disk_bytes > kHeader + kTrailer && disk_bytes <= 2 * GzipBlocks::kBlockBytes &&
         bytes > 0 && bytes <= GzipBlocks::kBlockBytes;
}

}  // namespace

sdk::Status GzipBlocks::pack(int from, std::uint64_t bytes, const std::filesystem::path& path,
                             const bool* stop) {
  const std::string temporary = path.string() + ".tmp";
  const support::UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return io_error("cannot create", temporary, errno);
  const auto failed = [&](sdk::Status status) {
    ::unlink(temporary.c_str());
    return status;
  };
  std::string block;
  for (std::uint64_t at = 0; at < bytes; at += block.size()) {
    if (stop != nullptr && __atomic_load_n(stop, __ATOMIC_RELAXED)) {
      return failed(sdk::Status(sdk::StatusCode::kCancelled, "given up"));
    }
    block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kBlockBytes, bytes - at)));
    if (!read_all(from, block.data(), block.size(), at)) {
      return failed(sdk::data_loss("cannot read what is to be packed into " + path.string()));
    }
    const std::string member = member_of(block);
    if (member.empty())
      return failed(sdk::resource_exhausted("no memory to pack " + path.string()));
    if (const int error = write_all(fd.get(), member); error != 0) {
      return failed(io_error("cannot write", temporary, error));
    }
  }
  // It is as old as what is in it.
  struct stat facts {};
  if (::fstat(from, &facts) == 0) {
    const timespec times[2] = {facts.st_atim, facts.st_mtim};
    ::futimens(fd.get(), times);
  }
  if (::fdatasync(fd.get()) != 0) return failed(io_error("cannot sync", temporary, errno));
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    return failed(io_error("cannot rename", temporary, errno));
  }
  return {};
}

std::unique_ptr<GzipBlocks> GzipBlocks::open(const std::filesystem::path& path) {
  std::unique_ptr<GzipBlocks> file(new GzipBlocks());
  file->fd_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  struct stat facts {};
  if (!file->fd_ || ::fstat(file->fd_.get(), &facts) != 0) return nullptr;
  file->disk_size_ = static_cast<std::uint64_t>(facts.st_size);
  for (std::uint64_t at = 0; at < file->disk_size_;) {
    char header[kHeader];
    Block block;
    if (!read_all(file->fd_.get(), header, sizeof header, at) ||
        !parse_header(header, block.disk_bytes, block.bytes) ||
        block.disk_bytes > file->disk_size_ - at) {
      return nullptr;
    }
    block.at = at;
    block.offset = file->size_;
    at += block.disk_bytes;
    file->size_ += block.bytes;
    file->blocks_.push_back(block);
  }
  return file;
}

bool GzipBlocks::unpack(std::string_view member, std::string& to) {
  std::uint32_t disk_bytes = 0;
  std::uint32_t bytes = 0;
  if (member.size() < kHeader + kTrailer || !parse_header(member.data(), disk_bytes, bytes) ||
      disk_bytes != member.size()) {
    return false;
  }
  to.resize(bytes);
  z_stream stream{};
  if (inflateInit2(&stream, kRaw) != Z_OK) return false;
  stream.next_in = bytes_of(member.data() + kHeader);
  stream.avail_in = static_cast<uInt>(member.size() - kHeader - kTrailer);
  stream.next_out = bytes_of(to.data());
  stream.avail_out = bytes;
  const int result = inflate(&stream, Z_FINISH);
  const bool whole = result == Z_STREAM_END && stream.total_out == bytes && stream.avail_in == 0;
  inflateEnd(&stream);
  return whole && get(member.data() + member.size() - kTrailer) == checksum(to);
}

std::shared_ptr<const std::string> GzipBlocks::unpacked(std::size_t index) const {
  {
    const std::lock_guard lock(mutex_);
    if (last_ != nullptr && last_block_ == index) return last_;
  }
  const Block& block = blocks_[index];
  std::string member(block.disk_bytes, '\0');
  auto made = std::make_shared<std::string>();
  if (!read_all(fd_.get(), member.data(), member.size(), block.at) || !unpack(member, *made)) {
    return nullptr;
  }
  const std::lock_guard lock(mutex_);
  last_ = made;
  last_block_ = index;
  return last_;
}

bool GzipBlocks::read(char* to, std::size_t bytes, std::uint64_t offset) const {
  if (offset > size_ || bytes > size_ - offset) return false;
  auto block =
      std::upper_bound(blocks_.begin(), blocks_.end(), offset,
                       [](std::uint64_t place, const Block& one) { return place < one.offset; });
  while (bytes > 0) {
    const auto index = static_cast<std::size_t>(block - blocks_.begin()) - 1;
    const auto text = unpacked(index);
    if (text == nullptr) return false;
    const auto begin = static_cast<std::size_t>(offset - blocks_[index].offset);
    const std::size_t count = std::min(bytes, text->size() - begin);
    std::memcpy(to, text->data() + begin, count);
    to += count;
    offset += count;
    bytes -= count;
    ++block;
  }
  return true;
}

}  // namespace berth::file
