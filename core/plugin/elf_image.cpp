// SPDX-License-Identifier: Apache-2.0
#include "plugin/elf_image.hpp"

#include <algorithm>
#include <array>
#include <fmt/format.h>

namespace berth::plugin {
namespace {

#if defined(__x86_64__)
constexpr std::uint16_t kMachine = EM_X86_64;
#elif defined(__aarch64__)
constexpr std::uint16_t kMachine = EM_AARCH64;
#else
#error "the plugin boundary knows x86-64 and AArch64"
#endif

// The smallest page of either machine: segments that share one would be mapped over each other.
constexpr std::uint64_t kPage = 4096;
constexpr std::size_t kMaxHeaders = 256;
constexpr std::size_t kMaxDynamic = 4096;
// Many symbols may share one huge name: what is kept of each is bounded.
constexpr std::size_t kMaxString = 1024;

const char* const kRebuild = "build the plugin as a shared object for this machine";

Refusal refuse(std::string detail, std::string mend) {
  return {"elf", std::move(detail), std::move(mend)};
}

// Tags of which the dynamic linker takes one: a second would make it read something else than we
// do.
constexpr std::array kSingleTags = {
    std::int64_t{DT_STRTAB},  std::int64_t{DT_STRSZ},   std::int64_t{DT_SYMTAB},
    std::int64_t{DT_SYMENT},  std::int64_t{DT_HASH},    std::int64_t{DT_GNU_HASH},
    std::int64_t{DT_RELA},    std::int64_t{DT_RELASZ},  std::int64_t{DT_RELAENT},
    std::int64_t{DT_RELR},    std::int64_t{DT_RELRSZ},  std::int64_t{DT_FLAGS},
    std::int64_t{DT_FLAGS_1}, std::int64_t{DT_VERNEED}, std::int64_t{DT_VERNEEDNUM}};

}  // namespace

Refusal damaged(std::string what) {
  return refuse("the file is damaged: " + std::move(what),
                "copy the file again from where it was built, or build it again");
}

std::string machine_name(std::uint16_t machine) {
  switch (machine) {
    case EM_386: return "x86 (32 bits)";
    case EM_ARM: return "ARM (32 bits)";
    case EM_X86_64: return "x86-64";
    case EM_AARCH64: return "AArch64";
    case EM_RISCV: return "RISC-V";
    case EM_PPC64: return "PowerPC64";
    case EM_S390: return "S/390";
    default: return fmt::format("machine {}", machine);
  }
}

Checked<ElfImage> ElfImage::parse(std::span<const std::byte> bytes) {
  ElfImage image(bytes);
  if (auto refusal = image.read_headers()) return *refusal;
  if (auto refusal = image.read_segments()) return *refusal;
  if (auto refusal = image.read_dynamic()) return *refusal;
  return image;
}

std::optional<Refusal> ElfImage::read_headers() {
  const auto ident = range(0, std::min<std::uint64_t>(SELFMAG, bytes_.size()));
  if (!ident || *ident != std::string_view(ELFMAG, SELFMAG)) {
    return refuse("it is not an ELF file", kRebuild);
  }
  const auto header = at<Elf64_Ehdr>(0);
  if (!header) return damaged("it ends within the ELF header");
  if (header->e_ident[EI_CLASS] != ELFCLASS64) {
    return refuse("it is not a 64-bit object", kRebuild);
  }
  if (header->e_ident[EI_DATA] != ELFDATA2LSB) {
    return refuse("it is for a big-endian machine", kRebuild);
  }
  if (header->e_machine != kMachine) {
    return refuse(fmt::format("it is for {}, this machine is {}", machine_name(header->e_machine),
                              machine_name(kMachine)),
                  kRebuild);
  }
  if (header->e_type != ET_DYN) {
    return refuse(fmt::format("it is not a shared object (ELF type {})", header->e_type), kRebuild);
  }
  if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0 ||
      header->e_phnum > kMaxHeaders) {
    return damaged(
        fmt::format("{} program headers of {} bytes", header->e_phnum, header->e_phentsize));
  }
  for (std::uint64_t i = 0; i < header->e_phnum; ++i) {
    // e_phoff is the file's: the sum may wrap, which `at` cannot see.
    if (header->e_phoff > bytes_.size()) return damaged("it ends within the program headers");
    const auto entry = at<Elf64_Phdr>(header->e_phoff + i * sizeof(Elf64_Phdr));
    if (!entry) return damaged("it ends within the program headers");
    headers_.push_back(*entry);
  }
  return std::nullopt;
}

