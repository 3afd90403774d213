// SPDX-License-Identifier: Apache-2.0
#include "zygote/huge_pages.hpp"

#include <cstdint>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <sys/mman.h>

namespace berth::process {
namespace {

constexpr std::size_t kHuge = std::size_t{2} << 20;

// The kilobytes that smaps has for the mapping of `at`.
long in_huge_pages(const char* at) {
  std::ifstream smaps("/proc/self/smaps");
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    unsigned long begin = 0, end = 0;
    if (std::sscanf(line.c_str(), "%lx-%lx ", &begin, &end) == 2) {
      const auto address = reinterpret_cast<std::uintptr_t>(at);
      inside = begin <= address && address < end;
    }
    long kilobytes = 0;
    if (inside && std::sscanf(line.c_str(), "AnonHugePages: %ld", &kilobytes) == 1)
      return kilobytes;
  }
  return -1;
}

// The kernel's choice: "[always] madvise never".
std::string kernels_choice() {
  std::ifstream file("/sys/kernel/mm/transparent_hugepage/enabled");
  std::string text;
  return std::getline(file, text) ? text : "[never]";
}

bool kernel_collapses() {
  if (kernels_choice().find("[never]") != std::string::npos) return false;
  void* memory =
      ::mmap(nullptr, 2 * kHuge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  const std::uintptr_t at = (reinterpret_cast<std::uintptr_t>(memory) + kHuge - 1) / kHuge * kHuge;
  auto* aligned = reinterpret_cast<char*>(at);  // NOLINT(performance-no-int-to-ptr)
  *aligned = 1;
  const bool works = ::madvise(aligned, kHuge, 25 /* MADV_COLLAPSE */) == 0;
  ::munmap(memory, 2 * kHuge);
  return works;
}

TEST(HugePages, AreMadeOfWhatIsInUse) {
  if (!kernel_collapses()) GTEST_SKIP() << "this kernel makes no huge pages when asked";
  constexpr std::size_t kBytes = 16 * kHuge;
  auto* memory = static_cast<char*>(
      ::mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  ASSERT_NE(memory, MAP_FAILED);
  // Whatever the kernel does by itself is not what is tested. Where it does so for all memory, it
  // is told to leave this alone until it is filled; elsewhere it must not even be told to begin.
  const bool of_itself = kernels_choice().find("[always]") != std::string::npos;
  if (of_itself) ASSERT_EQ(::madvise(memory, kBytes, MADV_NOHUGEPAGE), 0);
  for (std::size_t i = 0; i < kBytes / 2; i += 4096) memory[i] = static_cast<char>(i >> 12);
  memory[kBytes / 2 + 3 * kHuge] = 1;  // one page alone is not worth 2 MB
  ASSERT_EQ(in_huge_pages(memory), 0);
  if (of_itself) ASSERT_EQ(::madvise(memory, kBytes, MADV_HUGEPAGE), 0);
  EXPECT_GE(collapse_heap(), kBytes / 2 - kHuge);
  const long kilobytes = in_huge_pages(memory);
  EXPECT_GE(kilobytes, static_cast<long>((kBytes / 2 - kHuge) >> 10));
  // (Where the kernel works by itself it may have come to the lone page, too.)
  if (!of_itself) EXPECT_LE(kilobytes, static_cast<long>((kBytes / 2) >> 10));
  for (std::size_t i = 0; i < kBytes / 2; i += 4096) {
    ASSERT_EQ(memory[i], static_cast<char>(i >> 12)) << i;
  }
  ::munmap(memory, kBytes);
}

}  // namespace
}  // namespace berth::process
