// SPDX-License-Identifier: Apache-2.0
#include "container/ledger.hpp"

#include <atomic>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <string_view>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/files.hpp"

namespace berth::container {
namespace {

namespace json = boost::json;

constexpr std::size_t kSlotBytes = 1024;
constexpr std::size_t kSlotsPerChunk = 256;
constexpr std::size_t kChunkBytes = kSlotBytes * kSlotsPerChunk;
constexpr std::size_t kMaxChunks = 1024;  // 262144 slots
constexpr std::string_view kMagic = "berth-ledger-1\n";

// A slot: the state, then the length of the text and its check sum, then the text.
enum : std::uint8_t { kFree = 0, kIdle = 1, kBusy = 2 };
constexpr std::size_t kLengthAt = 4;
constexpr std::size_t kSumAt = 8;
constexpr std::size_t kTextAt = 16;
constexpr std::size_t kMaxText = kSlotBytes - kTextAt;

std::atomic_ref<std::uint8_t> state_of(std::byte* slot) {
  return std::atomic_ref<std::uint8_t>(*reinterpret_cast<std::uint8_t*>(slot));
}

std::uint64_t check_sum(std::string_view text) {
  std::uint64_t sum = 0xcbf29ce484222325ull;
  for (const char c : text) sum = (sum ^ static_cast<unsigned char>(c)) * 0x100000001b3ull;
  return sum;
}

std::string to_text(const LedgerEntry& entry) {
  json::object object{{"i", entry.id},           {"k", entry.kind},        {"g", entry.image},
                      {"m", entry.memory_bytes}, {"c", entry.concurrency}, {"s", entry.settings}};
  if (entry.user_provided) object["u"] = true;
  if (!entry.prewarmed()) {
    object["U"] = entry.namespace_uuid;
    object["N"] = entry.namespace_name;
    object["n"] = entry.action_namespace;
    if (!entry.package.empty()) object["p"] = entry.package;
    object["a"] = entry.action;
    object["r"] = entry.revision;
  }
  return json::serialize(object);
}

std::optional<LedgerEntry> from_text(std::string_view text) {
  boost::system::error_code error;
  const json::value value = json::parse(text, error);
  if (error || !value.is_object()) return std::nullopt;
  const json::object& object = value.get_object();
  const auto string = [&](const char* key) {
    const json::value* member = object.if_contains(key);
    return member != nullptr && member->is_string() ? std::string(member->get_string())
                                                    : std::string();
  };
  const auto number = [&](const char* key) -> std::uint64_t {
    const json::value* member = object.if_contains(key);
    if (member == nullptr) return 0;
    if (member->is_uint64()) return member->get_uint64();
    return member->is_int64() ? static_cast<std::uint64_t>(member->get_int64()) : 0;
  };
  LedgerEntry entry;
  entry.id = string("i");
  entry.kind = string("k");
  entry.image = string("g");
  entry.user_provided = object.if_contains("u") != nullptr;
  entry.memory_bytes = number("m");
  entry.concurrency = static_cast<std::uint32_t>(number("c"));
  entry.settings = number("s");
  entry.namespace_uuid = string("U");
  entry.namespace_name = string("N");
  entry.action_namespace = string("n");
  entry.package = string("p");
  entry.action = string("a");
  entry.revision = number("r");
  if (entry.id.empty()) return std::nullopt;
  return entry;
}

}  // namespace

Result<std::unique_ptr<Ledger>> Ledger::open(const std::filesystem::path& path) {
  const auto fail = [&](const char* what) {
    return sdk::failed_precondition(std::string(what) + " " + path.string() + ": " +
                                    errno_text(errno));
  };
  std::unique_ptr<Ledger> ledger(new Ledger());
  ledger->fd_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (ledger->fd_ < 0) return fail("cannot open");
  struct stat info {};
  if (::fstat(ledger->fd_, &info) != 0) return fail("cannot stat");
  char magic[kMagic.size()] = {};
  const bool known = info.st_size > 0 && info.st_size % kChunkBytes == 0 &&
                     static_cast<std::size_t>(info.st_size) <= kMaxChunks * kChunkBytes &&
                     ::pread(ledger->fd_, magic, sizeof(magic), 0) == sizeof(magic) &&
                     std::string_view(magic, sizeof(magic)) == kMagic;
  if (!known && ::ftruncate(ledger->fd_, 0) != 0) return fail("cannot empty");
  ledger->chunks_.reserve(kMaxChunks);
  for (off_t size = 0; known && size < info.st_size; size += kChunkBytes) {
    void* chunk =
        ::mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE, MAP_SHARED, ledger->fd_, size);
    if (chunk == MAP_FAILED) return fail("cannot map");
    ledger->chunks_.push_back(static_cast<std::byte*>(chunk));
  }
  if (known) {
    ledger->scan();
  } else {
    if (!ledger->grow()) return fail("cannot make room in");
    std::memcpy(ledger->chunks_[0], kMagic.data(), kMagic.size());
  }
  return ledger;
}

