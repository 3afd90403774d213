// SPDX-License-Identifier: Apache-2.0
// Each plugin of the refused half of the zoo, with its message, and the proof that none of its code
// ran.
#include <cstring>
#include <elf.h>
#include <fstream>
#include <sys/stat.h>
#include <unistd.h>

#include "plugin/plugin_directory.hpp"
#include "plugin_files.hpp"

namespace berth::plugin {
namespace {

namespace fs = std::filesystem;

class RefusedZoo : public test::PluginFiles {
 protected:
  // Scans the directory, tries to load each plugin, and expects exactly this file to be refused.
  void expect_refused(const fs::path& file, std::string_view rule,
                      std::vector<std::string_view> parts, const ExamineOptions& options = {}) {
    const auto directory = PluginDirectory::scan(file.parent_path(), options);
    ASSERT_TRUE(directory) << directory.error().to_string();
    const PluginListing* listing = nullptr;
    for (const PluginListing& one : directory->plugins()) {
      if (one.file.filename() == file.filename()) listing = &one;
    }
    ASSERT_NE(listing, nullptr) << file;
    EXPECT_EQ(listing->status.code(), StatusCode::kFailedPrecondition);
    const std::string rule_text = "refused by rule '" + std::string(rule) + "'";
    parts.push_back(rule_text);
    const std::string file_text = file.string();
    parts.push_back(file_text);
    parts.push_back("Mend: ");
    EXPECT_TRUE(test::has_all(listing->status.message(), parts));
    const auto loaded = directory->load(listing->name);
    ASSERT_FALSE(loaded);
    if (rule != "unique") EXPECT_FALSE(LoadedPlugin::load(examine(file, options)));
    EXPECT_FALSE(code_ran()) << "code of " << file << " ran";
  }

