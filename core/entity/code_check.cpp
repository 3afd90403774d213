// SPDX-License-Identifier: Apache-2.0
#include "entity/code_check.hpp"

#include <array>
#include <fmt/format.h>
#include <memory>
#include <string>
#include <zip.h>

#include "base/base64.hpp"

namespace berth::entity {
namespace {

constexpr std::uint64_t kMaxLinkTarget = 4096;
constexpr std::size_t kShownName = 200;

Status refuse(const std::string& reason) {
  return sdk::invalid_argument("/exec/code: " + reason);
}

// Names come from a stranger: shown cut, and without control characters.
std::string shown(std::string_view name) {
  std::string text(name.substr(0, kShownName));
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return "'" + text + "'";
}

struct ZipCloser {
  void operator()(zip_t* zip) const { zip_discard(zip); }
};
struct ZipFileCloser {
  void operator()(zip_file_t* file) const { zip_fclose(file); }
};

bool has_parent_component(std::string_view path) {
  while (true) {
    const std::size_t slash = path.find_first_of("/\\");
    if (path.substr(0, slash) == "..") return true;
    if (slash == std::string_view::npos) return false;
    path.remove_prefix(slash + 1);
  }
}

bool is_absolute(std::string_view path) {
  const bool drive = path.size() >= 2 && path[1] == ':' &&
                     ((path[0] >= 'a' && path[0] <= 'z') || (path[0] >= 'A' && path[0] <= 'Z'));
  return path.starts_with('/') || path.starts_with('\\') || drive;
}

// Whether a link at `path` with a relative `target` stays within the archive.
bool stays_inside(std::string_view path, std::string_view target) {
  std::int64_t depth = 0;
  for (const char c : path) depth += c == '/' ? 1 : 0;
  while (true) {
    const std::size_t slash = target.find('/');
    const std::string_view part = target.substr(0, slash);
    if (part == "..") {
      if (--depth < 0) return false;
    } else if (!part.empty() && part != ".") {
      ++depth;
    }
    if (slash == std::string_view::npos) return true;
    target.remove_prefix(slash + 1);
  }
}

class ArchiveCheck {
 public:
  ArchiveCheck(std::string_view bytes, const ArchiveBounds& bounds)
      : bytes_(bytes), bounds_(bounds) {}

  Status run() {
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t* source = zip_source_buffer_create(bytes_.data(), bytes_.size(), 0, &error);
    if (source != nullptr) zip_.reset(zip_open_from_source(source, ZIP_RDONLY, &error));
    if (zip_ == nullptr) {
      const std::string reason = zip_error_strerror(&error);
      if (source != nullptr) zip_source_free(source);
      zip_error_fini(&error);
      return refuse("is not a zip archive, or a damaged one: " + reason);
    }
    zip_error_fini(&error);
    const auto entries = static_cast<std::uint64_t>(zip_get_num_entries(zip_.get(), 0));
    if (entries == 0) return refuse("is a zip archive without any file");
    if (entries > bounds_.max_entries) {
      return refuse(fmt::format("the zip archive has {} entries, more than the {} allowed", entries,
                                bounds_.max_entries));
    }
    // All declared sizes first: most bombs are told without unpacking a byte.
    for (std::uint64_t i = 0; i < entries; ++i) {
      if (Status status = check_entry(i); !status.ok()) return status;
    }
    unpacked_ = 0;
    for (std::uint64_t i = 0; i < entries; ++i) {
      if (Status status = unpack_entry(i); !status.ok()) return status;
    }
    return {};
  }

