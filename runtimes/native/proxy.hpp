// SPDX-License-Identifier: Apache-2.0
// What /init and /run do: unpacks the code, starts it, passes activations on. It answers as
// Apache's ActionLoop proxy does: statuses, texts, sentinels. Not thread-safe; one request at a
// time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "action.hpp"
#include "http.hpp"

namespace berth::native {

struct Reply {
  int status = 200;
  std::string body;
};

class Proxy {
 public:
  // `environment`: that of the container ("NAME=value"), which the program gets beside that of
  // /init.
  explicit Proxy(std::vector<std::string> environment) : environment_(std::move(environment)) {}

  Reply handle(const Request& request);
  Action& action() { return action_; }

 private:
  Reply init(std::string_view body);
  Reply load(std::string_view code, bool binary);
  Reply fail_init(std::string_view reply, std::string_view log);
  Reply run(std::string_view body);
  void apply_environment(std::string_view env);
  const char* environment_value(std::string_view name) const;
  void set_environment(std::string_view name, std::string_view value);

  std::vector<std::string> environment_;
  Action action_;
  bool initialized_ = false;
  bool has_action_ = false;
};

}  // namespace berth::native
