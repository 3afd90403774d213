// SPDX-License-Identifier: Apache-2.0
// Other limits for a living sandbox, and what one uses.
#include "sandboxes.hpp"

namespace berth::process {

sdk::Status Sandboxes::resize(const ResizeRequest& request) {
  Sandbox* sandbox = find(request.id);
  if (sandbox == nullptr) return sdk::not_found("no sandbox " + request.id);
  if (sandbox->shell == nullptr || sandbox->killed) {
    return sdk::failed_precondition("sandbox " + request.id + " has ended");
  }
  if (request.memory_bytes < kMinMemory) {
    return sdk::invalid_argument("memory must be at least 4 MiB");
  }
  Shell& shell = *sandbox->shell;
  // The kernel would make room by killing.
  const int64_t used = cgroups_.usage(shell.group).memory_bytes;
  if (used > 0 && request.memory_bytes < static_cast<uint64_t>(used)) {
    return sdk::failed_precondition("sandbox " + request.id + " uses " + std::to_string(used) +
                                    " bytes, more than it would be given");
  }
  const CgroupLimits limits{request.memory_bytes, request.cpu_shares, request.cpu_quota_millis,
                            sandbox->pids};
  const sdk::Status status = cgroups_.set_limits(shell.group, limits, shell.applied);
  if (!status.ok()) return status;
  sandbox->request.memory_bytes = request.memory_bytes;
  sandbox->request.cpu_shares = request.cpu_shares;
  sandbox->request.cpu_quota_millis = request.cpu_quota_millis;
  return {};
}

sdk::Status Sandboxes::usage(const std::string& id, UsageReply& usage) const {
  const Sandbox* sandbox = find(id);
  if (sandbox == nullptr || sandbox->shell == nullptr) {
    return sdk::not_found("no living sandbox " + id);
  }
  usage = cgroups_.usage(sandbox->shell->group);
  if (enforcement_.memory && sandbox->request.memory_bytes != 0) {
    usage.memory_limit_bytes = static_cast<int64_t>(sandbox->request.memory_bytes);
  }
  return {};
}

}  // namespace berth::process