 private:
  Status check_entry(std::uint64_t index) {
    zip_stat_t facts;
    zip_stat_init(&facts);
    if (zip_stat_index(zip_.get(), index, ZIP_FL_ENC_RAW, &facts) != 0 ||
        (facts.valid & (ZIP_STAT_NAME | ZIP_STAT_SIZE)) != (ZIP_STAT_NAME | ZIP_STAT_SIZE)) {
      return refuse(fmt::format("zip entry {} is damaged", index));
    }
    const std::string_view name = facts.name;
    if (name.empty()) return refuse(fmt::format("zip entry {} has no name", index));
    if (is_absolute(name)) return refuse("zip entry " + shown(name) + " has an absolute name");
    if (has_parent_component(name)) {
      return refuse("zip entry " + shown(name) + " leads out of the archive");
    }
    if ((facts.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && facts.encryption_method != ZIP_EM_NONE) {
      return refuse("zip entry " + shown(name) + " is encrypted");
    }
    return count(facts.size);
  }

  Status unpack_entry(std::uint64_t index) {
    const std::string name = zip_get_name(zip_.get(), index, ZIP_FL_ENC_RAW);
    const std::unique_ptr<zip_file_t, ZipFileCloser> file(zip_fopen_index(zip_.get(), index, 0));
    if (file == nullptr) {
      return refuse("zip entry " + shown(name) + " cannot be read: " + zip_strerror(zip_.get()));
    }
    const bool link = is_link(index);
    std::string target;
    std::uint64_t size = 0;
    std::array<char, 64 * 1024> buffer;
    for (;;) {
      const zip_int64_t got = zip_fread(file.get(), buffer.data(), buffer.size());
      if (got < 0) {
        return refuse("zip entry " + shown(name) + " is damaged: " + zip_file_strerror(file.get()));
      }
      if (got == 0) break;
      size += static_cast<std::uint64_t>(got);
      if (Status status = count(static_cast<std::uint64_t>(got)); !status.ok()) return status;
      if (link) {
        target.append(buffer.data(), static_cast<std::size_t>(got));
        if (target.size() > kMaxLinkTarget) {
          return refuse("zip entry " + shown(name) + " is a link with an overlong target");
        }
      }
    }
    zip_stat_t facts;
    zip_stat_init(&facts);
    if (zip_stat_index(zip_.get(), index, ZIP_FL_ENC_RAW, &facts) != 0 || facts.size != size) {
      return refuse(
          fmt::format("zip entry {} is damaged: it unpacks to {} bytes, not to the {} declared",
                      shown(name), size, facts.size));
    }
    if (link && (is_absolute(target) || !stays_inside(name, target))) {
      return refuse("zip entry " + shown(name) + " is a link that leads out of the archive");
    }
    return {};
  }

  bool is_link(std::uint64_t index) const {
    constexpr std::uint32_t kFormatMask = 0170000;
    constexpr std::uint32_t kLink = 0120000;
    zip_uint8_t system = 0;
    zip_uint32_t attributes = 0;
    return zip_file_get_external_attributes(zip_.get(), index, 0, &system, &attributes) == 0 &&
           system == ZIP_OPSYS_UNIX && ((attributes >> 16) & kFormatMask) == kLink;
  }

  Status count(std::uint64_t bytes) {
    // Both at most 64 bits: no overflow may slip under the bound.
    if (bytes > bounds_.max_unpacked_bytes || unpacked_ + bytes > bounds_.max_unpacked_bytes) {
      return refuse(fmt::format("the zip archive unpacks to more than the {} bytes allowed",
                                bounds_.max_unpacked_bytes));
    }
    unpacked_ += bytes;
    if (unpacked_ > bounds_.ratio_from_bytes && unpacked_ / bounds_.max_ratio > bytes_.size()) {
      return refuse(
          fmt::format("the zip archive unpacks to more than {} times its size", bounds_.max_ratio));
    }
    return {};
  }

  const std::string_view bytes_;
  const ArchiveBounds& bounds_;
  std::unique_ptr<zip_t, ZipCloser> zip_;
  std::uint64_t unpacked_ = 0;
};

bool starts_like_zip(std::string_view bytes) {
  return bytes.starts_with("PK\x03\x04") || bytes.starts_with("PK\x05\x06");
}

// A program file for the kernel: ELF, or a script with its interpreter.
bool starts_like_program(std::string_view bytes) {
  return bytes.starts_with(
             "\x7f"
             "ELF") ||
         bytes.starts_with("#!");
}

bool may_be_program(std::string_view kind) {
  return kind == "blackbox" || kind == "native" || kind.starts_with("native:");
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kBlank = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

}  // namespace

Status check_code(const Exec& exec, bool claimed_binary, const ArchiveBounds& bounds) {
  if (exec.code.empty() || (!claimed_binary && !looks_binary(exec.code))) return {};
  const auto bytes = base64_decode(trim(exec.code));
  if (!bytes) return refuse("is given as binary but " + bytes.error().message());
  if (starts_like_zip(*bytes)) return ArchiveCheck(*bytes, bounds).run();
  if (!may_be_program(exec.kind)) {
    return refuse("is base64 but no zip archive: kind '" + exec.kind +
                  "' takes text or a base64 encoded zip archive");
  }
  if (exec.kind != "blackbox" && !starts_like_program(*bytes)) {
    return refuse("is base64 of neither a zip archive nor a program (ELF, or a script with #!)");
  }
  return {};
}

}  // namespace berth::entity