Ledger::~Ledger() {
  for (std::byte* chunk : chunks_) ::munmap(chunk, kChunkBytes);
  if (fd_ >= 0) ::close(fd_);
}

std::byte* Ledger::at(Slot slot) const {
  return chunks_[slot / kSlotsPerChunk] + slot % kSlotsPerChunk * kSlotBytes;
}

void Ledger::scan() {
  const auto slots = static_cast<Slot>(chunks_.size() * kSlotsPerChunk);
  for (Slot slot = slots - 1; slot > 0; --slot) {  // slot 0 is the header
    std::byte* const place = at(slot);
    const std::uint8_t state = state_of(place).load();
    std::uint32_t length = 0;
    std::uint64_t sum = 0;
    std::memcpy(&length, place + kLengthAt, sizeof(length));
    std::memcpy(&sum, place + kSumAt, sizeof(sum));
    std::optional<LedgerEntry> entry;
    if ((state == kIdle || state == kBusy) && length <= kMaxText) {
      const std::string_view text(reinterpret_cast<const char*>(place + kTextAt), length);
      if (check_sum(text) == sum) entry = from_text(text);
    }
    if (entry) {
      left_.push_back({slot, state == kBusy, std::move(*entry)});
    } else {
      state_of(place).store(kFree);
      free_.push_back(slot);
    }
  }
}

std::vector<Ledger::Left> Ledger::take_left() {
  const std::lock_guard lock(mutex_);
  return std::exchange(left_, {});
}

bool Ledger::grow() {
  if (chunks_.size() >= kMaxChunks) return false;
  const auto size = static_cast<off_t>(chunks_.size() * kChunkBytes);
  // The blocks are taken now: a store to a page that a full disk has no room for would be a SIGBUS.
  errno = ::posix_fallocate(fd_, size, kChunkBytes);
  if (errno != 0) return false;
  void* chunk = ::mmap(nullptr, kChunkBytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd_, size);
  if (chunk == MAP_FAILED) return false;
  const auto first = static_cast<Slot>(chunks_.size() * kSlotsPerChunk);
  chunks_.push_back(static_cast<std::byte*>(chunk));
  for (Slot i = kSlotsPerChunk; i-- > 0;) {
    if (first + i != 0) free_.push_back(first + i);
  }
  return true;
}

Ledger::Slot Ledger::write(Slot slot, const LedgerEntry& entry, bool busy) {
  const std::string text = to_text(entry);
  const std::lock_guard lock(mutex_);
  if (slot != kNoSlot) {
    state_of(at(slot)).store(kFree);
  } else if (text.size() <= kMaxText) {
    if (free_.empty() && !grow()) return kNoSlot;
    slot = free_.back();
    free_.pop_back();
  }
  if (text.size() > kMaxText) {
    if (slot != kNoSlot) free_.push_back(slot);
    return kNoSlot;
  }
  std::byte* const place = at(slot);
  const auto length = static_cast<std::uint32_t>(text.size());
  const std::uint64_t sum = check_sum(text);
  std::memcpy(place + kLengthAt, &length, sizeof(length));
  std::memcpy(place + kSumAt, &sum, sizeof(sum));
  std::memcpy(place + kTextAt, text.data(), text.size());
  state_of(place).store(busy ? kBusy : kIdle, std::memory_order_release);
  return slot;
}

void Ledger::set_busy(Slot slot, bool busy) {
  if (slot == kNoSlot) return;
  state_of(at(slot)).store(busy ? kBusy : kIdle, std::memory_order_release);
}

void Ledger::remove(Slot slot) {
  if (slot == kNoSlot) return;
  const std::lock_guard lock(mutex_);
  state_of(at(slot)).store(kFree);
  free_.push_back(slot);
}

}  // namespace berth::container
