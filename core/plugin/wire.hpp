// SPDX-License-Identifier: Apache-2.0
// The boundary's C structs to the core's types and back. What a plugin hands in is checked as far
// as memory allows (sizes, null pointers, unknown codes); a malformed result is INTERNAL.
// Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "berth/plugin/container_factory.h"
#include "berth/plugin/container_optional.h"
#include "berth/plugin/log_store.h"
#include "plugin/call_kind.hpp"
#include "plugin/container_factory.hpp"
#include "plugin/log_store.hpp"

namespace berth::plugin {

inline std::string_view to_view(berth_str text) {
  return text.len == 0 || text.data == nullptr ? std::string_view()
                                               : std::string_view(text.data, text.len);
}
inline berth_str to_wire(std::string_view text) {
  return {text.data(), text.size()};
}

// Borrows from `pairs`.
class WirePairs {
 public:
  explicit WirePairs(const Pairs& pairs);
  berth_pairs get() const { return {array_.data(), array_.size()}; }

 private:
  std::vector<berth_pair> array_;
};

// A null `status` is OK. An unknown code is UNKNOWN; a message is cut at 4 KiB.
Status read_status(const berth_status* status);

// What an answer says, by the type of the result. An OK without the result that the call promises
// is INTERNAL. Buffers that are handed over are released.
template <typename T>
Result<T> read_answer(const berth_status* status, const void* result);
template <>
Result<void> read_answer(const berth_status*, const void*);
template <>
Result<ContainerInfo> read_answer(const berth_status*, const void*);
// One page and the cursor of the next.
struct ContainerPage {
  std::vector<ContainerInfo> containers;
  std::string next_cursor;
};
template <>
Result<ContainerPage> read_answer(const berth_status*, const void*);
template <>
Result<LogBatch> read_answer(const berth_status*, const void*);
template <>
Result<Capacity> read_answer(const berth_status*, const void*);
template <>
Result<ContainerStats> read_answer(const berth_status*, const void*);
template <>
Result<Pairs> read_answer(const berth_status*, const void*);
template <>
Result<LogPage> read_answer(const berth_status*, const void*);

// Releases what an answer that nobody waits for hands over.
void release_result(CallKind kind, const void* result) noexcept;

ContainerDied read_died(const berth_container_died& event);

}  // namespace berth::plugin
