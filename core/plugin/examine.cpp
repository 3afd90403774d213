// SPDX-License-Identifier: Apache-2.0
#include "plugin/examine.hpp"

#include <algorithm>
#include <charconv>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gnu/libc-version.h>

#include "berth/plugin/container_factory.h"
#include "berth/plugin/host.h"
#include "berth/plugin/log_store.h"
#include "berth/plugin/note.h"
#include "plugin/file_trust.hpp"

namespace berth::plugin {
namespace {

const char* const kSdkMend = "build it with berth_add_plugin(), which does this";

template <typename T>
bool contains(const std::vector<T>& values, const T& value) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

// "2.34" -> {2, 34}; none if it is no dotted number.
std::optional<std::vector<unsigned>> parse_version(std::string_view text) {
  std::vector<unsigned> numbers;
  while (true) {
    unsigned number = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), number);
    if (parsed.ec != std::errc()) return std::nullopt;
    numbers.push_back(number);
    text.remove_prefix(static_cast<std::size_t>(parsed.ptr - text.data()));
    if (text.empty()) return numbers;
    if (text[0] != '.') return std::nullopt;
    text.remove_prefix(1);
  }
}

// Builds the list of checks: one call for each rule.
class Examiner {
 public:
  Examiner(Examination& examination, const ExamineOptions& options)
      : examination_(examination), options_(options) {}

  void run();

 private:
  void ok(std::string rule, std::string detail) {
    examination_.checks.push_back({std::move(rule), Verdict::kOk, std::move(detail), {}});
  }
  void skip(std::string rule, std::string why) {
    examination_.checks.push_back({std::move(rule), Verdict::kNotChecked, std::move(why), {}});
  }
  void refuse(std::string rule, std::string detail, std::string mend) {
    examination_.refuse({std::move(rule), std::move(detail), std::move(mend)});
  }
  // Either the refusal or, if there is none, that it is fine.
  void judge(std::string rule, const std::optional<Refusal>& refusal, std::string fine) {
    refusal ? examination_.refuse(*refusal) : ok(std::move(rule), std::move(fine));
  }

  bool copy_file();
  void check_elf();
  void check_stack();
  void check_search_paths();
  void check_libc();
  void check_exports();
  void check_note();
  void check_manifest();
  void check_entry();

  Examination& examination_;
  const ExamineOptions& options_;
  const ElfExport* entry_ = nullptr;  // within examination_.elf
};

void Examiner::run() {
  if (!copy_file()) {
    for (const char* rule : {"elf", "stack", "relocation", "search-path", "libc", "exports", "note",
                             "abi", "name", "interfaces", "services", "entry"}) {
      skip(rule, "the file could not be read");
    }
    return;
  }
  check_elf();
  check_note();
  check_manifest();
  check_entry();
}

bool Examiner::copy_file() {
  const std::filesystem::path given = examination_.file;
  TrustedDirectory directory =
      open_directory(given.has_parent_path() ? given.parent_path() : ".", options_.user);
  examination_.file = directory.canonical / given.filename();
  judge("directory", directory.refusal, directory.canonical.string());
  if (!directory.fd) {
    skip("file", "the directory could not be opened");
    skip("size", "the directory could not be opened");
    return false;
  }
  TrustedFile file = open_file(directory.fd.get(), given.filename().string(), options_.user);
  judge("file", file.refusal, "a regular file that nobody else may write");
  if (!file.fd) {
    skip("size", "the file could not be read");
    return false;
  }
  examination_.size = file.size;
  const auto too_large = [&](std::uint64_t size) {
    refuse("size", fmt::format("it has {} bytes, more than {}", size, options_.max_bytes),
           "strip it, or build it without debug information");
    return false;
  };
  if (file.size > options_.max_bytes) return too_large(file.size);
  auto copy = SealedFile::copy(file.fd.get(), given.filename().string(), options_.max_bytes);
  if (!copy) {
    // It may have grown since its size was read.
    if (copy.error().code() == StatusCode::kResourceExhausted) return too_large(file.size);
    refuse("size", copy.error().message(), "free some memory and try again");
    return false;
  }
  examination_.copy = std::move(*copy);
  examination_.size = examination_.copy.bytes().size();
  examination_.sha256 = examination_.copy.sha256();
  ok("size", fmt::format("{} bytes", examination_.size));
  return true;
}

