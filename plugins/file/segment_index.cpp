// SPDX-License-Identifier: Apache-2.0
#include "segment_index.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

#include "file_io.hpp"

namespace berth::file {
namespace {

constexpr char kMagic[8] = {'B', 'e', 'r', 't', 'h', 'I', 'd', 'x'};
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kReadChunks = 8192;

struct Header {
  char magic[8];
  std::uint32_t version;
  std::uint32_t entry_bytes;
  std::uint64_t data_bytes;
  std::uint64_t count;
  std::uint64_t checksum;         // of the entries
  std::uint64_t header_checksum;  // of what stands before it
};
static_assert(sizeof(Header) == 48);

// FNV-1a by words: tells damage, not malice.
std::uint64_t checksum(const void* data, std::size_t bytes,
                       std::uint64_t sum = 0xcbf29ce484222325) {
  const auto* at = static_cast<const unsigned char*>(data);
  for (; bytes >= 8; bytes -= 8, at += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, at, 8);
    sum = (sum ^ word) * 0x100000001b3;
    sum ^= sum >> 29;
  }
  return sum;
}

bool precedes(const Chunk& a, const Chunk& b) {
  if (const int order = std::memcmp(a.id.data(), b.id.data(), a.id.size()); order != 0)
    return order < 0;
  return a.offset < b.offset;
}

}  // namespace

std::size_t MemoryIndex::slot_of(const ActivationId& id) const {
  std::uint64_t hash = 0;
  std::memcpy(&hash, id.data(), sizeof hash);
  // Ids are random, but a client may have chosen this one.
  hash = (hash ^ (hash >> 32)) * 0x9e3779b97f4a7c15;
  std::size_t slot = static_cast<std::size_t>(hash >> 16) & (slots_.size() - 1);
  while (slots_[slot] != 0 && chunks_[slots_[slot] - 1].id != id)
    slot = (slot + 1) & (slots_.size() - 1);
  return slot;
}

void MemoryIndex::grow() {
  slots_.assign(slots_.empty() ? 1024 : slots_.size() * 2, 0);
  // The newest chunk of an id comes last and so wins its slot.
  for (std::size_t i = 0; i < chunks_.size(); ++i) {
    slots_[slot_of(chunks_[i].id)] = static_cast<std::uint32_t>(i + 1);
  }
}

void MemoryIndex::add(Chunk chunk) {
  if ((used_ + 1) * 2 > slots_.size()) grow();
  const std::size_t slot = slot_of(chunk.id);
  if (slots_[slot] == 0) ++used_;
  chunk.previous = slots_[slot];
  chunks_.push_back(chunk);
  slots_[slot] = static_cast<std::uint32_t>(chunks_.size());
}

std::vector<Chunk> MemoryIndex::find(const ActivationId& id) const {
  std::vector<Chunk> found;
  if (slots_.empty()) return found;
  for (std::uint32_t place = slots_[slot_of(id)]; place != 0; place = chunks_[place - 1].previous) {
    found.push_back(chunks_[place - 1]);
  }
  std::reverse(found.begin(), found.end());
  return found;
}

sdk::Status SortedIndex::write(const std::filesystem::path& path, std::vector<Chunk> chunks,
                               std::uint64_t data_bytes) {
  std::sort(chunks.begin(), chunks.end(), precedes);
  for (Chunk& chunk : chunks) chunk.previous = 0;
  Header header{};
  std::memcpy(header.magic, kMagic, sizeof kMagic);
  header.version = kVersion;
  header.entry_bytes = sizeof(Chunk);
  header.data_bytes = data_bytes;
  header.count = chunks.size();
  header.checksum = checksum(chunks.data(), chunks.size() * sizeof(Chunk));
  header.header_checksum = checksum(&header, offsetof(Header, header_checksum));

  const std::string temporary = path.string() + ".tmp";
  const support::UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return io_error("cannot create", temporary, errno);
  int error = write_all(fd.get(), {reinterpret_cast<const char*>(&header), sizeof header});
  if (error == 0) {
    error = write_all(
        fd.get(), {reinterpret_cast<const char*>(chunks.data()), chunks.size() * sizeof(Chunk)});
  }
  if (error == 0 && ::fdatasync(fd.get()) != 0) error = errno;
  if (error == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) error = errno;
  if (error == 0) return {};
  ::unlink(temporary.c_str());
  return io_error("cannot write", path, error);
}

std::unique_ptr<SortedIndex> SortedIndex::open(const std::filesystem::path& path) {
  std::unique_ptr<SortedIndex> index(new SortedIndex());
  index->fd_.reset(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW));
  if (!index->fd_) return nullptr;
  Header header{};
  if (::pread(index->fd_.get(), &header, sizeof header, 0) != sizeof header) return nullptr;
  struct stat facts {};
  if (std::memcmp(header.magic, kMagic, sizeof kMagic) != 0 || header.version != kVersion ||
      header.entry_bytes != sizeof(Chunk) ||
      header.header_checksum != checksum(&header, offsetof(Header, header_checksum)) ||
      ::fstat(index->fd_.get(), &facts) != 0 ||
      static_cast<std::uint64_t>(facts.st_size) != sizeof header + header.count * sizeof(Chunk)) {
    return nullptr;
  }
  index->data_bytes_ = header.data_bytes;
  index->count_ = header.count;
  std::uint64_t sum = checksum(nullptr, 0);
  std::vector<Chunk> chunks(kReadChunks);
  for (std::uint64_t place = 0; place < header.count;) {
    const std::size_t wanted = std::min<std::uint64_t>(kReadChunks, header.count - place);
    const std::size_t bytes = wanted * sizeof(Chunk);
    if (!read_all(index->fd_.get(), chunks.data(), bytes, sizeof header + place * sizeof(Chunk))) {
      return nullptr;
    }
    sum = checksum(chunks.data(), bytes, sum);
    place += wanted;
  }
  return sum == header.checksum ? std::move(index) : nullptr;
}

bool SortedIndex::read(std::uint64_t place, Chunk& chunk) const {
  return read_all(fd_.get(), &chunk, sizeof chunk, sizeof(Header) + place * sizeof(Chunk));
}

std::vector<Chunk> SortedIndex::find(const ActivationId& id) const {
  Chunk wanted;
  wanted.id = id;
  Chunk chunk;
  std::uint64_t low = 0;
  std::uint64_t high = count_;
  while (low < high) {
    const std::uint64_t middle = low + (high - low) / 2;
    if (!read(middle, chunk)) return {};
    if (precedes(chunk, wanted)) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  std::vector<Chunk> found;
  for (; low < count_ && read(low, chunk) && chunk.id == id; ++low) found.push_back(chunk);
  return found;
}

std::vector<Chunk> SortedIndex::load() const {
  std::vector<Chunk> chunks(static_cast<std::size_t>(count_));
  if (!read_all(fd_.get(), chunks.data(), chunks.size() * sizeof(Chunk), sizeof(Header))) return {};
  std::sort(chunks.begin(), chunks.end(),
            [](const Chunk& a, const Chunk& b) { return a.offset < b.offset; });
  return chunks;
}

}  // namespace berth::file
