// SPDX-License-Identifier: Apache-2.0
#include "proxy.hpp"

#include <array>
#include <cstdint>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "archive.hpp"
#include "json.hpp"

namespace berth::native {
namespace {

constexpr std::string_view kSentinel = "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX\n";
constexpr std::string_view kNoBinary =
    "The action failed to generate or locate a binary. See logs for details.";
constexpr std::string_view kNoStart = "Cannot start action. Check logs for details.";
constexpr std::string_view kNoCollection = "The action did not return a dictionary or array.";

Reply error_reply(int status, std::string_view message) {
  return {status, "{\"error\":" + quote(message) + "}\n"};
}

Reply unmarshal_error(std::string_view message) {
  return error_reply(400, std::string("Error unmarshaling request: ").append(message));
}

void log_line(std::string_view message) {
  send_all(STDERR_FILENO, std::string(message) + "\n");
}

// The line a Go program logs: Apache's proxy is one.
void log_with_time(std::string_view message) {
  const time_t now = time(nullptr);
  tm parts{};
  char stamp[32];
  const size_t length =
      strftime(stamp, sizeof stamp, "%Y/%m/%d %H:%M:%S ", localtime_r(&now, &parts));
  log_line(std::string(stamp, length).append(message));
}

void end_of_activation() {
  send_all(STDOUT_FILENO, kSentinel);
  send_all(STDERR_FILENO, kSentinel);
}

constexpr std::array<int8_t, 256> kBase64Digits = [] {
  std::array<int8_t, 256> digits{};
  digits.fill(-1);
  constexpr std::string_view kAlphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (size_t i = 0; i < kAlphabet.size(); ++i)
    digits[static_cast<uint8_t>(kAlphabet[i])] = static_cast<int8_t>(i);
  return digits;
}();

// Standard base64 with its padding, line ends ignored. On failure `bad_at` is where it stopped.
bool decode_base64(std::string_view text, std::string& out, size_t& bad_at) {
  out.resize(text.size() / 4 * 3 + 3);
  char* to = out.data();
  uint32_t bits = 0;
  int count = 0;
  int padding = 0;
  const auto digit_at = [text](size_t i) {
    return int{kBase64Digits[static_cast<uint8_t>(text[i])]};
  };
  for (bad_at = 0; bad_at < text.size(); ++bad_at) {
    // Whole groups first: an executable is megabytes of them.
    while (count == 0 && padding == 0 && bad_at + 4 <= text.size()) {
      const int group = digit_at(bad_at) << 18 | digit_at(bad_at + 1) << 12 |
                        digit_at(bad_at + 2) << 6 | digit_at(bad_at + 3);
      if (group < 0) break;
      *to++ = static_cast<char>(group >> 16);
      *to++ = static_cast<char>(group >> 8);
      *to++ = static_cast<char>(group);
      bad_at += 4;
    }
    if (bad_at == text.size()) break;
    const char c = text[bad_at];
    if (c == '\r' || c == '\n') continue;
    int digit = digit_at(bad_at);
    if (c == '=' && count >= 2) {
      ++padding;
      digit = 0;
    } else if (digit < 0 || padding > 0) {
      return false;
    }
    bits = bits << 6 | static_cast<uint32_t>(digit);
    if (++count < 4) continue;
    for (int byte = 2; byte >= padding; --byte) *to++ = static_cast<char>(bits >> (8 * byte));
    bits = 0;
    count = 0;
  }
  out.resize(static_cast<size_t>(to - out.data()));
  return count == 0;
}

bool write_program(const std::string& path, std::string_view content, std::string& error) {
  const int fd = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0755);
  if (fd >= 0) {
    const bool written = send_all(fd, content);
    if (close(fd) == 0 && written) return true;
  }
  error = "cannot write the action: ";
  error += strerror(errno);
  return false;
}

bool is_string(std::string_view raw) {
  return raw.front() == '"';
}
bool is_null(std::string_view raw) {
  return raw == "null";
}

// A result is passed on when it is an object, an array or null.
bool is_collection(std::string_view answer) {
  std::string error;
  if (!validate(answer, error)) return false;
  const std::string_view value = trim(answer);
  return value.front() == '{' || value.front() == '[' || is_null(value);
}

}  // namespace

Reply Proxy::handle(const Request& request) {
  if (request.path == "/run") return run(request.body);
  if (request.path == "/init") return init(request.body);
  return {};
}

