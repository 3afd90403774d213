// SPDX-License-Identifier: Apache-2.0
// Messages the parser must take and refuse; shared by its table tests and the comparison with
// Beast.
#pragma once

#include <string>
#include <vector>

namespace berth::http::testing {

struct Sample {
  std::string name;
  std::string bytes;
  int status = 0;    // 0: accepted; else the status of the refusal
  std::string body;  // of the accepted message
  std::string rest;  // behind it
};

const std::vector<Sample>& request_samples();
const std::vector<Sample>& response_samples();

}  // namespace berth::http::testing
