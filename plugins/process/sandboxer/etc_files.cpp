// SPDX-License-Identifier: Apache-2.0
// The generated /etc of the sandboxes: what name look-up, linking, time zones and TLS need, and
// nothing that tells about the host's users or services.
#include <cerrno>
#include <dirent.h>
#include <fcntl.h>
#include <string>
#include <sys/stat.h>
#include <unistd.h>
#include <vector>

#include "rootfs.hpp"
#include "sys.hpp"

namespace berth::process {
namespace {

struct TextFile {
  const char* name;
  const char* text;
};

constexpr TextFile kTexts[] = {
    {"passwd",
     "root:x:0:0:root:/:/usr/sbin/nologin\n"
     "berth:x:1000:1000:function:/tmp:/bin/sh\n"
     "nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n"},
    {"group", "root:x:0:\nberth:x:1000:\nnogroup:x:65534:\n"},
    {"hosts", "127.0.0.1 localhost sandbox\n::1 localhost ip6-localhost ip6-loopback\n"},
    {"hostname", "sandbox\n"},
    {"nsswitch.conf",
     "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n"
     "networks: files\nprotocols: files\nservices: files\n"},
    {"host.conf", "multi on\n"},
};

// Public files taken from the host where they exist. The bound keeps a mistake of the host's
// administrator from filling memory.
constexpr const char* kCopied[] = {
    "ld.so.cache", "ld.so.conf", "localtime",       "timezone",     "protocols",
    "services",    "mime.types", "ssl/openssl.cnf", "ssl/cert.pem", "pki/tls/cert.pem"};

// Directories of public files and links: certificates and Debian's alternatives.
constexpr const char* kCopiedDirectories[] = {"ssl/certs", "pki/tls/certs", "alternatives",
                                              "ld.so.conf.d"};
constexpr size_t kMaxEntries = 4096;

int make_directories(const std::string& root, const std::string& path) {
  for (size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = root + path.substr(0, at);
    if (::mkdir(part.c_str(), 0755) != 0 && errno != EEXIST) return errno;
    if (::chmod(part.c_str(), 0755) != 0) return errno;
    if (at == std::string::npos) return 0;
  }
}

int copy_file(const std::string& from, const std::string& to) {
  struct stat info {};
  if (::stat(from.c_str(), &info) != 0) return errno;
  // Only what every user of the host may read anyway.
  if (!S_ISREG(info.st_mode) || (info.st_mode & S_IROTH) == 0) return EACCES;
  int error = 0;
  const std::string text = sys::read_file_at(AT_FDCWD, from.c_str(), error);
  if (error != 0) return error;
  return sys::create_file_at(AT_FDCWD, to.c_str(), text, 0444);
}

int copy_link(const std::string& from, const std::string& to) {
  char target[4096];
  const ssize_t n = ::readlink(from.c_str(), target, sizeof(target) - 1);
  if (n < 0) return errno;
  target[n] = '\0';
  return ::symlink(target, to.c_str()) == 0 ? 0 : errno;
}

void copy_directory(const std::string& from, const std::string& to) {
  DIR* dir = ::opendir(from.c_str());
  if (dir == nullptr) return;
  size_t entries = 0;
  while (const dirent* entry = ::readdir(dir)) {
    if (entry->d_name[0] == '.' || ++entries > kMaxEntries) continue;
    const std::string source = from + "/" + entry->d_name;
    const std::string target = to + "/" + entry->d_name;
    struct stat info {};
    if (::lstat(source.c_str(), &info) != 0) continue;
    // A file that cannot be had leaves a gap, as on a host where it is not installed.
    if (S_ISLNK(info.st_mode)) {
      copy_link(source, target);
    } else if (S_ISREG(info.st_mode)) {
      copy_file(source, target);
    }
  }
  ::closedir(dir);
}

}  // namespace

sdk::Status write_etc(const std::string& root, Network network,
                      const std::vector<uint32_t>& servers) {
  const std::string etc = root + "/etc";
  if (int e = make_directories(root, "/etc"); e != 0) return from_errno("cannot create " + etc, e);
  for (const auto& file : kTexts) {
    const std::string path = etc + "/" + file.name;
    if (int e = sys::create_file_at(AT_FDCWD, path.c_str(), file.text, 0444); e != 0) {
      return from_errno("cannot write " + path, e);
    }
  }
  for (const char* directory : kCopiedDirectories) {
    struct stat info {};
    const std::string from = std::string("/etc/") + directory;
    if (::stat(from.c_str(), &info) != 0 || !S_ISDIR(info.st_mode)) continue;
    if (int e = make_directories(root, std::string("/etc/") + directory); e != 0) {
      return from_errno("cannot create " + etc + "/" + directory, e);
    }
    copy_directory(from, etc + "/" + directory);
  }
  for (const char* name : kCopied) {
    const std::string from = std::string("/etc/") + name;
    if (::access(from.c_str(), R_OK) != 0) continue;
    if (const size_t slash = std::string(name).rfind('/'); slash != std::string::npos) {
      make_directories(root, "/etc/" + std::string(name).substr(0, slash));
    }
    copy_file(from, etc + "/" + name);
  }
  const std::string resolver = etc + "/resolv.conf";
  // Without a network there is nobody to ask; an empty file makes look-ups fail at once instead of
  // after a time-out. With the host's network the host's resolver is the right one.
  if (network != Network::kHost || copy_file("/etc/resolv.conf", resolver) != 0) {
    std::string text = network == Network::kNat ? "" : "# no network\n";
    for (const uint32_t server : servers) text += "nameserver " + text_of(server) + "\n";
    if (int e = sys::create_file_at(AT_FDCWD, resolver.c_str(), text, 0444); e != 0) {
      return from_errno("cannot write " + resolver, e);
    }
  }
  return {};
}

}  // namespace berth::process
