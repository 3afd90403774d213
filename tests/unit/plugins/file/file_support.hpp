// SPDX-License-Identifier: Apache-2.0
// What the file store's tests share: a temporary directory and a store that is called and waited
// for.
#pragma once

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <stdlib.h>
#include <string>
#include <vector>

#include "fake_host.hpp"
#include "file_log_store.hpp"
#include "support/temporary_directory.hpp"

namespace berth::file {

using test::TemporaryDirectory;

// The id is a number in 32 hex digits.
inline std::string id_of(std::uint64_t number) {
  char text[33];
  std::snprintf(text, sizeof text, "%032llx", static_cast<unsigned long long>(number));
  return text;
}

inline std::string read_text(const std::filesystem::path& path) {
  std::ostringstream out;
  out << std::ifstream(path, std::ios::binary).rdbuf();
  return out.str();
}

inline std::vector<std::string> files_in(const std::filesystem::path& directory,
                                         const std::string& suffix) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    const std::string name = entry.path().filename().string();
    if (name.size() > suffix.size() && name.substr(name.size() - suffix.size()) == suffix) {
      names.push_back(name);
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Lines with the sequences from `first` on; texts come back as they are.
inline std::vector<sdk::LogLine> make_lines(const std::vector<std::string>& texts,
                                            std::uint64_t first = 0) {
  std::vector<sdk::LogLine> lines;
  for (const std::string& text : texts) {
    const std::uint64_t sequence = first + lines.size();
    lines.push_back({sequence % 2 == 0 ? sdk::Stream::kStdout : sdk::Stream::kStderr,
                     1'700'000'000'123'456'789 + static_cast<std::int64_t>(sequence), sequence,
                     text});
  }
  return lines;
}

class Store {
 public:
  explicit Store(const std::filesystem::path& directory, const std::string& config = "{}") {
    const std::string path = directory.string();
    store_ = std::make_unique<FileLogStore>(
        sdk::OpenArgs{sdk::Host(host_.get()), config, "test", path, path});
  }

  sdk::Status start() {
    return run<void>([&](auto done) { store_->start(std::move(done)); }).status;
  }
  std::uint64_t append_later(const std::string& id, const std::vector<sdk::LogLine>& lines,
                             bool final, const std::string& space = "guest") {
    std::vector<berth_log_line> wire;
    for (const sdk::LogLine& line : lines) {
      wire.push_back({static_cast<std::int32_t>(line.stream), 0, line.time_ns, line.sequence,
                      sdk::str(line.text)});
    }
    const berth_activation_ref ref = make_ref(id, space);
    std::uint64_t op = 0;
    auto done = host_.promise<void>(op);
    store_->append(sdk::ActivationRefView(ref), {wire.data(), wire.size()}, final, std::move(done));
    return op;
  }
  sdk::Status append(const std::string& id, const std::vector<sdk::LogLine>& lines,
                     bool final = true) {
    return host_.wait(append_later(id, lines, final)).status;
  }
  Answer fetch(const std::string& id, const std::string& cursor = "",
               std::uint64_t max_bytes = 1 << 20, const std::string& space = "guest") {
    const berth_activation_ref ref = make_ref(id, space);
    return run<sdk::LogPage>([&](auto done) {
      store_->fetch(sdk::ActivationRefView(ref), cursor, max_bytes, std::move(done));
    });
  }
  // All pages.
  Answer fetch_all(const std::string& id, std::uint64_t max_bytes = 1 << 20) {
    Answer all;
    std::string cursor;
    do {
      Answer page = fetch(id, cursor, max_bytes);
      if (!page.status.ok() || page.status.partial()) all.status = page.status;
      if (!page.status.ok()) return all;
      all.lines.insert(all.lines.end(), page.lines.begin(), page.lines.end());
      cursor = page.next_cursor;
    } while (!cursor.empty());
    return all;
  }
  sdk::Status drain() {
    return run<void>([&](auto done) { store_->drain(std::move(done)); }).status;
  }
  sdk::Status stop() {
    return run<void>([&](auto done) { store_->stop(std::move(done)); }).status;
  }
  Answer wait(std::uint64_t op) { return host_.wait(op); }
  FileLogStore& get() { return *store_; }
  FakeHost& host() { return host_; }

 private:
  static berth_activation_ref make_ref(const std::string& id, const std::string& space) {
    berth_activation_ref ref{};
    ref.struct_size = sizeof ref;
    ref.activation_id = sdk::str(id);
    ref.namespace_name = sdk::str(space);
    ref.namespace_id = sdk::str("23bc46b1-71f6-4ed5-8c54-816aa4f8c502");
    ref.action = sdk::str("guest/demo/hello");
    ref.container_id = sdk::str("c1");
    return ref;
  }
  template <typename T, typename Call>
  Answer run(Call&& call) {
    std::uint64_t op = 0;
    auto done = host_.promise<T>(op);
    call(std::move(done));
    return host_.wait(op);
  }

  FakeHost host_;
  std::unique_ptr<FileLogStore> store_;
};

inline std::vector<std::string> texts_of(const Answer& answer) {
  std::vector<std::string> texts;
  for (const sdk::LogLine& line : answer.lines) texts.push_back(line.text);
  return texts;
}

}  // namespace berth::file
