// SPDX-License-Identifier: Apache-2.0
// `examine`: every check a plugin's file goes through before any of its code runs, on one sealed
// copy. Stateless; thread-safe.
//
// The rules, in their order. A refusal names the file, the rule and the mend.
//   directory   nobody but root or the user may write to the directory and its parents
//   file        a regular file of root or the user, no link, not writable by others, no set-id
//   size        not larger than the limit
//   elf         a whole shared object for this machine
//   stack       declines an executable stack, has no segment both writable and executable
//   relocation  its code needs no patching while loading (TEXTREL)
//   search-path no RPATH or RUNPATH, no library by path: a plugin is one file
//   libc        needs no newer C library than there is
//   exports     exactly one symbol, berth_plugin_entry
//   note        one Berth note that is well-formed (manifest.hpp)
//   abi         an ABI major version this host loads
//   name        the file is called libberth_<name with _ for ->.so
//   interfaces  provides at least one interface this host uses
//   services    needs no host service that this host lacks
//   entry       berth_plugin_entry is constant and says the same as the note
// and, where they apply: "unique" (two files of one name, plugin_directory.hpp), "config" (the
// operator's settings) and "link" (what only the dynamic linker can find out).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <unistd.h>
#include <vector>

#include "plugin/elf_reader.hpp"
#include "plugin/manifest.hpp"
#include "plugin/refusal.hpp"
#include "plugin/sealed_file.hpp"

namespace berth::plugin {

// Interfaces a plugin may offer that this host makes use of.
const std::vector<std::string>& used_interfaces();
// Services this host offers to plugins.
const std::vector<std::string>& offered_services();

struct ExamineOptions {
  uid_t user = ::geteuid();                        // who, besides root, is trusted to own files
  std::uint64_t max_bytes = 256ull * 1024 * 1024;  // of a plugin's file
  std::string libc_version;                        // empty: of the C library in use
};

enum class Verdict { kOk, kRefused, kNotChecked };

struct Check {
  std::string rule;
  Verdict verdict = Verdict::kNotChecked;
  std::string detail;  // kOk: what was found; kRefused: what is wrong; kNotChecked: why not
  std::string mend;    // kRefused only
};

// All that is known of one file. Move-only: it owns the copy.
struct Examination {
  std::filesystem::path file;  // its directory canonical
  std::uint64_t size = 0;      // bytes
  std::string sha256;          // of the copy; empty if there is none
  std::vector<Check> checks;
  std::optional<Manifest> manifest;
  std::optional<ElfFacts> elf;  // `note` borrows from `copy`
  SealedFile copy;

  bool ok() const;
  // The first refusal as "FILE: refused by rule ...", or OK.
  Status status() const;
  void refuse(Refusal refusal);
};

// Never fails as a whole: what cannot be checked says so. Runs all checks it can, also after a
// refusal.
Examination examine(const std::filesystem::path& file, const ExamineOptions& options = {});

}  // namespace berth::plugin