void Examiner::check_elf() {
  auto elf = read_elf(examination_.copy.bytes());
  if (!elf) {
    examination_.refuse(elf.error());
    for (const char* rule : {"stack", "relocation", "search-path", "libc", "exports"}) {
      skip(rule, "it could not be read as ELF");
    }
    return;
  }
  examination_.elf = std::move(*elf);
  ok("elf", fmt::format("a shared object for {}", examination_.elf->machine));
  check_stack();
  if (examination_.elf->text_relocations) {
    refuse("relocation", "its code has to be patched while loading (TEXTREL)",
           "compile all of it with -fPIC and link with -Wl,-z,text");
  } else {
    ok("relocation", "the code stays as it is in the file");
  }
  check_search_paths();
  check_libc();
  check_exports();
}

void Examiner::check_stack() {
  if (examination_.elf->executable_stack) {
    refuse("stack", "it asks for an executable stack", "link it with -Wl,-z,noexecstack");
  } else if (examination_.elf->writable_code) {
    refuse("stack", "it has memory that is both writable and executable",
           "link it without -N, --omagic and linker scripts of its own");
  } else {
    ok("stack", "not executable");
  }
}

void Examiner::check_search_paths() {
  const ElfFacts& elf = *examination_.elf;
  if (!elf.search_paths.empty()) {
    return refuse(
        "search-path",
        fmt::format("it looks for libraries in {} (RPATH or RUNPATH)", elf.search_paths[0]),
        "link it without -rpath (CMake: SKIP_BUILD_RPATH and no INSTALL_RPATH); link what "
        "is not installed in the system statically");
  }
  for (const std::string& library : elf.needed) {
    if (library.find('/') != std::string::npos) {
      return refuse("search-path", fmt::format("it needs the library {} by its path", library),
                    "give that library a soname, or link it statically");
    }
  }
  ok("search-path", elf.needed.empty() ? "needs no library"
                                       : fmt::format("needs {}", fmt::join(elf.needed, ", ")));
}

void Examiner::check_libc() {
  constexpr std::string_view kPrefix = "GLIBC_";
  const std::string host =
      options_.libc_version.empty() ? gnu_get_libc_version() : options_.libc_version;
  const auto have = parse_version(host);
  std::string newest;
  std::vector<unsigned> newest_numbers;
  for (const NeededVersion& needed : examination_.elf->needed_versions) {
    if (!needed.version.starts_with(kPrefix)) continue;
    const auto numbers = parse_version(std::string_view(needed.version).substr(kPrefix.size()));
    if (!numbers || *numbers <= newest_numbers) continue;
    newest = needed.version;
    newest_numbers = *numbers;
  }
  if (newest.empty()) return ok("libc", "needs no particular version");
  if (have && newest_numbers > *have) {
    return refuse("libc",
                  fmt::format("it needs {} of the C library, this machine has {}", newest, host),
                  "build it on a system as old as this one, or upgrade this one");
  }
  ok("libc", fmt::format("needs {}, there is {}", newest, host));
}

void Examiner::check_exports() {
  const ElfFacts& elf = *examination_.elf;
  const auto found = std::find_if(elf.exports.begin(), elf.exports.end(), [](const ElfExport& one) {
    return one.name == BERTH_PLUGIN_ENTRY_SYMBOL;
  });
  if (found != elf.exports.end()) entry_ = &*found;
  if (entry_ && elf.export_count == 1) return ok("exports", BERTH_PLUGIN_ENTRY_SYMBOL " only");
  if (elf.export_count == 0) {
    return refuse("exports", "it exports nothing, not even " BERTH_PLUGIN_ENTRY_SYMBOL,
                  "define it with BERTH_EXPORT, as the SDK's registration macro does");
  }
  std::vector<std::string> others;
  for (const ElfExport& one : elf.exports) {
    if (&one == entry_ || others.size() == 3) continue;
    others.push_back(one.name);
  }
  refuse("exports",
         fmt::format("it exports {} symbols ({}{}){}, but " BERTH_PLUGIN_ENTRY_SYMBOL
                     " is the only one a plugin may",
                     elf.export_count, fmt::join(others, ", "),
                     elf.export_count > others.size() + (entry_ ? 1 : 0) ? ", ..." : "",
                     entry_ ? " besides the entry" : ""),
         fmt::format("hide the others (-fvisibility=hidden and a version script): {}", kSdkMend));
}

void Examiner::check_note() {
  if (!examination_.elf) return skip("note", "it could not be read as ELF");
  const ElfFacts& elf = *examination_.elf;
  if (elf.berth_notes == 0) {
    return refuse("note", "it carries no Berth note, so it is no plugin",
                  "register it with the SDK's macro, or put BERTH_PLUGIN_NOTE into it");
  }
  if (elf.berth_notes > 1) {
    return refuse("note", fmt::format("it carries {} Berth notes", elf.berth_notes),
                  "register one plugin in one file");
  }
  auto manifest = parse_manifest(elf.note);
  if (!manifest) return examination_.refuse(manifest.error());
  examination_.manifest = std::move(*manifest);
  ok("note", fmt::format("{} {} ({})", examination_.manifest->name, examination_.manifest->version,
                         examination_.manifest->id));
}

