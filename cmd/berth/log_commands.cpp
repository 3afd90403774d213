// SPDX-License-Identifier: Apache-2.0
#include "log_commands.hpp"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <boost/json/array.hpp>
#include <boost/json/object.hpp>
#include <boost/json/serialize.hpp>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <fmt/format.h>
#include <regex.h>
#include <set>
#include <thread>
#include <utility>

#include "exit_code.hpp"
#include "http.hpp"
#include "output.hpp"
#include "session.hpp"

namespace berth::cli {
namespace {

namespace json = boost::json;
using std::chrono::milliseconds;

constexpr milliseconds kPollPause{2'000};
constexpr int kPage = 200;

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

void print(std::string_view line, bool strip) {
  // As it is: a line may have NUL in it.
  const std::string_view out = strip ? stripped(line) : line;
  std::fwrite(out.data(), 1, out.size(), stdout);
  std::putchar('\n');
  std::fflush(stdout);
}

struct Range {
  std::string action;
  std::int64_t since_ms = 0;
  std::int64_t upto_ms = -1;
};

// One page of whole records, newest first.
json::array records(const GlobalOptions& options, const Range& range, std::int64_t skip) {
  std::string path =
      fmt::format("/activations?docs=true&limit={}&skip={}&since={}", kPage, skip, range.since_ms);
  if (range.upto_ms >= 0) path += fmt::format("&upto={}", range.upto_ms);
  if (!range.action.empty()) path += "&name=" + encode_segment(range.action);
  return document(rest(options, "GET", path)).as_array();
}

bool has_record(const GlobalOptions& options, const std::string& id) {
  try {
    rest(options, "GET", "/activations/" + encode_segment(id));
    return true;
  } catch (const Exit& exit) {
    if (exit.code() == ExitCode::kNotFound) return false;
    throw;
  }
}

struct PollOptions {
  std::string action;
  double exit_s = 0;
  std::string since;
};

// Newest first. Records that come meanwhile move others to the next page, so `shown` decides.
json::array unseen(const GlobalOptions& options, const Range& range, std::set<std::string>& shown) {
  json::array fresh;
  for (std::int64_t skip = 0;; skip += kPage) {
    const json::array page = records(options, range, skip);
    bool any = false;
    for (const json::value& record : page) {
      if (!shown.insert(text_of(record, "activationId")).second) continue;
      any = true;
      fresh.push_back(record);
    }
    if (!any || page.size() < static_cast<std::size_t>(kPage)) return fresh;
  }
}

// As wsk does it: what has ended since the last look, with its logs.
void poll(const GlobalOptions& options, const PollOptions& wanted) {
  Range range;
  range.action = wanted.action;
  range.since_ms = wanted.since.empty() ? now_ms() : parse_when(wanted.since, now_ms());
  const std::int64_t end_ms =
      wanted.exit_s > 0 ? now_ms() + static_cast<std::int64_t>(wanted.exit_s * 1000) : INT64_MAX;
  if (!options.json) std::puts("Enter Ctrl-c to exit.\nPolling for activation logs");
  std::set<std::string> shown;
  for (;;) {
    const json::array fresh = unseen(options, range, shown);
    for (auto record = fresh.rbegin(); record != fresh.rend(); ++record) {
      if (options.json) {
        std::puts(json::serialize(*record).c_str());
      } else {
        fmt::print("\nActivation: '{}' ({})\n", printable(text_of(*record, "name")),
                   text_of(*record, "activationId"));
        std::fputs(pretty(record->at("logs")).c_str(), stdout);
      }
      // Those that began before and end later are still looked for.
      range.since_ms = std::max(range.since_ms, number_of(*record, "start") - 5 * 60'000);
    }
    std::fflush(stdout);
    const std::int64_t left = end_ms - now_ms();
    if (left <= 0) return;
    std::this_thread::sleep_for(std::min(kPollPause, milliseconds(left)));
  }
}

struct GrepOptions {
  std::string pattern;
  std::string action;
  std::string since = "1h";
  std::string upto;
  bool ignore_case = false;
  bool fixed = false;
  bool count = false;
};

// POSIX extended expressions, as grep -E has them. libc's matcher does not recurse per character,
// as std::regex does, and so is safe with lines of a megabyte.
class Pattern {
 public:
  explicit Pattern(const GrepOptions& wanted) {
    std::string pattern;
    for (const char c : wanted.pattern) {
      if (wanted.fixed && std::string_view(R"(^$\.*+?()[]{}|)").find(c) != std::string_view::npos) {
        pattern += '\\';
      }
      pattern += c;
    }
    const int flags = REG_EXTENDED | REG_NOSUB | (wanted.ignore_case ? REG_ICASE : 0);
    const int error = ::regcomp(&compiled_, pattern.c_str(), flags);
    if (error == 0) return;
    char why[200];
    ::regerror(error, &compiled_, why, sizeof(why));
    throw Exit(ExitCode::kUsage, "'" + wanted.pattern + "' is no regular expression (" + why +
                                     "); with -F it is taken as it is");
  }
  ~Pattern() { ::regfree(&compiled_); }
  Pattern(const Pattern&) = delete;
  Pattern& operator=(const Pattern&) = delete;

  bool matches(std::string_view text) const {
    // The extent is given: a line may have NUL in it.
    regmatch_t extent{0, static_cast<regoff_t>(text.size())};
    return ::regexec(&compiled_, text.data(), 1, &extent, REG_STARTEND) == 0;
  }

 private:
  regex_t compiled_{};
};

void grep(const GlobalOptions& options, const GrepOptions& wanted) {
  const Pattern pattern(wanted);
  Range range;
  range.action = wanted.action;
  range.since_ms = parse_when(wanted.since, now_ms());
  range.upto_ms = wanted.upto.empty() ? now_ms() : parse_when(wanted.upto, now_ms());
  std::int64_t found = 0;
  for (std::int64_t skip = 0;; skip += kPage) {
    const json::array page = records(options, range, skip);
    for (const json::value& record : page) {
      const std::string id = text_of(record, "activationId");
      for (const json::value& value : record.at("logs").as_array()) {
        const std::string line(value.as_string());
        if (!pattern.matches(stripped(line))) continue;
        ++found;
        if (wanted.count) continue;
        if (options.json) {
          const json::object match = {
              {"activationId", id}, {"name", text_of(record, "name")}, {"log", line}};
          std::puts(json::serialize(match).c_str());
        } else {
          fmt::print("{} {}: {}\n", id, printable(text_of(record, "name")), line);
        }
      }
    }
    if (page.size() < static_cast<std::size_t>(kPage)) break;
  }
  if (wanted.count) fmt::print("{}\n", found);
  if (found == 0) throw Exit(ExitCode::kNotFound, "nothing found");
}

}  // namespace

std::string_view stripped(std::string_view line) {
  for (const std::string_view stream : {" stdout: ", " stderr: "}) {
    // The time is at most 30 characters wide, so a stream's name further on belongs to the text.
    const std::size_t at = line.find(stream);
    if (at != std::string_view::npos && at <= 30) return line.substr(at + stream.size());
  }
  return line;
}

std::int64_t parse_when(const std::string& text, std::int64_t now_ms) {
  std::int64_t number = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, number);
  if (error == std::errc() && number >= 0) {
    if (stop == end) return number;
    if (stop + 1 == end) {
      switch (*stop) {
        case 's': return now_ms - number * 1'000;
        case 'm': return now_ms - number * 60'000;
        case 'h': return now_ms - number * 3'600'000;
        case 'd': return now_ms - number * 86'400'000;
        default: break;
      }
    }
  }
  std::tm parts{};
  for (const char* format : {"%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M",
                             "%Y-%m-%d %H:%M:%S", "%Y-%m-%d"}) {
    parts = {};
    const char* const rest = ::strptime(text.c_str(), format, &parts);
    if (rest != nullptr && *rest == '\0') {
      return static_cast<std::int64_t>(::timegm(&parts)) * 1'000;
    }
  }
  throw Exit(ExitCode::kUsage,
             "'" + text +
                 "' is no time: give 15m, 2h, 7d, 2026-01-02T03:04:05Z (UTC), or ms since "
                 "the epoch");
}

void follow_logs(const GlobalOptions& options, const std::string& id, bool strip) {
  const std::string path = "/activations/" + encode_segment(id) + "/logs";
  std::string cursor;
  bool ended = false;
  bool told = false;
  for (;;) {
    json::value part;
    try {
      part = document(rest(options, "GET", path + "?follow=true&cursor=" + encode_segment(cursor)));
    } catch (const Exit& exit) {
      if (exit.code() != ExitCode::kServerError) throw;
      // The store cannot follow: the lines are there when the record is.
      const json::value whole = document(rest(options, "GET", path));
      for (const json::value& line : whole.at("logs").as_array()) {
        print(line.as_string(), strip);
      }
      return;
    }
    if (options.json) {
      std::puts(json::serialize(part).c_str());
    } else {
      for (const json::value& line : part.at("logs").as_array()) print(line.as_string(), strip);
    }
    if (part.at("cursor").is_null()) return;
    cursor = text_of(part, "cursor");
    if (!part.at("logs").as_array().empty()) continue;
    // It prints nothing, does not exist, or has ended and its logs are gone.
    if (ended) return;
    ended = has_record(options, id);
    if (!ended && !std::exchange(told, true)) {
      std::fprintf(stderr, "waiting for lines of %s (Ctrl-C to end)\n", id.c_str());
    }
  }
}

void add_log_commands(CLI::App& group, const std::shared_ptr<GlobalOptions>& options) {
  CLI::App* poll_command = group.add_subcommand("poll", "show the logs of what ends from now on");
  const auto polled = std::make_shared<PollOptions>();
  poll_command->add_option("action", polled->action, "only of this action")->type_name("ACTION");
  poll_command->add_option("-e,--exit", polled->exit_s, "end after so many seconds");
  poll_command->add_option("--since", polled->since, "from then on: 15m, 2h, 7d, a time, or ms");
  poll_command->callback([options, polled] { poll(*options, *polled); });

  CLI::App* grep_command =
      group.add_subcommand("grep", "search the logs of activations for a regular expression");
  const auto wanted = std::make_shared<GrepOptions>();
  grep_command->add_option("pattern", wanted->pattern, "what to look for in a line")->required();
  grep_command->add_option("action", wanted->action, "only of this action")->type_name("ACTION");
  grep_command
      ->add_option("--since", wanted->since, "started then or later: 15m, 2h, 7d, a time, ms")
      ->capture_default_str();
  grep_command->add_option("--upto", wanted->upto, "started then or earlier; default: now");
  grep_command->add_flag("-i,--ignore-case", wanted->ignore_case, "upper and lower case alike");
  grep_command->add_flag("-F,--fixed", wanted->fixed, "the pattern is text, no expression");
  grep_command->add_flag("-c,--count", wanted->count, "only how many lines");
  grep_command->callback([options, wanted] { grep(*options, *wanted); });
}

}  // namespace berth::cli
