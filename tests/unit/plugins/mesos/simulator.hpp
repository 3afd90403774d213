// SPDX-License-Identifier: Apache-2.0
// tests/mesos/simulator.py as a child: started, asked, and ended with the object.
#pragma once

#include <boost/json/value.hpp>
#include <string>
#include <vector>

namespace berth::testing {

class Simulator {
 public:
  // `options`: further words of its command line.
  explicit Simulator(const std::vector<std::string>& options = {});
  ~Simulator();
  Simulator(const Simulator&) = delete;
  Simulator& operator=(const Simulator&) = delete;

  const std::vector<std::string>& masters() const { return masters_; }
  // As a JSON array.
  std::string masters_json() const;

  // Does something to the cluster, {"do": ...}, and gives what it answers. Throws if it does not.
  boost::json::value control(const std::string& command) const;
  boost::json::value state() const { return control(R"({"do":"state"})"); }
  // Tasks in a state, e.g. "TASK_RUNNING"; "": all.
  std::size_t tasks(const std::string& state = "") const;

 private:
  int pid_ = -1;
  int input_ = -1;
  std::vector<std::string> masters_;
  std::string host_;
  std::string port_;
};

}  // namespace berth::testing
