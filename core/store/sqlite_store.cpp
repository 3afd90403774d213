// SPDX-License-Identifier: Apache-2.0
#include "store/sqlite_store.hpp"

#include <algorithm>
#include <boost/asio/post.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cerrno>
#include <condition_variable>
#include <fcntl.h>
#include <mutex>
#include <string>
#include <sys/file.h>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

#include "base/files.hpp"
#include "base/log.hpp"
#include "base/unique_fd.hpp"
#include "store/file_care.hpp"
#include "store/reader_pool.hpp"
#include "store/reply.hpp"
#include "store/reseal.hpp"
#include "store/schema.hpp"
#include "store/sqlite_activations.hpp"
#include "store/sqlite_alarms.hpp"
#include "store/sqlite_auth.hpp"
#include "store/sqlite_connection.hpp"
#include "store/sqlite_entities.hpp"
#include "store/sqlite_plugin_state.hpp"
#include "store/sqlite_work.hpp"
#include "store/writer.hpp"

namespace berth::store {
namespace {

// Small files are checked whole at each start; a big one would hold the start up.
constexpr std::uintmax_t kCheckUpTo = 64ull * 1024 * 1024;

Status cannot_open(const std::filesystem::path& path, int error) {
  const std::string text = "cannot open " + path.string() + ": " + errno_text(error);
  switch (error) {
    case ENOENT:
      return sdk::not_found(text + ": make the directory " + path.parent_path().string());
    case ENOSPC:
    case EDQUOT: return sdk::resource_exhausted(text + ": make room");
    default:
      return sdk::permission_denied(
          text +
          ": make the file and its directory readable and writable by berthd's user, or name "
          "another data directory");
  }
}

// Held as long as the store is open: two programs must not write one store's memory of it.
Result<UniqueFd> lock_store(const std::filesystem::path& path) {
  const std::filesystem::path lock_path = path.string() + ".lock";
  UniqueFd fd(::open(lock_path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!fd) return cannot_open(lock_path, errno);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return cannot_open(lock_path, errno);
    char holder[32] = {};
    if (::pread(fd.get(), holder, sizeof holder - 1, 0) <= 0) holder[0] = '?';
    return sdk::failed_precondition(path.string() + " is in use by another berthd (process " +
                                    holder + "): stop it, or name another data directory");
  }
  // For people only: it is the lock that counts.
  const std::string self = std::to_string(::getpid());
  if (::ftruncate(fd.get(), 0) != 0 || ::pwrite(fd.get(), self.data(), self.size(), 0) < 0) {
    log::warn("store", "cannot note the process in the lock file", {{"path", lock_path.string()}});
  }
  return fd;
}

// SQLite gives its -wal and -shm files the mode of the file itself. There are secrets in it.
Status make_private_file(const std::filesystem::path& path) {
  const UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!fd) return cannot_open(path, errno);
  struct stat facts {};
  if (::fstat(fd.get(), &facts) != 0) return cannot_open(path, errno);
  if (!S_ISREG(facts.st_mode)) {
    return sdk::failed_precondition(path.string() + " is not a file: move it aside");
  }
  if ((facts.st_mode & 077) != 0 && ::fchmod(fd.get(), 0600) != 0) return cannot_open(path, errno);
  return {};
}

Status check_damage(Connection& connection) {
  std::error_code error;
  const auto size = std::filesystem::file_size(connection.path(), error);
  if (error || size > kCheckUpTo) return {};
  Query query(connection, "PRAGMA quick_check(1)");
  if (query.next() && query.text(0) != "ok") {
    return sdk::data_loss(connection.path().string() + " is damaged (" + query.string(0) +
                          "): restore a backup, or move it and its -wal aside to start anew");
  }
  return query.status();
}

Result<std::unique_ptr<Connection>> open_writer(const std::filesystem::path& path) {
  auto connection = Connection::open(path, Connection::Mode::kReadWrite);
  if (!connection) return connection;
  // A commit is on disk when it returns (FULL); the WAL is folded in each 16 MiB and cut to 64 MiB.
  for (const char* pragma :
       {"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL",
        "PRAGMA wal_autocheckpoint = 4096", "PRAGMA journal_size_limit = 67108864",
        "PRAGMA cache_size = -16384", "PRAGMA temp_store = MEMORY"}) {
    if (Status status = (*connection)->execute(pragma); !status.ok()) return status;
  }
  if (Status status = prepare_schema(**connection); !status.ok()) return status;
  if (Status status = check_damage(**connection); !status.ok()) return status;
  return connection;
}

// Calls `tick` each `period` on a thread of its own, until it is gone.
class Periodic {
 public:
  Periodic(std::chrono::milliseconds period, Task<void()> tick)
      : thread_([this, period, tick = std::move(tick)]() mutable {
          std::unique_lock lock(mutex_);
          while (!wake_.wait_for(lock, period, [this] { return stop_; })) {
            lock.unlock();
            tick();
            lock.lock();
          }
        }) {}
  ~Periodic() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    wake_.notify_one();
    thread_.join();
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace

struct SqliteStore::Impl {
  Impl(UniqueFd lock_fd, std::filesystem::path file, const Options& opts,
       std::unique_ptr<Connection> writing, std::vector<std::unique_ptr<Connection>> reading)
      : lock(std::move(lock_fd)),
        path(std::move(file)),
        options(opts),
        metrics(opts.metrics != nullptr ? *opts.metrics : own_metrics),
        readers(std::move(reading), opts.max_queued_reads),
        writer(std::move(writing),
               {opts.max_queued_writes, opts.max_queued_write_bytes, opts.linger}, metrics),
        entities(writer, readers, opts.action_cache_bytes, options.cipher),
        work(writer, readers, metrics, options.cipher),
        activations(writer, readers, work, metrics),
        auth(*opts.clock, writer, entities, activations),
        plugin_state(writer, readers) {}
  ~Impl() { (void)close(); }

