// SPDX-License-Identifier: Apache-2.0
#include "plugin/elf_reader.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <elf.h>
#include <memory>

#include "plugin/manifest.hpp"
#include "plugin_files.hpp"

namespace berth::plugin {
namespace {

std::string zoo(const std::string& name) {
  return test::read_all(std::filesystem::path(BERTH_ZOO_REFUSED) / ("libberth_" + name + ".so"));
}

// Reads from a heap block of exactly that size, so that a sanitizer sees one byte too many.
class Exact {
 public:
  explicit Exact(std::string_view content) : size_(content.size()), bytes_(new std::byte[size_]) {
    if (size_) std::memcpy(bytes_.get(), content.data(), size_);
  }
  std::span<const std::byte> bytes() const { return {bytes_.get(), size_}; }

 private:
  std::size_t size_;
  std::unique_ptr<std::byte[]> bytes_;
};

// Everything the checks do with a file's inside.
bool reads_well(std::string_view content) {
  const Exact exact(content);
  const auto elf = read_elf(exact.bytes());
  if (!elf) {
    EXPECT_EQ(elf.error().rule, "elf");
    EXPECT_FALSE(elf.error().detail.empty());
    return false;
  }
  if (!parse_manifest(elf->note)) return false;
  return std::any_of(elf->exports.begin(), elf->exports.end(), [&](const ElfExport& symbol) {
    return read_entry(exact.bytes(), symbol).has_value();
  });
}

TEST(ElfReader, ReadsTheFactsOfAPlugin) {
  const Exact good(zoo("good"));
  const auto elf = read_elf(good.bytes());
  ASSERT_TRUE(elf) << elf.error().detail;
  EXPECT_FALSE(elf->executable_stack);
  EXPECT_FALSE(elf->writable_code);
  EXPECT_FALSE(elf->text_relocations);
  EXPECT_FALSE(elf->stays_loaded);
  EXPECT_TRUE(elf->search_paths.empty());
  EXPECT_NE(std::find(elf->needed.begin(), elf->needed.end(), "libc.so.6"), elf->needed.end());
  EXPECT_TRUE(std::any_of(
      elf->needed_versions.begin(), elf->needed_versions.end(), [](const NeededVersion& needed) {
        return needed.library == "libc.so.6" && needed.version.starts_with("GLIBC_2.");
      }));
  ASSERT_EQ(elf->export_count, 1u);
  EXPECT_EQ(elf->exports[0].name, "berth_plugin_entry");
  EXPECT_TRUE(elf->exports[0].is_data);
  EXPECT_EQ(elf->exports[0].size, 64u);
  EXPECT_EQ(elf->berth_notes, 1u);
  const auto manifest = parse_manifest(elf->note);
  ASSERT_TRUE(manifest);
  EXPECT_EQ(manifest->name, "good");
}

TEST(ElfReader, FollowsTheEntrysPointersWithoutLoading) {
  for (const char* file : {"good", "packed"}) {
    const Exact bytes(zoo(file));
    const auto elf = read_elf(bytes.bytes());
    ASSERT_TRUE(elf) << elf.error().detail;
    const auto entry = read_entry(bytes.bytes(), elf->exports.at(0));
    ASSERT_TRUE(entry) << entry.error().detail;
    EXPECT_EQ(entry->name, file);
    EXPECT_EQ(entry->id, "org.example.zoo");
    EXPECT_EQ(entry->version, "1.2.3");
    EXPECT_EQ(entry->abi_major, 1u);
    EXPECT_EQ(entry->abi_minor, 0u);
  }
}

#if defined(__x86_64__)
TEST(ElfReader, ReadsWhatDifferentLinkersMake) {
  const char* source = std::getenv("BERTH_SOURCE_DIR");
  ASSERT_NE(source, nullptr) << "run it by ctest, or set BERTH_SOURCE_DIR";
  const std::filesystem::path corpus = std::filesystem::path(source) / "tests/fuzz/corpus/fuzz_elf";
  for (const char* file : {"bfd_gnu.so", "bfd_sysv_hash.so", "lld_c.so", "lld_relr.so"}) {
    EXPECT_TRUE(reads_well(test::read_all(corpus / file))) << file;
  }
}
#endif

TEST(ElfReader, TruncationAtEveryByteIsRefusedOrHarmless) {
  const std::string good = zoo("good");
  Elf64_Ehdr header;
  std::memcpy(&header, good.data(), sizeof header);
  std::size_t loaded_end = 0;
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    std::memcpy(&segment, good.data() + header.e_phoff + i * sizeof segment, sizeof segment);
    if (segment.p_type == PT_LOAD) {
      loaded_end = std::max<std::size_t>(loaded_end, segment.p_offset + segment.p_filesz);
    }
  }
  ASSERT_GT(loaded_end, 1000u);
  ASSERT_LE(loaded_end, good.size());
  for (std::size_t size = 0; size <= good.size(); ++size) {
    // What follows the last segment is the section headers, which nobody needs.
    EXPECT_EQ(reads_well(std::string_view(good).substr(0, size)), size >= loaded_end) << size;
  }
}

TEST(ElfReader, NoSpoiltByteOrWordDoesHarm) {
  const std::string good = zoo("good");
  int still_good = 0;
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const char* with : {"\xff", "\xff\xff\xff\xff\xff\xff\xff\xff", "\x7f"}) {
      std::string spoilt = good;
      spoilt.replace(at, std::min(std::strlen(with), good.size() - at), with, 0,
                     std::min(std::strlen(with), good.size() - at));
      still_good += reads_well(spoilt);
    }
  }
  // Code and padding may be anything; most else is noticed.
  EXPECT_GT(still_good, 0);
}

TEST(ElfReader, ManySymbolsOfOneHugeNameTakeLittleMemory) {
  const Exact bytes(zoo("two_exports"));
  const auto elf = read_elf(bytes.bytes());
  ASSERT_TRUE(elf);
  EXPECT_EQ(elf->export_count, 2u);
  EXPECT_LE(elf->exports.size(), 16u);
}

TEST(ElfReader, ReadsWhatIsInstalledOnThisMachine) {
  // Objects of other linkers and ages, up to the largest: nothing about them may be called damaged.
  int read = 0;
  for (const char* folder : {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu"}) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_symlink() || !entry.is_regular_file() || name.find(".so") == std::string::npos ||
          entry.file_size() > 4'000'000) {
        continue;
      }
      const std::string content = test::read_all(entry.path());
      if (content.compare(0, 4,
                          "\x7f"
                          "ELF") != 0)
        continue;
      const auto elf = read_elf(std::as_bytes(std::span(content)));
      EXPECT_TRUE(elf || elf.error().detail.find("damaged") == std::string::npos)
          << entry.path() << ": " << elf.error().detail;
      if (elf) EXPECT_EQ(elf->berth_notes, 0u) << entry.path();
      ++read;
    }
  }
  EXPECT_GT(read, 5);
}

}  // namespace
}  // namespace berth::plugin
