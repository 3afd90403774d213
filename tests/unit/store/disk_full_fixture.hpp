// SPDX-License-Identifier: Apache-2.0
// A store on a disk that a test can fill.
#pragma once

#include <cstdlib>
#include <fstream>
#include <sys/mount.h>

#include "store_fixture.hpp"

namespace berth::store {

// A file system of its own that is too small for its work.
class DiskFull : public StoreTest {
 protected:
  void SetUp() override {
    if (::mount("tmpfs", directory_.path().c_str(), "tmpfs", MS_NOSUID | MS_NODEV, "size=3m") ==
        0) {
      mounted_ = true;
      return;
    }
    if (std::getenv("BERTH_REQUIRE_ALL") != nullptr) FAIL() << "cannot mount a tmpfs";
    GTEST_SKIP() << "needs the right to mount a tmpfs";
  }
  void TearDown() override {
    store_.reset();
    if (mounted_) ::umount2(directory_.path().c_str(), MNT_DETACH);
  }
  std::filesystem::path ballast() const { return directory_.path() / "ballast"; }
  void fill() {
    std::ofstream out(ballast(), std::ios::binary);
    const std::string block(4096, 'x');
    while (out.write(block.data(), static_cast<std::streamsize>(block.size())).flush()) {
    }
  }

  bool mounted_ = false;
};

}  // namespace berth::store