  // The good plugin with bytes changed.
  fs::path put_patched(std::size_t at, std::string_view bytes) {
    const fs::path file = put("good");
    std::string content = test::read_all(file);
    content.replace(at, bytes.size(), bytes);
    test::write_all(file, content);
    return file;
  }
};

TEST_F(RefusedZoo, TheGoodOneIsLoadedAndRunsItsConstructor) {
  put("good");
  const auto directory = PluginDirectory::scan(this->directory());
  ASSERT_TRUE(directory);
  EXPECT_FALSE(code_ran());
  const auto plugin = directory->load("good");
  ASSERT_TRUE(plugin) << plugin.error().to_string();
  // So its absence proves something elsewhere.
  EXPECT_TRUE(code_ran());
}

TEST_F(RefusedZoo, WrongAbi) {
  expect_refused(put("wrong_abi"), "abi",
                 {"built for ABI 2.0", "loads major version 1", "install a newer Berth"});
}

TEST_F(RefusedZoo, NoNote) {
  expect_refused(put("no_note"), "note", {"carries no Berth note", "BERTH_PLUGIN_NOTE"});
}

TEST_F(RefusedZoo, TwoNotes) {
  expect_refused(put("two_notes"), "note", {"carries 2 Berth notes", "one plugin in one file"});
}

TEST_F(RefusedZoo, NoteIsNotJson) {
  expect_refused(put("bad_json"), "note", {"not valid JSON", "line 1, column"});
}

TEST_F(RefusedZoo, NoteIsTooLong) {
  expect_refused(put("long_note"), "note", {"bytes, more than 65536", "shorten its config_schema"});
}

TEST_F(RefusedZoo, SchemaIsNoSchema) {
  expect_refused(put("bad_schema"), "note",
                 {"config_schema", "/proprties: is not a keyword of JSON Schema draft 4"});
}

TEST_F(RefusedZoo, ProvidesNothingWeUse) {
  expect_refused(put("other_interface"), "interfaces",
                 {"provides org.example.teleport/1", "berth.container-factory/1"});
}

TEST_F(RefusedZoo, NeedsAnUnknownService) {
  expect_refused(put("other_service"), "services",
                 {"needs berth.teleport/1", "this host offers berth.log/1"});
}

TEST_F(RefusedZoo, NoteAndEntryDisagree) {
  expect_refused(put("other_version"), "entry",
                 {"the note says version 1.2.3", "berth_plugin_entry says 9.9.9"});
  expect_refused(put("other_id"), "entry",
                 {"the note says id org.example.zoo", "berth_plugin_entry says org.example.other"});
}

TEST_F(RefusedZoo, EntryIsNotComplete) {
  expect_refused(put("no_open"), "entry", {"open in berth_plugin_entry is not a function"});
  expect_refused(put("no_version"), "entry", {"the version in berth_plugin_entry is not constant"});
  expect_refused(put("function_entry"), "entry", {"berth_plugin_entry is not data"});
}

TEST_F(RefusedZoo, Exports) {
  expect_refused(put("two_exports"), "exports",
                 {"exports 2 symbols (zoo_second_export) besides the entry", "version script"});
  expect_refused(put("no_export"), "exports", {"exports nothing, not even berth_plugin_entry"});
}

TEST_F(RefusedZoo, SearchPaths) {
  expect_refused(put("rpath"), "search-path",
                 {"/opt/elsewhere (RPATH or RUNPATH)", "without -rpath"});
  expect_refused(put("runpath"), "search-path", {"/opt/elsewhere (RPATH or RUNPATH)"});
}

TEST_F(RefusedZoo, ExecutableStack) {
  expect_refused(put("exec_stack"), "stack", {"executable stack", "-z,noexecstack"});
}

TEST_F(RefusedZoo, TextRelocation) {
  expect_refused(put("text_relocation"), "relocation", {"TEXTREL", "-fPIC"});
}

TEST_F(RefusedZoo, NeedsANewerLibc) {
  const fs::path file = put("good");
  expect_refused(file, "libc", {"of the C library, this machine has 2.0", "as old as this one"},
                 {.libc_version = "2.0"});
}

TEST_F(RefusedZoo, TwoFilesOfOneName) {
  const fs::path first = put("good");
  const fs::path second = put("good", "libberth_another.so");
  expect_refused(first, "unique", {"libberth_another.so says that it is good, too"});
  expect_refused(second, "unique", {"libberth_good.so says that it is good, too"});
}

TEST_F(RefusedZoo, WrongFileName) {
  expect_refused(put("good", "libberth_better.so"), "name",
                 {"has the file name libberth_good.so", "rename it to libberth_good.so"});
}

TEST_F(RefusedZoo, WorldWritableFile) {
  const fs::path file = put("good");
  chmod(file.c_str(), 0646);
  expect_refused(file, "file",
                 {"writable by everybody (mode 0646)", "chmod go-w libberth_good.so"});
}

TEST_F(RefusedZoo, WorldWritableDirectory) {
  const fs::path file = put("good");
  chmod(directory().c_str(), 01777);  // sticky is fine for parents only
  const auto scanned = PluginDirectory::scan(directory());
  ASSERT_FALSE(scanned);
  EXPECT_TRUE(test::has_all(scanned.error().message(),
                            {directory().string(), "refused by rule 'directory'",
                             "is writable by everybody (mode 1777)", "chmod go-w"}));
  const auto loaded = LoadedPlugin::load(examine(file));
  ASSERT_FALSE(loaded);
  EXPECT_TRUE(
      test::has_all(loaded.error().message(), {"rule 'directory'", "writable by everybody"}));
  EXPECT_FALSE(code_ran());
}

TEST_F(RefusedZoo, SetIdFile) {
  const fs::path file = put("good");
  chmod(file.c_str(), 04755);
  expect_refused(file, "file", {"set-id bit (mode 4755)", "chmod ug-s"});
}

TEST_F(RefusedZoo, SymbolicLink) {
  const fs::path target = put("good", "elsewhere");
  fs::create_symlink(target, directory() / "libberth_good.so");
  expect_refused(directory() / "libberth_good.so", "file", {"symbolic link"});
}

TEST_F(RefusedZoo, NotARegularFile) {
  fs::create_directory(directory() / "libberth_dir.so");
  expect_refused(directory() / "libberth_dir.so", "file", {"not a regular file"});
  const fs::path fifo = directory() / "libberth_fifo.so";
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  expect_refused(fifo, "file", {"not a regular file"});
}

TEST_F(RefusedZoo, TooLarge) {
  const fs::path file = put("good");
  expect_refused(file, "size", {"bytes, more than 4096", "strip it"}, {.max_bytes = 4096});
}

TEST_F(RefusedZoo, Truncated) {
  const fs::path file = put("good");
  fs::resize_file(file, fs::file_size(file) / 2);
  expect_refused(file, "elf", {"the file is damaged: it ends within", "copy the file again"});
  fs::resize_file(file, 0);
  expect_refused(file, "elf", {"not an ELF file"});
}

TEST_F(RefusedZoo, NotElf) {
  const fs::path file = directory() / "libberth_script.so";
  test::write_all(file, "#!/bin/sh\nexit 0\n");
  expect_refused(file, "elf", {"not an ELF file"});
}

TEST_F(RefusedZoo, ForeignArchitecture) {
  constexpr std::size_t kMachine = offsetof(Elf64_Ehdr, e_machine);
  expect_refused(put_patched(kMachine, std::string_view("\xf3\x00", 2)), "elf",
                 {"it is for RISC-V, this machine is"});
  expect_refused(put_patched(EI_CLASS, "\x01"), "elf", {"not a 64-bit object"});
  expect_refused(put_patched(EI_DATA, "\x02"), "elf", {"big-endian"});
}

TEST_F(RefusedZoo, NotASharedObject) {
  constexpr std::size_t kType = offsetof(Elf64_Ehdr, e_type);
  expect_refused(put_patched(kType, std::string_view("\x02\x00", 2)), "elf",
                 {"not a shared object"});
  const fs::path program = directory() / "libberth_program.so";
  test::write_all(program, test::read_all("/proc/self/exe"));
  // A program that is a position-independent executable, as Debian builds them, looks much the
  // same.
  expect_refused(program, "elf", {"not a shared object"});
}

TEST_F(RefusedZoo, WritableCode) {
  const fs::path file = put("good");
  std::string content = test::read_all(file);
  Elf64_Ehdr header;
  std::memcpy(&header, content.data(), sizeof header);
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    char* at = content.data() + header.e_phoff + i * sizeof segment;
    std::memcpy(&segment, at, sizeof segment);
    if (segment.p_type == PT_LOAD) segment.p_flags |= PF_W | PF_X;
    std::memcpy(at, &segment, sizeof segment);
  }
  test::write_all(file, content);
  expect_refused(file, "stack", {"both writable and executable"});
}

TEST_F(RefusedZoo, SaysNothingAboutItsStack) {
  const fs::path file = put("good");
  std::string content = test::read_all(file);
  Elf64_Ehdr header;
  std::memcpy(&header, content.data(), sizeof header);
  for (int i = 0; i < header.e_phnum; ++i) {
    Elf64_Phdr segment;
    char* at = content.data() + header.e_phoff + i * sizeof segment;
    std::memcpy(&segment, at, sizeof segment);
    if (segment.p_type == PT_GNU_STACK) segment.p_type = PT_NULL;
    std::memcpy(at, &segment, sizeof segment);
  }
  test::write_all(file, content);
  expect_refused(file, "stack", {"executable stack"});
}

TEST_F(RefusedZoo, ConfigurationThatTheSchemaRefuses) {
  put("configured");
  const auto scanned = PluginDirectory::scan(directory());
  ASSERT_TRUE(scanned);
  const auto locate = [](std::string_view pointer) {
    return pointer == "/ttl" ? std::string("berth.toml:12") : std::string("berth.toml:9");
  };
  const auto loaded = scanned->load("configured", R"({"ttl": 0})", locate);
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(loaded.error().message(),
            "berth.toml:12: plugin.configured.ttl (JSON pointer \"/ttl\") must be at least 1");
  EXPECT_FALSE(code_ran());
  EXPECT_TRUE(scanned->load("configured", R"({"ttl": 1})", locate));
  EXPECT_TRUE(code_ran());
}

}  // namespace
}  // namespace berth::plugin
