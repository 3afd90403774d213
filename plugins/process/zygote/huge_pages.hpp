// SPDX-License-Identifier: Apache-2.0
// A fork copies the page table of all its parent has: some 77 us for each MB in pages of 4 KB, next
// to nothing in pages of 2 MB. What a zygote has when it is ready never shrinks again, so its heap
// is put into huge pages once. A child that writes splits the page it writes to, and copies 4 KB.
#pragma once

#include <cstddef>

namespace berth::process {

// Puts the calling process' private anonymous memory into huge pages where at least half of each is
// in use. Bytes that are in huge pages now; 0 where the kernel has none (before Linux 6.1, or
// transparent_hugepage is "never"). Blocks while pages are copied: milliseconds. No other thread
// may map or unmap memory meanwhile.
std::size_t collapse_heap();

}  // namespace berth::process
