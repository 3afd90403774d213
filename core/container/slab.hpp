// SPDX-License-Identifier: Apache-2.0
// Memory for many objects of one type, close together and in huge pages.
//
// Each activation touches its action's slot and its container, and among a hundred thousand of them
// no cache and no TLB has the ones that come next: what a warm start costs is how many lines and
// pages it touches. So such objects lie side by side in slabs of 2 MiB, the size of a huge page,
// which the kernel is asked to use; the first slab is small, for the many pools that hold little. A
// place that was given back is taken again first, the last one before the others. Slabs go when the
// owner and all objects are gone, no sooner.
//
// Under AddressSanitizer each object has memory of its own, so that its use after its end is seen.
// Not thread-safe.
#pragma once

#include <cstddef>
#include <memory>
#include <new>
#include <utility>
#include <vector>

namespace berth::container {

// The memory, whatever the type. Outlives its owner for as long as there are objects in it.
class SlabMemory {
 public:
  static constexpr std::size_t kSlabBytes = std::size_t{2} << 20;
  static constexpr std::size_t kFirstSlabBytes = std::size_t{64} << 10;

  // `object_bytes` is a multiple of `alignment`, a power of two, and far less than a slab.
  SlabMemory(std::size_t object_bytes, std::size_t alignment);
  SlabMemory(const SlabMemory&) = delete;
  SlabMemory& operator=(const SlabMemory&) = delete;

  // Room for one object. Throws std::bad_alloc.
  void* take();
  // The room of an object that ended.
  void give(void* place);
  // The owner goes; `this` ends now or with the last object.
  void leave();

  std::size_t taken() const { return taken_; }            // objects
  std::size_t slab_bytes() const { return slab_bytes_; }  // of all slabs

 private:
  struct Free {
    Free* next;
  };
  struct Slab {
    void* memory;
    std::size_t bytes;  // mapped; 0: of the heap
  };

  ~SlabMemory();
  void add_slab();

  const std::size_t object_bytes_;
  const std::size_t alignment_;
  std::size_t taken_ = 0;
  std::size_t slab_bytes_ = 0;
  bool left_ = false;
  Free* free_ = nullptr;
  std::byte* fresh_ = nullptr;  // the rest of the last slab, never used yet
  std::byte* fresh_end_ = nullptr;
  std::vector<Slab> slabs_;
};

// The objects. They may outlive the slab, if whoever ends them then keeps memory().
template <typename T>
class Slab {
 public:
  Slab() : memory_(new SlabMemory(sizeof(T), alignof(T))) {}
  ~Slab() { memory_->leave(); }
  Slab(const Slab&) = delete;
  Slab& operator=(const Slab&) = delete;

  template <typename... Arguments>
  T* make(Arguments&&... arguments) {
    void* const place = memory_->take();
    try {
      return new (place) T(std::forward<Arguments>(arguments)...);
    } catch (...) {
      memory_->give(place);
      throw;
    }
  }
  void end(T* object) { end(object, *memory_); }
  // The same without the slab.
  static void end(T* object, SlabMemory& memory) {
    object->~T();
    memory.give(object);
  }

  SlabMemory& memory() const { return *memory_; }

 private:
  SlabMemory* const memory_;
};

}  // namespace berth::container
