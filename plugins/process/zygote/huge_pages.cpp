// SPDX-License-Identifier: Apache-2.0
#include "zygote/huge_pages.hpp"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <sys/mman.h>
#include <unistd.h>

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif

namespace berth::process {
namespace {

constexpr std::uintptr_t kHuge = std::uintptr_t{2} << 20;
constexpr std::size_t kSmall = 4096;

// No heap: what a runtime reserves and hardly fills (a sanitizer's shadow has terabytes). To look
// through such a mapping page by page takes longer than huge pages ever save.
constexpr std::uintptr_t kLargestHeap = std::uintptr_t{64} << 30;

// madvise() would refuse each time, or the operator wants none.
bool kernel_has_huge_pages() {
  std::FILE* file = std::fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
  // A sandbox's root need not show it: then the calls themselves tell.
  if (file == nullptr) return true;
  char line[64] = "";
  const bool known = std::fgets(line, sizeof line, file) != nullptr;
  std::fclose(file);
  return !known || std::strstr(line, "[never]") == nullptr;
}

bool is_half_used(void* begin) {
  std::array<unsigned char, kHuge / kSmall> resident{};
  if (::mincore(begin, kHuge, resident.data()) != 0) return false;
  const auto used = std::count_if(resident.begin(), resident.end(),
                                  [](unsigned char page) { return (page & 1) != 0; });
  return static_cast<std::size_t>(used) * 2 >= resident.size();
}

std::size_t collapse(std::uintptr_t begin, std::uintptr_t end) {
  std::size_t bytes = 0;
  for (begin = (begin + kHuge - 1) / kHuge * kHuge; begin + kHuge <= end; begin += kHuge) {
    void* const at = reinterpret_cast<void*>(begin);  // NOLINT(performance-no-int-to-ptr)
    if (!is_half_used(at)) continue;
    if (::madvise(at, kHuge, MADV_COLLAPSE) == 0) bytes += kHuge;
  }
  return bytes;
}

}  // namespace

std::size_t collapse_heap() {
  if (::sysconf(_SC_PAGESIZE) != static_cast<long>(kSmall) || !kernel_has_huge_pages()) return 0;
  std::FILE* maps = std::fopen("/proc/self/maps", "re");
  if (maps == nullptr) return 0;
  std::size_t bytes = 0;
  char line[4608];
  while (std::fgets(line, sizeof line, maps) != nullptr) {
    std::uintptr_t begin = 0, end = 0;
    unsigned long inode = 1;
    char rights[8] = "";
    if (std::sscanf(line, "%" SCNxPTR "-%" SCNxPTR " %7s %*s %*s %lu", &begin, &end, rights,
                    &inode) == 4 &&
        std::strcmp(rights, "rw-p") == 0 && inode == 0 && std::strstr(line, "[stack]") == nullptr &&
        end - begin <= kLargestHeap) {
      bytes += collapse(begin, end);
    }
  }
  std::fclose(maps);
  return bytes;
}

}  // namespace berth::process
