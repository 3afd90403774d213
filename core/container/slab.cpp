// SPDX-License-Identifier: Apache-2.0
#include "container/slab.hpp"

#include <cstdint>
#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define BERTH_SLAB_PLAIN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BERTH_SLAB_PLAIN 1
#endif
#endif

namespace berth::container {
namespace {

#ifdef BERTH_SLAB_PLAIN
constexpr bool kPlain = true;
#else
constexpr bool kPlain = false;
#endif

// Maps `bytes`, aligned to as much, and asks for huge pages: where there are none, or not now,
// ordinary ones serve.
void* map_aligned(std::size_t bytes) {
  void* const map = ::mmap(nullptr, 2 * bytes, PROT_READ | PROT_WRITE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (map == MAP_FAILED) throw std::bad_alloc();
  std::byte* const begin = static_cast<std::byte*>(map);
  const std::size_t before = (bytes - reinterpret_cast<std::uintptr_t>(map) % bytes) % bytes;
  std::byte* const aligned = begin + before;
  if (before > 0) ::munmap(begin, before);
  ::munmap(aligned + bytes, bytes - before);
  ::madvise(aligned, bytes, MADV_HUGEPAGE);
  return aligned;
}

}  // namespace

SlabMemory::SlabMemory(std::size_t object_bytes, std::size_t alignment)
    : object_bytes_(object_bytes), alignment_(alignment) {
  static_assert(kFirstSlabBytes < kSlabBytes);
}

SlabMemory::~SlabMemory() {
  for (const Slab& slab : slabs_) {
    if (slab.bytes > 0) {
      ::munmap(slab.memory, slab.bytes);
    } else {
      ::operator delete(slab.memory, std::align_val_t(alignment_));
    }
  }
}

void SlabMemory::add_slab() {
  slabs_.reserve(slabs_.size() + 1);
  const bool first = slabs_.empty();
  const std::size_t bytes = first ? kFirstSlabBytes : kSlabBytes;
  void* const memory =
      first ? ::operator new(bytes, std::align_val_t(alignment_)) : map_aligned(bytes);
  slabs_.push_back({memory, first ? 0 : bytes});
  slab_bytes_ += bytes;
  fresh_ = static_cast<std::byte*>(memory);
  fresh_end_ = fresh_ + bytes / object_bytes_ * object_bytes_;
}

void* SlabMemory::take() {
  void* place = nullptr;
  if (kPlain) {
    place = ::operator new(object_bytes_, std::align_val_t(alignment_));
  } else if (free_ != nullptr) {
    place = std::exchange(free_, free_->next);
  } else {
    if (fresh_ == fresh_end_) add_slab();
    place = std::exchange(fresh_, fresh_ + object_bytes_);
  }
  ++taken_;
  return place;
}

void SlabMemory::give(void* place) {
  --taken_;
  if (kPlain) {
    ::operator delete(place, std::align_val_t(alignment_));
  } else {
    free_ = new (place) Free{free_};
  }
  if (left_ && taken_ == 0) delete this;
}

void SlabMemory::leave() {
  left_ = true;
  if (taken_ == 0) delete this;
}

}  // namespace berth::container
