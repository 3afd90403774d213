// SPDX-License-Identifier: Apache-2.0
#include "plugin/elf_reader.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <map>

#include "berth/plugin/abi.h"
#include "berth/plugin/note.h"
#include "plugin/elf_image.hpp"

// glibc 2.35 and older do not name these.
#ifndef DT_RELR
#define DT_RELRSZ 35
#define DT_RELR 36
#endif

namespace berth::plugin {
namespace {

#if defined(__x86_64__)
constexpr std::uint32_t kRelative = R_X86_64_RELATIVE;
#else
constexpr std::uint32_t kRelative = R_AARCH64_RELATIVE;
#endif

// Text in the entry: names are far shorter.
constexpr std::size_t kMaxText = 256;
constexpr std::size_t kMaxExports = 16;
constexpr std::size_t kMaxVersions = 4096;

constexpr std::uint64_t align_up(std::uint64_t value, std::uint64_t to) {
  return (value + to - 1) / to * to;
}

// Names from the file end up in messages and JSON: only printable ASCII passes as it is.
std::string printable(std::string_view text) {
  std::string result;
  for (const char c : text) {
    if (c >= 0x20 && c < 0x7f) {
      result += c;
    } else {
      result += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
  return result;
}

void read_stack_and_segments(const ElfImage& image, ElfFacts& facts) {
  // An object that says nothing about its stack gets an executable one.
  facts.executable_stack = true;
  bool seen = false;
  for (const Elf64_Phdr& header : image.headers()) {
    if (header.p_type == PT_GNU_STACK) {
      facts.executable_stack = (seen && facts.executable_stack) || (header.p_flags & PF_X) != 0;
      seen = true;
    }
    if (header.p_type == PT_LOAD && (header.p_flags & PF_W) && (header.p_flags & PF_X)) {
      facts.writable_code = true;
    }
  }
}

// Searches one PT_NOTE segment. What does not read as a note ends the search of the segment.
void read_notes(std::string_view segment, std::uint64_t align, ElfFacts& facts) {
  std::uint64_t at = 0;
  while (segment.size() - at >= sizeof(Elf64_Nhdr)) {
    Elf64_Nhdr header;
    std::memcpy(&header, segment.data() + at, sizeof header);
    const std::uint64_t payload = align_up(at + sizeof header + header.n_namesz, align);
    if (payload > segment.size() || segment.size() - payload < header.n_descsz) return;
    const std::string_view owner = segment.substr(at + sizeof header, header.n_namesz);
    if (header.n_type == BERTH_NOTE_TYPE &&
        owner == std::string_view(BERTH_NOTE_OWNER, sizeof(BERTH_NOTE_OWNER))) {
      if (facts.berth_notes++ == 0) facts.note = segment.substr(payload, header.n_descsz);
    }
    at = align_up(payload + header.n_descsz, align);
    if (at > segment.size()) return;
  }
}

std::optional<Refusal> read_notes(const ElfImage& image, ElfFacts& facts) {
  for (const Elf64_Phdr& header : image.headers()) {
    if (header.p_type != PT_NOTE) continue;
    const auto segment = image.range(header.p_offset, header.p_filesz);
    if (!segment) return damaged("it ends within a note");
    const std::uint32_t before = facts.berth_notes;
    if (header.p_align == 8) read_notes(*segment, 8, facts);
    // The note macro pads to 4 even if the linker put it beside one that pads to 8.
    if (facts.berth_notes == before) read_notes(*segment, 4, facts);
  }
  return std::nullopt;
}

std::optional<Refusal> read_dynamic_facts(const ElfImage& image, ElfFacts& facts) {
  for (const Elf64_Dyn& entry : image.dynamic_entries()) {
    const std::uint64_t value = entry.d_un.d_val;
    switch (entry.d_tag) {
      case DT_TEXTREL: facts.text_relocations = true; break;
      case DT_FLAGS:
        if (value & DF_TEXTREL) facts.text_relocations = true;
        break;
      case DT_FLAGS_1:
        if (value & DF_1_NODELETE) facts.stays_loaded = true;
        if (value & DF_1_PIE) {
          return Refusal{"elf", "it is a program, not a shared object",
                         "build the plugin as a shared object for this machine"};
        }
        break;
      case DT_NEEDED:
      case DT_RPATH:
      case DT_RUNPATH: {
        const auto text = image.string(value);
        if (!text) return damaged("a name in its dynamic section is not in the string table");
        (entry.d_tag == DT_NEEDED ? facts.needed : facts.search_paths).push_back(printable(*text));
        break;
      }
      default: break;
    }
  }
  return std::nullopt;
}

// One more than the highest index that the GNU hash table knows.
Checked<std::uint64_t> count_by_gnu_hash(const ElfImage& image, std::uint64_t table) {
  struct Header {
    std::uint32_t buckets, first_symbol, bloom_words, bloom_shift;
  };
  const Refusal bad = damaged("its symbol hash table is not whole");
  const auto header = image.at_address<Header>(table);
  if (!header) return bad;
  const std::uint64_t buckets = table + sizeof(Header) + std::uint64_t{header->bloom_words} * 8;
  const std::uint64_t chains = buckets + std::uint64_t{header->buckets} * 4;
  std::uint32_t last = 0;
  for (std::uint64_t i = 0; i < header->buckets; ++i) {
    const auto first = image.at_address<std::uint32_t>(buckets + i * 4);
    if (!first) return bad;
    last = std::max(last, *first);
  }
  if (last < header->first_symbol) return std::uint64_t{header->first_symbol};
  for (std::uint64_t symbol = last;; ++symbol) {
    const auto hash = image.at_address<std::uint32_t>(chains + (symbol - header->first_symbol) * 4);
    if (!hash) return bad;
    if (*hash & 1) return symbol + 1;  // the end of the last chain
  }
}

Checked<std::uint64_t> count_symbols(const ElfImage& image) {
  std::uint64_t count = 0;
  const auto gnu = image.dynamic(DT_GNU_HASH);
  const auto sysv = image.dynamic(DT_HASH);
  if (!gnu && !sysv) return damaged("it has no symbol hash table");
  if (gnu) {
    auto counted = count_by_gnu_hash(image, *gnu);
    if (!counted) return counted;
    count = *counted;
  }
  if (sysv) {
    const auto chains = image.at_address<std::uint32_t>(*sysv + 4);
    if (!chains) return damaged("its symbol hash table is not whole");
    count = std::max<std::uint64_t>(count, *chains);
  }
  return count;
}

std::optional<Refusal> read_exports(const ElfImage& image, ElfFacts& facts) {
  const auto table = image.dynamic(DT_SYMTAB);
  const auto entry_size = image.dynamic(DT_SYMENT);
  if (!table || !entry_size || *entry_size != sizeof(Elf64_Sym)) {
    return damaged("it has no usable symbol table");
  }
  const auto count = count_symbols(image);
  if (!count) return count.error();
  for (std::uint64_t i = 1; i < *count; ++i) {
    const auto symbol = image.at_address<Elf64_Sym>(*table + i * sizeof(Elf64_Sym));
    if (!symbol) return damaged("its symbol table is not whole");
    const unsigned binding = ELF64_ST_BIND(symbol->st_info);
    const unsigned visibility = ELF64_ST_VISIBILITY(symbol->st_other);
    if (symbol->st_shndx == SHN_UNDEF || binding == STB_LOCAL) continue;
    if (visibility == STV_HIDDEN || visibility == STV_INTERNAL) continue;
    const auto name = image.string(symbol->st_name);
    if (!name) return damaged("a symbol's name is not in the string table");
    if (++facts.export_count > kMaxExports) continue;
    facts.exports.push_back({printable(*name), ELF64_ST_TYPE(symbol->st_info) == STT_OBJECT,
                             symbol->st_value, symbol->st_size});
  }
  return std::nullopt;
}

std::optional<Refusal> read_needed_versions(const ElfImage& image, ElfFacts& facts) {
  const auto start = image.dynamic(DT_VERNEED);
  if (!start) return std::nullopt;
  const Refusal bad = damaged("its table of needed versions is not whole");
  std::uint64_t at = *start;
  // Both loops end: their offsets only go forward.
  for (;;) {
    const auto library = image.at_address<Elf64_Verneed>(at);
    if (!library) return bad;
    const auto library_name = image.string(library->vn_file);
    if (!library_name) return bad;
    std::uint64_t version_at = at + library->vn_aux;
    for (unsigned i = 0; i < library->vn_cnt; ++i) {
      const auto version = image.at_address<Elf64_Vernaux>(version_at);
      if (!version) return bad;
      const auto name = image.string(version->vna_name);
      if (!name || facts.needed_versions.size() == kMaxVersions) return bad;
      facts.needed_versions.push_back({printable(*library_name), printable(*name)});
      if (version->vna_next == 0) break;
      version_at += version->vna_next;
    }
    if (library->vn_next == 0) return std::nullopt;
    at += library->vn_next;
  }
}

// The values that the dynamic linker will put into [from, from + size), before it adds the load
// address.
Checked<std::map<std::uint64_t, std::uint64_t>> read_relocated(const ElfImage& image,
                                                               std::uint64_t from,
                                                               std::uint64_t size) {
  std::map<std::uint64_t, std::uint64_t> values;
  const auto inside = [&](std::uint64_t address) {
    return address >= from && address - from < size;
  };
  if (const auto table = image.dynamic(DT_RELA)) {
    const std::uint64_t bytes = image.dynamic(DT_RELASZ).value_or(0);
    for (std::uint64_t i = 0; i < bytes / sizeof(Elf64_Rela); ++i) {
      const auto relocation = image.at_address<Elf64_Rela>(*table + i * sizeof(Elf64_Rela));
      if (!relocation) return damaged("its relocations are not in the file");
      if (!inside(relocation->r_offset) || ELF64_R_TYPE(relocation->r_info) != kRelative) continue;
      values[relocation->r_offset] = static_cast<std::uint64_t>(relocation->r_addend);
    }
  }
  if (const auto table = image.dynamic(DT_RELR)) {
    const std::uint64_t bytes = image.dynamic(DT_RELRSZ).value_or(0);
    // An even word is an address; an odd one says which of the next 63 words are relocated, too.
    std::uint64_t next = 0;
    const auto take = [&](std::uint64_t address) {
      if (!inside(address)) return;
      if (const auto value = image.at_address<std::uint64_t>(address)) values[address] = *value;
    };
    for (std::uint64_t i = 0; i < bytes / 8; ++i) {
      const auto word = image.at_address<std::uint64_t>(*table + i * 8);
      if (!word) return damaged("its relocations are not in the file");
      if ((*word & 1) == 0) {
        take(*word);
        next = *word + 8;
        continue;
      }
      for (unsigned bit = 1; bit < 64; ++bit) {
        if ((*word >> bit) & 1) take(next + (bit - 1) * 8);
      }
      next += 63 * 8;
    }
  }
  return values;
}

}  // namespace

Checked<ElfFacts> read_elf(std::span<const std::byte> bytes) {
  const auto image = ElfImage::parse(bytes);
  if (!image) return image.error();
  ElfFacts facts;
  facts.machine = machine_name(image->at<Elf64_Ehdr>(0)->e_machine);
  read_stack_and_segments(*image, facts);
  for (const auto read :
       {static_cast<std::optional<Refusal> (*)(const ElfImage&, ElfFacts&)>(read_notes),
        read_dynamic_facts, read_exports, read_needed_versions}) {
    if (auto refusal = read(*image, facts)) return *refusal;
  }
  return facts;
}

Checked<EntryFacts> read_entry(std::span<const std::byte> bytes, const ElfExport& symbol) {
  const auto refuse = [](std::string detail) {
    return Refusal{"entry", std::move(detail),
                   "define " BERTH_PLUGIN_ENTRY_SYMBOL
                   " as constant data with every member set, as the SDK's registration macro does"};
  };
  const auto image = ElfImage::parse(bytes);
  if (!image) return image.error();
  if (!symbol.is_data) {
    return refuse(fmt::format("{} is not data", symbol.name));
  }
  const auto entry = image->at_address<berth_plugin_entry_v1>(symbol.address);
  if (symbol.size < sizeof(berth_plugin_entry_v1) || !entry ||
      entry->struct_size < sizeof(berth_plugin_entry_v1)) {
    return refuse(
        fmt::format("{} is shorter than {} bytes", symbol.name, sizeof(berth_plugin_entry_v1)));
  }
  const auto relocated = read_relocated(*image, symbol.address, sizeof(berth_plugin_entry_v1));
  if (!relocated) return relocated.error();

  EntryFacts facts{.struct_size = entry->struct_size,
                   .abi_major = entry->abi_major,
                   .abi_minor = entry->abi_minor};
  struct Text {
    const char* member;
    std::size_t offset;
    std::string* into;
  };
  for (const Text& text :
       {Text{"name", offsetof(berth_plugin_entry_v1, name), &facts.name},
        Text{"id", offsetof(berth_plugin_entry_v1, id), &facts.id},
        Text{"version", offsetof(berth_plugin_entry_v1, version), &facts.version}}) {
    const auto pointer = relocated->find(symbol.address + text.offset);
    const auto value = pointer == relocated->end()
                           ? std::nullopt
                           : image->text_at_address(pointer->second, kMaxText);
    if (!value) {
      return refuse(fmt::format("the {} in {} is not constant text", text.member, symbol.name));
    }
    *text.into = printable(*value);
  }
  struct Function {
    const char* member;
    std::size_t offset;
  };
  for (const Function& function : {Function{"open", offsetof(berth_plugin_entry_v1, open)},
                                   Function{"query", offsetof(berth_plugin_entry_v1, query)},
                                   Function{"close", offsetof(berth_plugin_entry_v1, close)}}) {
    const auto pointer = relocated->find(symbol.address + function.offset);
    if (pointer == relocated->end() || !image->is_code(pointer->second)) {
      return refuse(
          fmt::format("{} in {} is not a function of this plugin", function.member, symbol.name));
    }
  }
  return facts;
}

}  // namespace berth::plugin
