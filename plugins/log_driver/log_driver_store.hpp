// SPDX-License-Identifier: Apache-2.0
// The LogStore that keeps nothing: it tells the engine which log driver a container's output goes
// to, and people where they find it. Thread-safe.
#pragma once

#include "berth/sdk/host.hpp"
#include "berth/sdk/log_store.hpp"
#include "settings.hpp"

namespace berth::log_driver {

class LogDriverStore final : public sdk::LogStore {
 public:
  explicit LogDriverStore(const sdk::OpenArgs& args);

  // ("log-driver", NAME), then ("log-opt", "KEY=VALUE") for each option.
  void container_parameters(sdk::Promise<sdk::Pairs> done) override;
  void append(const sdk::ActivationRefView& activation, sdk::LogLinesView lines, bool final,
              sdk::Promise<void> done) override;
  // Always UNIMPLEMENTED; the message says where the logs are.
  void fetch(const sdk::ActivationRefView& activation, std::string_view cursor,
             std::uint64_t max_bytes, sdk::Promise<sdk::LogPage> done) override;

 private:
  const Settings settings_;
};

}  // namespace berth::log_driver
