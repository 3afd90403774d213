// SPDX-License-Identifier: Apache-2.0
// `ElfImage`: bounds-checked access to the headers, segments and dynamic table of a shared object;
// the ground under elf_reader.hpp, whose two sources share it. Borrows the bytes.
// Thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/refusal.hpp"

namespace berth::plugin {

class ElfImage {
 public:
  // Checks the headers, the order of the segments and the dynamic table.
  static Checked<ElfImage> parse(std::span<const std::byte> bytes);

  // A copy of the T at an offset of the file; none if it does not fit.
  template <typename T>
  std::optional<T> at(std::uint64_t offset) const {
    if (offset > bytes_.size() || bytes_.size() - offset < sizeof(T)) return std::nullopt;
    T value;
    std::memcpy(&value, bytes_.data() + offset, sizeof(T));
    return value;
  }
  // Bytes of the file; none if they are not all there.
  std::optional<std::string_view> range(std::uint64_t offset, std::uint64_t size) const;
  // Where in the file `size` bytes of memory at `address` come from; none if they are not in the
  // file.
  std::optional<std::uint64_t> offset_of(std::uint64_t address, std::uint64_t size) const;
  // A copy of the T at an address in memory.
  template <typename T>
  std::optional<T> at_address(std::uint64_t address) const {
    const auto offset = offset_of(address, sizeof(T));
    return offset ? at<T>(*offset) : std::nullopt;
  }
  // NUL-terminated text of at most `limit` bytes at an address in memory.
  std::optional<std::string_view> text_at_address(std::uint64_t address, std::size_t limit) const;
  bool is_code(std::uint64_t address) const;

  // Value of a dynamic tag that may stand once; none if absent.
  std::optional<std::uint64_t> dynamic(std::int64_t tag) const;
  // All entries of the dynamic table.
  const std::vector<Elf64_Dyn>& dynamic_entries() const { return dynamic_; }
  // A string of the dynamic string table, cut after 1024 bytes; none if it is not whole.
  std::optional<std::string_view> string(std::uint64_t index) const;

  const std::vector<Elf64_Phdr>& headers() const { return headers_; }
  std::size_t size() const { return bytes_.size(); }

 private:
  explicit ElfImage(std::span<const std::byte> bytes) : bytes_(bytes) {}
  std::optional<Refusal> read_headers();
  std::optional<Refusal> read_segments();
  std::optional<Refusal> read_dynamic();

  std::span<const std::byte> bytes_;
  std::vector<Elf64_Phdr> headers_;
  std::vector<Elf64_Phdr> loads_;  // ascending, not overlapping
  std::vector<Elf64_Dyn> dynamic_;
  std::string_view strings_;
};

// "x86-64" or what the number stands for.
std::string machine_name(std::uint16_t machine);
// A refusal of a file whose inside contradicts itself.
Refusal damaged(std::string what);

}  // namespace berth::plugin
