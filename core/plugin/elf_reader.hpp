// SPDX-License-Identifier: Apache-2.0
// Reads what the checks need from the bytes of a shared object, without mapping or running it. No
// count, offset or string in the file is trusted: whatever the bytes are, a read stays within them,
// ends, and takes memory in proportion to them. Stateless; thread-safe.
//
// Addresses are resolved as the dynamic linker does it, through the loadable segments, so that what
// is read here is what would be mapped. Section headers are not looked at (strip may remove them).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "plugin/refusal.hpp"

namespace berth::plugin {

// A symbol that other objects could bind to.
struct ElfExport {
  std::string name;
  bool is_data = false;
  std::uint64_t address = 0;
  std::uint64_t size = 0;
};

// A symbol version the object needs, e.g. {"libc.so.6", "GLIBC_2.34"}.
struct NeededVersion {
  std::string library;
  std::string version;
};

// berth_plugin_entry as the file has it, pointers followed through the relocations.
struct EntryFacts {
  std::uint32_t struct_size = 0;
  std::uint32_t abi_major = 0;
  std::uint32_t abi_minor = 0;
  std::string name;
  std::string id;
  std::string version;
};

struct ElfFacts {
  std::string machine;                    // e.g. "x86-64"
  bool executable_stack = false;          // asked for, or not declined
  bool writable_code = false;             // a segment both writable and executable
  bool text_relocations = false;          // code would be patched while loading
  bool stays_loaded = false;              // NODELETE: cannot be unmapped
  std::vector<std::string> search_paths;  // of RPATH and RUNPATH
  std::vector<std::string> needed;        // libraries, in their order
  std::vector<NeededVersion> needed_versions;
  std::uint64_t export_count = 0;
  std::vector<ElfExport> exports;  // the first 16
  std::uint32_t berth_notes = 0;   // how many there are
  std::string_view note;           // payload of the first; borrows from the bytes
};

// Refuses (rule "elf") what is no shared object of this machine, or is damaged.
Checked<ElfFacts> read_elf(std::span<const std::byte> bytes);

// Reads the entry at `symbol`, one of the exports of these bytes. Refuses (rule "entry") an entry
// that is not constant data with all its text and functions in place.
Checked<EntryFacts> read_entry(std::span<const std::byte> bytes, const ElfExport& symbol);

}  // namespace berth::plugin
