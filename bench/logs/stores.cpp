// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <cstring>
#include <filesystem>
#include <functional>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/ids.hpp"
#include "measure.hpp"
#include "opened.hpp"

namespace berth::bench {
namespace {

namespace asio = boost::asio;

constexpr double kMega = 1e6;
constexpr std::size_t kLinesOfAppend = 200;  // about 20 KB
constexpr int kAppendsAtOnce = 32;

plugin::ActivationRef activation_of(std::string id) {
  return {std::move(id),
          "guest",
          "23bc46b1-71f6-4ed5-8c54-816aa4f8c502",
          "guest/demo/hello",
          "c1",
          1,
          2};
}

double megabytes(const std::vector<std::string>& lines) {
  std::size_t bytes = 0;
  for (const std::string& line : lines) bytes += line.size() + 1;
  return static_cast<double>(bytes) / kMega;
}

// Calls of one store from one thread, and what they cost.
class Driver {
 public:
  // Called when an activation is answered for: its id and its text's bytes.
  using Answered = std::function<void(const std::string& id, std::size_t bytes)>;

  explicit Driver(plugin::LogStore& store) : store_(store) { step(store_.start(later())); }

  // All lines, kLinesOfAppend an activation, kAppendsAtOnce at a time; then drains.
  Rate append_all(const std::vector<std::string>& lines, const Answered& answered) {
    return timed(lines, [&] {
      next_ = 0;
      many([&] { return append_some(lines, answered); });
      step(store_.drain(later()));
    });
  }
  Rate fetch_all(const std::vector<std::string>& lines, const std::vector<std::string>& ids) {
    return timed(lines, [&] {
      next_ = 0;
      fetched_ = 0;
      many([&] { return fetch_some(ids); });
      if (static_cast<double>(fetched_) / kMega != megabytes(lines)) {
        throw std::runtime_error("the store does not give back what it took");
      }
    });
  }
  // Bytes of text of one activation; 0 if the store knows nothing of it.
  std::size_t fetch(const std::string& id) {
    fetched_ = 0;
    next_ = 0;
    const std::vector<std::string> ids = {id};
    asio::co_spawn(io_, fetch_some(ids), rethrow);
    run();
    return fetched_;
  }
  void stop() { step(store_.stop(later())); }

 private:
  static void rethrow(const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  }
  void run() {
    io_.run();
    io_.restart();
  }
  void step(plugin::Awaitable<void> what) {
    asio::co_spawn(io_, std::move(what), [](const std::exception_ptr& error, Result<void> result) {
      rethrow(error);
      must(result);
    });
    run();
  }
  template <typename Work>
  void many(Work work) {
    for (int i = 0; i < kAppendsAtOnce; ++i) asio::co_spawn(io_, work(), rethrow);
    run();
  }
  template <typename Work>
  static Rate timed(const std::vector<std::string>& lines, Work work) {
    const double wall = wall_seconds();
    const double cpu = cpu_seconds();
    work();
    return {megabytes(lines) / (wall_seconds() - wall), megabytes(lines) / (cpu_seconds() - cpu)};
  }

  asio::awaitable<void> append_some(const std::vector<std::string>& lines,
                                    const Answered& answered) {
    while (next_ < lines.size()) {
      const std::size_t begin = next_;
      const std::size_t end = std::min(lines.size(), begin + kLinesOfAppend);
      next_ = end;
      std::vector<plugin::LogLine> part;
      part.reserve(end - begin);
      std::size_t bytes = 0;
      for (std::size_t i = begin; i < end; ++i) {
        part.push_back({plugin::Stream::kStdout,
                        1'767'323'045'000'000'000 + static_cast<std::int64_t>(i), i - begin,
                        lines[i]});
        bytes += lines[i].size() + 1;
      }
      const std::string id = new_activation_id();
      must(co_await store_.append(activation_of(id), std::move(part), true, later()));
      if (answered) answered(id, bytes);
    }
  }
  asio::awaitable<void> fetch_some(const std::vector<std::string>& ids) {
    while (next_ < ids.size()) {
      const std::string& id = ids[next_++];
      std::string cursor;
      do {
        const auto page = co_await store_.fetch(activation_of(id), cursor, 1 << 20, later());
        if (!page && page.error().code() == StatusCode::kNotFound) break;
        if (!page) throw std::runtime_error(page.error().to_string());
        for (const auto& line : page->lines) fetched_ += line.text.size() + 1;
        cursor = page->next_cursor;
      } while (!cursor.empty());
    }
  }