Reply Proxy::init(std::string_view body) {
  if (initialized_) {
    constexpr std::string_view kAgain = "Cannot initialize the action more than once.";
    log_with_time(kAgain);
    return error_reply(403, kAgain);
  }
  std::string error;
  if (!validate(body, error)) return unmarshal_error(error);
  std::string_view code = "null";
  std::string_view binary = "false";
  std::string_view env = "null";
  for_each_member(find_member(body, "value").value_or("{}"),
                  [&](std::string_view name, std::string_view raw) {
                    if (name == "\"code\"") code = raw;
                    if (name == "\"binary\"") binary = raw;
                    if (name == "\"env\"") env = raw;
                  });
  const bool binary_known = binary == "true" || binary == "false" || is_null(binary);
  if (!is_string(code) && !is_null(code)) {
    return unmarshal_error("json: cannot unmarshal field value.code, which is not of type string");
  }
  if (!binary_known)
    return unmarshal_error("json: cannot unmarshal field value.binary, which is not of type bool");
  if (env.front() != '{' && !is_null(env)) {
    return unmarshal_error("json: cannot unmarshal field value.env, which is not of type map");
  }
  if (is_null(code) || code == "\"\"") return error_reply(403, "Missing main/no code to execute.");
  apply_environment(env);
  return load(code, binary == "true");
}

// `code` is a raw JSON string.
Reply Proxy::load(std::string_view code, bool binary) {
  // Base64 rarely holds escapes; large codes are not copied only to find none.
  const bool plain = binary && code.find('\\') == std::string_view::npos;
  std::string content = plain ? std::string() : unescape(code);
  if (binary) {
    std::string decoded;
    size_t bad_at = 0;
    if (!decode_base64(plain ? code.substr(1, code.size() - 2) : content, decoded, bad_at)) {
      return error_reply(400, "cannot decode the request: illegal base64 data at input byte " +
                                  std::to_string(bad_at));
    }
    content.swap(decoded);
  }
  const char* base = environment_value("TMPDIR");
  std::string directory =
      std::string(base != nullptr && *base != '\0' ? base : "/tmp") + "/berth-action-XXXXXX";
  if (mkdtemp(directory.data()) == nullptr) {
    directory = "./berth-action-XXXXXX";
    if (mkdtemp(directory.data()) == nullptr) {
      return fail_init(kNoBinary,
                       std::string("cannot make a directory for the action: ") + strerror(errno));
    }
  }
  if (char* absolute = realpath(directory.c_str(), nullptr)) {
    directory = absolute;
    free(absolute);
  }
  const std::string program = directory + "/exec";
  std::string error;
  const bool unpacked = is_zip(content) ? extract_zip(content, directory, error)
                                        : write_program(program, content, error);
  if (!unpacked) return fail_init(kNoBinary, error);
  struct stat status {};
  if (stat(program.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) {
    return fail_init(kNoBinary, "Zip file does not include exec");
  }
  chmod(program.c_str(), 0755);
  if (!action_.start(program, directory, environment_, error)) return fail_init(kNoStart, error);
  if (environment_value("__OW_WAIT_FOR_ACK") != nullptr && !action_.wait_for_ack(error)) {
    return fail_init(kNoStart, error);
  }
  initialized_ = true;
  has_action_ = true;
  return {200, "{\"ok\":true}\n"};
}

Reply Proxy::fail_init(std::string_view reply, std::string_view log) {
  log_line(log);
  end_of_activation();
  return error_reply(502, reply);
}

Reply Proxy::run(std::string_view body) {
  if (!has_action_) return error_reply(500, "no action defined yet");
  std::string line;
  line.reserve(body.size());
  for (const char c : body) {
    if (c != '\n') line += c;
  }
  const bool was_running = action_.running();
  std::string answer;
  const bool answered = was_running && action_.interact(line, answer);
  end_of_activation();
  if (!answered) {
    has_action_ = false;
    return error_reply(was_running ? 400 : 500, "command exited");
  }
  if (!is_collection(answer)) return error_reply(502, kNoCollection);
  return {200, std::move(answer)};
}

void Proxy::apply_environment(std::string_view env) {
  // Apache's images ask for the acknowledgement with a variable of the container.
  if (const char* ack = environment_value("OW_WAIT_FOR_ACK"); ack != nullptr && *ack != '\0') {
    set_environment("__OW_WAIT_FOR_ACK", ack);
  }
  for_each_member(env, [this](std::string_view raw_name, std::string_view raw_value) {
    const std::string name = unescape(raw_name);
    const std::string value = is_string(raw_value) ? unescape(raw_value) : compact(raw_value);
    const bool storable = !name.empty() &&
                          name.find_first_of(std::string_view("=\0", 2)) == std::string::npos &&
                          value.find('\0') == std::string::npos;
    if (storable) set_environment(name, value);
  });
}

const char* Proxy::environment_value(std::string_view name) const {
  for (const std::string& pair : environment_) {
    if (pair.size() > name.size() && pair[name.size()] == '=' &&
        pair.compare(0, name.size(), name) == 0) {
      return pair.c_str() + name.size() + 1;
    }
  }
  return nullptr;
}

void Proxy::set_environment(std::string_view name, std::string_view value) {
  std::string pair = std::string(name).append("=").append(value);
  for (std::string& old : environment_) {
    if (old.compare(0, name.size() + 1, pair, 0, name.size() + 1) == 0) {
      old = std::move(pair);
      return;
    }
  }
  environment_.push_back(std::move(pair));
}

}  // namespace berth::native
