// SPDX-License-Identifier: Apache-2.0
// Any bytes as a plugin's file: the ELF reader, the note and the entry.
#include <cstddef>
#include <cstdint>
#include <span>

#include "plugin/elf_reader.hpp"
#include "plugin/manifest.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::span<const std::byte> bytes = std::as_bytes(std::span(data, size));
  const auto elf = berth::plugin::read_elf(bytes);
  if (!elf) return 0;
  (void)berth::plugin::parse_manifest(elf->note);
  for (const auto& symbol : elf->exports) (void)berth::plugin::read_entry(bytes, symbol);
  return 0;
}