  plugin::LogStore& store_;
  asio::io_context io_;
  std::size_t next_ = 0;
  std::size_t fetched_ = 0;
};

asio::awaitable<void> follow_lines(plugin::LogStore& store, plugin::ActivationRef activation,
                                   std::vector<double>& lags) {
  std::string cursor;
  do {
    const auto page = co_await store.follow(activation, cursor, 1 << 20, later());
    if (!page) throw std::runtime_error(page.error().to_string());
    const double now = wall_seconds();
    for (const auto& line : page->lines) {
      lags.push_back((now - static_cast<double>(line.time_ns) / 1e9) * 1e3);
    }
    cursor = page->next_cursor;
  } while (!cursor.empty());
}

asio::awaitable<void> append_slowly(plugin::LogStore& store, plugin::ActivationRef activation,
                                    int lines) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  for (int i = 0; i < lines; ++i) {
    std::vector<plugin::LogLine> part;
    part.push_back({plugin::Stream::kStdout, static_cast<std::int64_t>(wall_seconds() * 1e9),
                    static_cast<std::uint64_t>(i), "line " + std::to_string(i)});
    must(co_await store.append(activation, std::move(part), i + 1 == lines, later()));
    timer.expires_after(std::chrono::milliseconds(1));
    co_await timer.async_wait(asio::use_awaitable);
  }
}

constexpr const char* kKeepAll = R"({"max_files":0})";

// An activation that was answered for, as the child tells its parent.
struct Note {
  char id[32];
  std::uint64_t bytes;
};

[[noreturn]] void append_until_killed(const std::vector<std::string>& lines,
                                      const std::filesystem::path& root, int tell) {
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  try {
    Opened opened(BERTH_FILE_PLUGIN, kKeepAll, root);
    Driver driver(opened.store());
    for (;;) {
      (void)driver.append_all(lines, [&](const std::string& id, std::size_t bytes) {
        Note note{};
        std::memcpy(note.id, id.data(), sizeof note.id);
        note.bytes = bytes;
        if (::write(tell, &note, sizeof note) != sizeof note) ::_exit(1);
      });
    }
  } catch (const std::exception& error) {
    std::fprintf(stderr, "bench_logs: %s\n", error.what());
  }
  ::_exit(1);
}

}  // namespace

Kept file_store(const std::vector<std::string>& lines, const std::string& directory) {
  const Scratch root(directory);
  Opened opened(BERTH_FILE_PLUGIN, kKeepAll, root.path());
  Driver driver(opened.store());
  std::vector<std::string> ids;
  Kept kept;
  kept.in =
      driver.append_all(lines, [&](const std::string& id, std::size_t) { ids.push_back(id); });
  kept.out = driver.fetch_all(lines, ids);
  driver.stop();
  return kept;
}

Lag file_lag(int lines, const std::string& directory) {
  const Scratch root(directory);
  Opened opened(BERTH_FILE_PLUGIN, "{}", root.path());
  Driver driver(opened.store());
  asio::io_context io;
  std::vector<double> lags;
  const plugin::ActivationRef activation = activation_of(new_activation_id());
  const auto rethrow = [](const std::exception_ptr& error) {
    if (error) std::rethrow_exception(error);
  };
  asio::co_spawn(io, follow_lines(opened.store(), activation, lags), rethrow);
  asio::co_spawn(io, append_slowly(opened.store(), activation, lines), rethrow);
  io.run();
  driver.stop();
  std::sort(lags.begin(), lags.end());
  return {lags[lags.size() / 2], lags[lags.size() * 99 / 100]};
}

Lost file_killed(const std::vector<std::string>& lines, const std::string& directory) {
  constexpr std::size_t kEnough = 200;  // activations, before the kill
  const Scratch root(directory);
  int ends[2];
  if (::pipe(ends) != 0) throw std::runtime_error("pipe");
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    append_until_killed(lines, root.path(), ends[1]);
  }
  ::close(ends[1]);
  std::vector<Note> notes;
  Note note{};
  // After the kill, what it had told before is still to be read.
  while (::read(ends[0], &note, sizeof note) == sizeof note) {
    notes.push_back(note);
    if (notes.size() == kEnough) ::kill(child, SIGKILL);
  }
  ::close(ends[0]);
  ::waitpid(child, nullptr, 0);
  if (notes.size() < kEnough) throw std::runtime_error("the store's process ended by itself");

  Opened opened(BERTH_FILE_PLUGIN, kKeepAll, root.path());
  Driver driver(opened.store());
  Lost lost;
  for (const Note& one : notes) {
    const std::size_t found = driver.fetch(std::string(one.id, sizeof one.id));
    lost.kept += static_cast<double>(one.bytes);
    lost.bytes += static_cast<double>(one.bytes) - static_cast<double>(found);
  }
  driver.stop();
  return lost;
}

Rate splunk_ship(const std::vector<std::string>& lines, bool gzip, const std::string& directory,
                 const std::string& keep) {
  const Sink sink(keep);
  const Scratch root(directory);
  const std::string config = R"({"hec_url":"http://127.0.0.1:)" + std::to_string(sink.port()) +
                             R"(","hec_token":"t","spool_bytes":17179869184,"gzip":)" +
                             (gzip ? "true" : "false") + "}";
  Opened opened(BERTH_SPLUNK_PLUGIN, config, root.path());
  Driver driver(opened.store());
  const Rate text = driver.append_all(lines, {});
  const double sent = opened.metric("berth_plugin_splunk_sent_bytes_total") / kMega;
  driver.stop();
  const double events_of_text = sent / megabytes(lines);
  if (events_of_text < 1) throw std::runtime_error("not all events were sent");
  return {text.wall_mb_s * events_of_text, text.core_mb_s * events_of_text};
}

double gzip_1(const std::string& file) {
  const double begin = wall_seconds();
  if (::system(("gzip -1 -c " + file + " > " + file + ".gz").c_str()) != 0) {
    throw std::runtime_error("gzip failed");
  }
  const double seconds = wall_seconds() - begin;
  return static_cast<double>(std::filesystem::file_size(file)) / kMega / seconds;
}

}  // namespace berth::bench