std::optional<Refusal> ElfImage::read_segments() {
  std::uint64_t free_from = 0;
  for (const Elf64_Phdr& header : headers_) {
    if (header.p_type != PT_LOAD) continue;
    if (!range(header.p_offset, header.p_filesz)) return damaged("it ends within a segment");
    if (header.p_filesz > header.p_memsz || header.p_vaddr > UINT64_MAX - header.p_memsz - kPage) {
      return damaged("a segment's size in memory is impossible");
    }
    if (header.p_offset % kPage != header.p_vaddr % kPage) {
      return damaged("a segment is not aligned to pages");
    }
    if (header.p_vaddr / kPage * kPage < free_from) {
      return damaged("its segments overlap or are out of order");
    }
    free_from = (header.p_vaddr + header.p_memsz + kPage - 1) / kPage * kPage;
    loads_.push_back(header);
  }
  if (loads_.empty()) return damaged("it has no segment to load");
  return std::nullopt;
}

std::optional<Refusal> ElfImage::read_dynamic() {
  const auto is_dynamic = [](const Elf64_Phdr& header) { return header.p_type == PT_DYNAMIC; };
  const auto segment = std::find_if(headers_.begin(), headers_.end(), is_dynamic);
  if (segment == headers_.end()) {
    return refuse("it has no dynamic section", kRebuild);
  }
  if (std::count_if(headers_.begin(), headers_.end(), is_dynamic) > 1) {
    return damaged("it has two dynamic sections");
  }
  for (std::uint64_t i = 0;; ++i) {
    if (i == kMaxDynamic || segment->p_vaddr > UINT64_MAX - i * sizeof(Elf64_Dyn)) {
      return damaged("its dynamic section does not end");
    }
    const auto entry = at_address<Elf64_Dyn>(segment->p_vaddr + i * sizeof(Elf64_Dyn));
    if (!entry) return damaged("its dynamic section is not in the file");
    if (entry->d_tag == DT_NULL) break;
    if (std::find(kSingleTags.begin(), kSingleTags.end(), entry->d_tag) != kSingleTags.end() &&
        dynamic(entry->d_tag)) {
      return damaged(fmt::format("its dynamic section has the tag {:#x} twice", entry->d_tag));
    }
    dynamic_.push_back(*entry);
  }
  const auto address = dynamic(DT_STRTAB);
  const auto size = dynamic(DT_STRSZ);
  if (!address || !size) return damaged("it has no dynamic string table");
  const auto offset = offset_of(*address, *size);
  if (!offset) return damaged("its dynamic string table is not in the file");
  strings_ = *range(*offset, *size);
  return std::nullopt;
}

std::optional<std::string_view> ElfImage::range(std::uint64_t offset, std::uint64_t size) const {
  if (offset > bytes_.size() || bytes_.size() - offset < size) return std::nullopt;
  return std::string_view(reinterpret_cast<const char*>(bytes_.data()) + offset, size);
}

std::optional<std::uint64_t> ElfImage::offset_of(std::uint64_t address, std::uint64_t size) const {
  for (const Elf64_Phdr& load : loads_) {
    if (address < load.p_vaddr) continue;
    const std::uint64_t inside = address - load.p_vaddr;
    if (inside <= load.p_filesz && load.p_filesz - inside >= size) return load.p_offset + inside;
  }
  return std::nullopt;
}

std::optional<std::string_view> ElfImage::text_at_address(std::uint64_t address,
                                                          std::size_t limit) const {
  for (const Elf64_Phdr& load : loads_) {
    if (address < load.p_vaddr || address - load.p_vaddr >= load.p_filesz) continue;
    const std::uint64_t inside = address - load.p_vaddr;
    const auto rest =
        range(load.p_offset + inside, std::min<std::uint64_t>(load.p_filesz - inside, limit + 1));
    const std::size_t end = rest ? rest->find('\0') : std::string_view::npos;
    if (end == std::string_view::npos) return std::nullopt;
    return rest->substr(0, end);
  }
  return std::nullopt;
}

bool ElfImage::is_code(std::uint64_t address) const {
  return std::any_of(loads_.begin(), loads_.end(), [&](const Elf64_Phdr& load) {
    return (load.p_flags & PF_X) != 0 && address >= load.p_vaddr &&
           address - load.p_vaddr < load.p_filesz;
  });
}

std::optional<std::uint64_t> ElfImage::dynamic(std::int64_t tag) const {
  for (const Elf64_Dyn& entry : dynamic_) {
    if (entry.d_tag == tag) return entry.d_un.d_val;
  }
  return std::nullopt;
}

std::optional<std::string_view> ElfImage::string(std::uint64_t index) const {
  if (index >= strings_.size()) return std::nullopt;
  const std::string_view rest = strings_.substr(index);
  const std::size_t end = rest.find('\0');
  if (end == std::string_view::npos) return std::nullopt;
  return rest.substr(0, std::min(end, kMaxString));
}

}  // namespace berth::plugin
