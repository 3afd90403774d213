// SPDX-License-Identifier: Apache-2.0
// The receive buffer of one connection: a growing block of raw bytes, given back when it is empty,
// so that an idle connection holds none. Not thread-safe.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <utility>

namespace berth::http {

class Buffer {
 public:
  static constexpr std::size_t kMinimum = 4096;

  Buffer() = default;
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer() { std::free(block_); }

  // The bytes received and not yet consumed.
  char* data() { return block_ + begin_; }
  const char* data() const { return block_ + begin_; }
  std::size_t size() const { return end_ - begin_; }
  bool empty() const { return begin_ == end_; }
  std::size_t capacity() const { return capacity_; }

  // What the block will hold after the next prepare(): doubled when full, so that it stays in
  // proportion to what really came and not to what was announced.
  std::size_t next_capacity() const {
    if (capacity_ == 0) return kMinimum;
    return size() == capacity_ ? capacity_ * 2 : capacity_;
  }
  // Room for at least one more byte; moves data().
  std::span<char> prepare() {
    const std::size_t wanted = next_capacity();
    if (begin_ > 0 && end_ == capacity_) {
      std::memmove(block_, block_ + begin_, size());
      end_ -= begin_;
      begin_ = 0;
    }
    if (wanted != capacity_) {
      void* const block = std::realloc(block_, wanted);
      if (block == nullptr) throw std::bad_alloc();
      block_ = static_cast<char*>(block);
      capacity_ = wanted;
    }
    return {block_ + end_, capacity_ - end_};
  }
  void commit(std::size_t count) { end_ += count; }
  // Sets the size: what lies behind is dropped.
  void resize(std::size_t size) { end_ = begin_ + size; }
  void consume(std::size_t count) {
    begin_ += count;
    if (begin_ == end_) begin_ = end_ = 0;
  }
  void release() {
    std::free(std::exchange(block_, nullptr));
    begin_ = end_ = capacity_ = 0;
  }
  // Gives back what a large message left; `true` if anything was.
  bool shrink() {
    if (empty()) {
      release();
      return true;
    }
    const std::size_t wanted = std::max(kMinimum, size());
    if (capacity_ <= 4 * wanted) return false;
    std::memmove(block_, block_ + begin_, size());
    end_ -= begin_;
    begin_ = 0;
    if (void* const block = std::realloc(block_, wanted)) block_ = static_cast<char*>(block);
    capacity_ = wanted;
    return true;
  }

 private:
  char* block_ = nullptr;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  std::size_t capacity_ = 0;
};

}  // namespace berth::http