void Examiner::check_manifest() {
  if (!examination_.manifest) {
    for (const char* rule : {"abi", "name", "interfaces", "services"}) {
      const auto refused = [&](const Check& check) { return check.rule == rule; };
      if (std::none_of(examination_.checks.begin(), examination_.checks.end(), refused)) {
        skip(rule, "there is no usable note");
      }
    }
    return;
  }
  const Manifest& manifest = *examination_.manifest;
  judge("abi", check_abi(manifest.abi), to_string(manifest.abi));

  const std::string expected = plugin_file_name(manifest.name);
  const std::string actual = examination_.file.filename().string();
  if (actual != expected) {
    refuse("name",
           fmt::format("a plugin of the name {} has the file name {}", manifest.name, expected),
           fmt::format("rename it to {}", expected));
  } else {
    ok("name", manifest.name);
  }

  const auto& used = used_interfaces();
  if (std::none_of(manifest.provides.begin(), manifest.provides.end(),
                   [&](const std::string& one) { return contains(used, one); })) {
    refuse("interfaces",
           fmt::format("it provides {}, this host uses {}", fmt::join(manifest.provides, ", "),
                       fmt::join(used, ", ")),
           "install the Berth that it was made for, or remove it");
  } else {
    ok("interfaces", fmt::format("{}", fmt::join(manifest.provides, ", ")));
  }

  std::vector<std::string> lacking;
  for (const std::string& service : manifest.needs) {
    if (!contains(offered_services(), service)) lacking.push_back(service);
  }
  if (!lacking.empty()) {
    refuse("services",
           fmt::format("it needs {}, this host offers {}", fmt::join(lacking, ", "),
                       fmt::join(offered_services(), ", ")),
           "install a newer Berth, or a version of the plugin for this one");
  } else {
    ok("services", manifest.needs.empty()
                       ? "needs none"
                       : fmt::format("needs {}", fmt::join(manifest.needs, ", ")));
  }
}

void Examiner::check_entry() {
  if (!entry_) return skip("entry", "there is none to read");
  const auto entry = read_entry(examination_.copy.bytes(), *entry_);
  if (!entry) {
    Refusal refusal = entry.error();
    refusal.rule = "entry";
    return examination_.refuse(std::move(refusal));
  }
  if (!examination_.manifest) return skip("entry", "there is no usable note to compare with");
  const Manifest& manifest = *examination_.manifest;
  struct Fact {
    const char* what;
    std::string in_note;
    std::string in_entry;
  };
  for (const Fact& fact :
       {Fact{"name", manifest.name, entry->name}, Fact{"id", manifest.id, entry->id},
        Fact{"version", manifest.version, entry->version},
        Fact{"ABI", to_string(manifest.abi),
             to_string(AbiVersion{entry->abi_major, entry->abi_minor})}}) {
    if (fact.in_note == fact.in_entry) continue;
    return refuse("entry",
                  fmt::format("the note says {} {}, but " BERTH_PLUGIN_ENTRY_SYMBOL " says {}",
                              fact.what, fact.in_note, fact.in_entry),
                  "write both from one source, as the SDK's registration macro does");
  }
  ok("entry", "says the same as the note");
}

}  // namespace

const std::vector<std::string>& used_interfaces() {
  static const std::vector<std::string> interfaces = {BERTH_INTERFACE_CONTAINER_FACTORY,
                                                      BERTH_INTERFACE_LOG_STORE};
  return interfaces;
}

const std::vector<std::string>& offered_services() {
  static const std::vector<std::string> services = {BERTH_SERVICE_LOG, BERTH_SERVICE_STATE,
                                                    BERTH_SERVICE_TIMER, BERTH_SERVICE_METRICS};
  return services;
}

bool Examination::ok() const {
  return copy.fd() >= 0 && manifest &&
         std::none_of(checks.begin(), checks.end(),
                      [](const Check& one) { return one.verdict == Verdict::kRefused; });
}

Status Examination::status() const {
  for (const Check& check : checks) {
    if (check.verdict != Verdict::kRefused) continue;
    return Refusal{check.rule, check.detail, check.mend}.status(file);
  }
  return {};
}

void Examination::refuse(Refusal refusal) {
  checks.push_back({std::move(refusal.rule), Verdict::kRefused, std::move(refusal.detail),
                    std::move(refusal.mend)});
}

Examination examine(const std::filesystem::path& file, const ExamineOptions& options) {
  Examination examination;
  examination.file = file;
  Examiner(examination, options).run();
  return examination;
}

}  // namespace berth::plugin
