// SPDX-License-Identifier: Apache-2.0
// The ledger: what each container holds, kept where the next berthd finds it.
//
// A container outlives berthd, also one that was killed. To go on using it, the next berthd must
// know whose code it holds and whether it was at rest: in a container that was at work when berthd
// ended, nobody knows what still runs. Asking a database twice an activation would cost more than
// the activation; so the ledger is a file mapped into memory. Writing there is a store to memory
// and survives the end of the process, whatever ended it. It need not survive the machine: the
// containers do not either.
//
// The file is a header and then slots of 1 KiB. A slot is taken by writing its text first and its
// state last, so one that was cut short by a kill is a free one.
//
// Thread-safe. Only one process uses a ledger at a time (the lock of the data directory).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "base/result.hpp"

namespace berth::container {

// What must be known to use a container again.
struct LedgerEntry {
  std::string id;  // the factory's
  std::string kind;
  std::string image;
  bool user_provided = false;
  std::uint64_t memory_bytes = 0;
  std::uint32_t concurrency = 1;
  std::uint64_t settings = 0;  // digest of what else it was created with
  // Whose code it holds; all empty: nobody's, it is prewarmed.
  std::string namespace_uuid;
  std::string namespace_name;
  std::string action_namespace;
  std::string package;
  std::string action;
  std::uint64_t revision = 0;

  bool prewarmed() const { return action.empty(); }
};

class Ledger {
 public:
  using Slot = std::uint32_t;
  static constexpr Slot kNoSlot = ~Slot{0};

  // What an earlier berthd left.
  struct Left {
    Slot slot = kNoSlot;
    bool busy = false;
    LedgerEntry entry;
  };

  // Opens or makes the file (mode 0600) and reads it. One of another format is emptied. Errors name
  // the path.
  static Result<std::unique_ptr<Ledger>> open(const std::filesystem::path& path);
  ~Ledger();
  Ledger(const Ledger&) = delete;
  Ledger& operator=(const Ledger&) = delete;

  // Hands out what was found at open; later calls give nothing. The slots stay taken.
  std::vector<Left> take_left();

  // Notes a container; `slot` is its old one, or kNoSlot. kNoSlot is also the result if the entry
  // is too long or the disk is full: the next berthd will then not adopt this container.
  Slot write(Slot slot, const LedgerEntry& entry, bool busy);
  // Two memory accesses; kNoSlot is fine.
  void set_busy(Slot slot, bool busy);
  // The container is gone, or of no use to a later berthd; kNoSlot is fine.
  void remove(Slot slot);

 private:
  Ledger() = default;
  bool grow();
  std::byte* at(Slot slot) const;
  void scan();

  int fd_ = -1;
  mutable std::mutex mutex_;        // all but set_busy
  std::vector<std::byte*> chunks_;  // reserved once: set_busy reads it without the lock
  std::vector<Slot> free_;
  std::vector<Left> left_;
};

}  // namespace berth::container
