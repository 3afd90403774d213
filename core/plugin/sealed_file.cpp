// SPDX-License-Identifier: Apache-2.0
#include "plugin/sealed_file.hpp"

#include <array>
#include <cerrno>
#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/sha.h>
#include <sys/mman.h>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/files.hpp"

// Since Linux 6.3; Debian 12's headers may be older than its kernel.
#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U
#endif

namespace berth::plugin {
namespace {

// Not executable as a program (mapping code from it is another matter): kernels with
// vm.memfd_noexec=2 insist, older ones do not know the flag.
UniqueFd make_memfd(const std::string& name) {
  int fd = memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
  if (fd < 0 && errno == EINVAL) fd = memfd_create(name.c_str(), MFD_CLOEXEC | MFD_ALLOW_SEALING);
  return UniqueFd(fd);
}

Status copy_failed(const char* what) {
  return sdk::internal(
      fmt::format("cannot copy the plugin into memory: {}: {}", what, errno_text(errno)));
}

}  // namespace

Result<SealedFile> SealedFile::copy(int fd, const std::string& name, std::uint64_t max_bytes) {
  SealedFile file;
  file.fd_ = make_memfd(name);
  if (!file.fd_) return copy_failed("memfd_create");
  std::vector<char> buffer(256 * 1024);
  std::uint64_t size = 0;
  for (;;) {
    const ssize_t got = read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return copy_failed("read");
    if (got == 0) break;
    size += static_cast<std::uint64_t>(got);
    if (size > max_bytes) {
      return Status(StatusCode::kResourceExhausted,
                    fmt::format("it is longer than {} bytes", max_bytes));
    }
    for (ssize_t done = 0; done < got;) {
      const ssize_t put =
          write(file.fd_.get(), buffer.data() + done, static_cast<std::size_t>(got - done));
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return copy_failed("write");
      done += put;
    }
  }
  constexpr int kSeals = F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL;
  if (fcntl(file.fd_.get(), F_ADD_SEALS, kSeals) != 0) return copy_failed("sealing");
  if (size > 0) {
    void* mapped = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.fd_.get(), 0);
    if (mapped == MAP_FAILED) return copy_failed("mmap");
    file.bytes_ = {static_cast<const std::byte*>(mapped), size};
  }
  std::array<unsigned char, SHA256_DIGEST_LENGTH> digest{};
  SHA256(reinterpret_cast<const unsigned char*>(file.bytes_.data()), size, digest.data());
  for (const unsigned char byte : digest) file.sha256_ += fmt::format("{:02x}", byte);
  return file;
}

SealedFile::~SealedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

SealedFile::SealedFile(SealedFile&& other) noexcept
    : fd_(std::move(other.fd_)),
      bytes_(std::exchange(other.bytes_, {})),
      sha256_(std::move(other.sha256_)) {}

SealedFile& SealedFile::operator=(SealedFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(bytes_, other.bytes_);
  std::swap(sha256_, other.sha256_);
  return *this;
}

std::string SealedFile::path() const {
  return fmt::format("/proc/self/fd/{}", fd_.get());
}

}  // namespace berth::plugin