  // The threads end before what their jobs refer to.
  Status close() {
    const std::lock_guard guard(close_mutex);
    maintenance.reset();
    care_stop.stop();
    care.join();
    // Readers first: the checkpoint at the writer's end wants nobody reading. Jobs that the writer
    // still hands to them are refused, and so answered.
    readers.close();
    return writer.close();
  }

  void remove_expired() {
    const Retention& retention = options.retention;
    activations.remove_expired(retention, options.clock->wall_ms(),
                               [this](const Result<std::int64_t>& removed) {
                                 if (!removed) {
                                   if (removed.error().code() == StatusCode::kUnavailable)
                                     return;  // closing
                                   log::warn("store", "old activations could not be deleted",
                                             {{"reason", removed.error().to_string()}});
                                 } else if (*removed >= options.retention.batch) {
                                   remove_expired();
                                 }
                               });
  }

  // Finding the newest N costs a walk over them, so it is done when a tenth as many are new.
  void remove_surplus() {
    for (const entity::Namespace& space : auth.namespaces()) {
      const auto identity = auth.find_namespace(space.name);
      const std::int64_t keep = identity && identity->limits
                                    ? identity->limits->kept_activations.value_or(
                                          options.retention.max_count_of_namespace)
                                    : options.retention.max_count_of_namespace;
      if (keep <= 0 || activations.written(space.name) < std::max<std::int64_t>(keep / 10, 1)) {
        continue;
      }
      activations.forget_written(space.name);
      activations.remove_surplus(space.name, keep, options.retention.batch);
    }
  }
  const UniqueFd lock;
  const std::filesystem::path path;
  const Options options;
  Metrics own_metrics;
  Metrics& metrics;
  ReaderPool readers;
  Writer writer;
  SqliteEntities entities;
  SqliteWork work;
  SqliteActivations activations;
  SqliteAuth auth;
  SqlitePluginState plugin_state;
  SqliteAlarms alarms{writer, readers, options.cipher};
  std::unique_ptr<Periodic> maintenance;
  CareStop care_stop;
  boost::asio::thread_pool care{1};  // for what an operator asks of the file
  std::mutex close_mutex;
};

SqliteStore::SqliteStore(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

SqliteStore::~SqliteStore() = default;

Result<std::unique_ptr<SqliteStore>> SqliteStore::open(const std::filesystem::path& path,
                                                       Options options) {
  auto lock = lock_store(path);
  if (!lock) return lock.error();
  if (Status status = make_private_file(path); !status.ok()) return status;
  auto writing = open_writer(path);
  if (!writing) return writing.error();
  if (Status status = reseal(**writing, options.cipher); !status.ok()) return status;
  std::vector<std::unique_ptr<Connection>> reading;
  for (int i = 0; i < std::max(options.readers, 1); ++i) {
    auto connection = Connection::open(path, Connection::Mode::kReadOnly);
    if (!connection) return connection.error();
    reading.push_back(std::move(*connection));
  }
  (*writing)->opened();
  for (const auto& connection : reading) connection->opened();
  Connection& loading = *reading.front();
  // The reader's thread waits for its first job: nobody can give it one before the load is over.
  auto impl = std::make_unique<Impl>(std::move(*lock), std::filesystem::absolute(path), options,
                                     std::move(*writing), std::move(reading));
  if (Status status = impl->work.load(loading); !status.ok()) return status;
  if (Status status = impl->auth.load(loading); !status.ok()) return status;
  const Retention& retention = options.retention;
  impl->maintenance = std::make_unique<Periodic>(retention.check_every, [raw = impl.get()] {
    const Retention& keep = raw->options.retention;
    if (keep.max_age_ms > 0 || keep.max_count > 0) raw->remove_expired();
    raw->remove_surplus();
  });
  return std::unique_ptr<SqliteStore>(new SqliteStore(std::move(impl)));
}

EntityStore& SqliteStore::entities() {
  return impl_->entities;
}
ActivationStore& SqliteStore::activations() {
  return impl_->activations;
}
AuthStore& SqliteStore::auth() {
  return impl_->auth;
}

KeyStore& SqliteStore::keys() {
  return impl_->auth;
}

PluginStateStore& SqliteStore::plugin_state() {
  return impl_->plugin_state;
}

void SqliteStore::back_up(Executor on, std::filesystem::path to, Done<std::uint64_t> done) {
  boost::asio::post(impl_->care,
                    [from = impl_->path, to = std::move(to), &stop = impl_->care_stop,
                     reply = Reply<std::uint64_t>(std::move(on), std::move(done))]() mutable {
                      reply(store::back_up(from, to, stop));
                    });
}

void SqliteStore::find_damage(Executor on, std::optional<std::filesystem::path> other,
                              Done<std::vector<std::string>> done) {
  boost::asio::post(impl_->care, [path = other.value_or(impl_->path), &stop = impl_->care_stop,
                                  reply = Reply<std::vector<std::string>>(
                                      std::move(on), std::move(done))]() mutable {
    reply(store::find_damage(path, stop));
  });
}

AlarmStore& SqliteStore::alarms() {
  return impl_->alarms;
}

WorkStore& SqliteStore::work() {
  return impl_->work;
}

Status SqliteStore::close() {
  return impl_->close();
}

}  // namespace berth::store
