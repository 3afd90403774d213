// SPDX-License-Identifier: Apache-2.0
#include "docker/pause_image.hpp"

#include <cstdint>
#include <cstdio>
#include <cstring>
#include <string_view>

// The program itself, built beside this file.
__asm__(
    ".pushsection .rodata\n"
    ".balign 16\n"
    ".hidden berth_docker_pause_begin\n.globl berth_docker_pause_begin\n"
    "berth_docker_pause_begin:\n"
    ".incbin \"" BERTH_DOCKER_PAUSE
    "\"\n"
    ".hidden berth_docker_pause_end\n.globl berth_docker_pause_end\n"
    "berth_docker_pause_end:\n"
    ".popsection\n");
extern "C" {
extern const char berth_docker_pause_begin[];
extern const char berth_docker_pause_end[];
}

namespace berth::docker {
namespace {

constexpr std::size_t kBlock = 512;

std::string_view program() {
  return {berth_docker_pause_begin,
          static_cast<std::size_t>(berth_docker_pause_end - berth_docker_pause_begin)};
}

}  // namespace

std::string pause_image_name() {
  std::uint64_t hash = 14695981039346656037ull;  // FNV-1a
  for (const char c : program()) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ull;
  char text[48];
  std::snprintf(text, sizeof text, "berth/pause:%016llx", static_cast<unsigned long long>(hash));
  return text;
}

std::string pause_image_tar() {
  char head[kBlock] = {};
  const auto put = [&](std::size_t at, std::string_view text) {
    text.copy(head + at, text.size());
  };
  const auto octal = [&](std::size_t at, int width, std::size_t value) {
    char text[16];
    std::snprintf(text, sizeof text, "%0*zo", width, value);
    put(at, text);
  };
  put(0, "pause");
  octal(100, 7, 0755);
  octal(108, 7, 0);
  octal(116, 7, 0);
  octal(124, 11, program().size());
  octal(136, 11, 0);
  put(148, "        ");  // counted as blanks in the sum
  put(156, "0");
  put(257, "ustar");
  put(263, "00");
  std::size_t sum = 0;
  for (const char c : head) sum += static_cast<unsigned char>(c);
  octal(148, 6, sum);
  head[154] = '\0';
  std::string tar(head, kBlock);
  tar += program();
  tar.resize((tar.size() + kBlock - 1) / kBlock * kBlock + 2 * kBlock);
  return tar;
}

const char* pause_image_architecture() {
#if defined(__x86_64__)
  return "x86_64";
#else
  return "aarch64";
#endif
}

}  // namespace berth::docker
