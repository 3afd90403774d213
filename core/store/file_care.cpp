// SPDX-License-Identifier: Apache-2.0
#include "store/file_care.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

#include "base/files.hpp"
#include "base/ids.hpp"
#include "base/unique_fd.hpp"
#include "store/schema.hpp"
#include "store/sqlite_connection.hpp"

namespace berth::store {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxFindings = 100;

Status sync_path(const fs::path& path, int flags) {
  const UniqueFd fd(::open(path.c_str(), flags | O_RDONLY | O_CLOEXEC));
  if (!fd || ::fsync(fd.get()) != 0) {
    return sdk::unavailable("cannot write " + path.string() + " to disk: " + errno_text(errno));
  }
  return {};
}

Status stopped() {
  return sdk::unavailable("Berth is shutting down");
}

// A name for a file while it is made.
class Draft {
 public:
  explicit Draft(fs::path path) : path_(std::move(path)) {}
  ~Draft() {
    std::error_code ignored;
    fs::remove(path_, ignored);
  }

 private:
  const fs::path path_;
};

Status copy_into(const fs::path& from, const fs::path& to, CareStop& stop) {
  auto connection = Connection::open(from, Connection::Mode::kReadOnly);
  if (!connection) return connection.error();
  const CareStop::Scope scope(stop, **connection);
  if (scope.stopped()) return stopped();
  const std::string name = to.string();
  Query query(**connection, "VACUUM INTO ?");
  query.bind(name);
  return query.run();
}

// What was accepted when the copy was made has run, or will, where it was accepted. In the copy it
// counts as started, so that who restores it has it recorded as interrupted, not run again.
Status mark_work(const fs::path& path) {
  auto connection = Connection::open(path, Connection::Mode::kReadWrite);
  if (!connection) return connection.error();
  // No second file beside the draft, which is thrown away if this fails.
  for (const char* sql :
       {"PRAGMA journal_mode = MEMORY", "UPDATE work SET started = received WHERE started = 0"}) {
    if (Status status = (*connection)->execute(sql); !status.ok()) return status;
  }
  return {};
}

// Rows that a query finds: each is one thing wrong.
Status find_rows(Connection& connection, const char* sql, std::vector<std::string>& found) {
  Query query(connection, sql);
  while (found.size() < kMaxFindings && query.next()) {
    if (query.text(0) != "ok") found.push_back(query.string(0));
  }
  return query.status();
}

}  // namespace

CareStop::Scope::Scope(CareStop& stop, Connection& connection) : stop_(stop) {
  connection.end_when(stop_.stopped_);
  const std::lock_guard lock(stop_.mutex_);
  stop_.running_ = &connection;
}

CareStop::Scope::~Scope() {
  const std::lock_guard lock(stop_.mutex_);
  stop_.running_ = nullptr;
}

void CareStop::stop() {
  const std::lock_guard lock(mutex_);
  stopped_ = true;
  if (running_ != nullptr) running_->interrupt();
}

Result<std::uint64_t> back_up(const fs::path& from, const fs::path& to, CareStop& stop) {
  if (!to.is_absolute()) {
    return sdk::invalid_argument("the backup's path must be absolute: " + to.string());
  }
  std::error_code error;
  if (fs::exists(to, error)) {
    return sdk::already_exists(to.string() + " exists: name another file, or move it aside");
  }
  // A name that nobody else has: what is there is not ours to remove.
  const fs::path draft_path = to.string() + ".partial-" + random_hex(8);
  {
    // SQLite would give it the mode that the umask leaves; there are secrets in it.
    const UniqueFd fd(::open(draft_path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) {
      return sdk::permission_denied("cannot make " + draft_path.string() + ": " +
                                    errno_text(errno));
    }
  }
  const Draft draft(draft_path);
  Status copied = copy_into(from, draft_path, stop);
  if (copied.ok()) copied = mark_work(draft_path);
  if (!copied.ok()) return copied.with_context("backup");
  if (Status status = sync_path(draft_path, 0); !status.ok()) return status;
  // Not over a file that came meanwhile.
  if (::link(draft_path.c_str(), to.c_str()) != 0) {
    return sdk::unavailable("cannot make " + to.string() + ": " + errno_text(errno));
  }
  if (Status status = sync_path(to.parent_path(), O_DIRECTORY); !status.ok()) return status;
  const std::uintmax_t size = fs::file_size(to, error);
  if (error) return sdk::unavailable("cannot see " + to.string() + ": " + error.message());
  return static_cast<std::uint64_t>(size);
}

Result<std::vector<std::string>> find_damage(const fs::path& path, CareStop& stop) {
  std::error_code error;
  if (!fs::exists(path, error)) return sdk::not_found("there is no file " + path.string());
  auto opened = Connection::open(path, Connection::Mode::kReadOnly);
  if (!opened) return opened.error();
  Connection& connection = **opened;
  const CareStop::Scope scope(stop, connection);
  if (scope.stopped()) return stopped();
  if (Status status = check_version(connection); !status.ok()) return status;
  std::vector<std::string> found;
  // What each rule says is wrong is one line.
  for (const char* rule : {
           "PRAGMA integrity_check(100)",
           "SELECT 'activation ' || lower(hex(id)) || ' has both a record and a row in the work "
           "queue' FROM work WHERE id IN (SELECT id FROM activations) LIMIT 100",
           "SELECT 'activation ' || lower(hex(id)) || ' is twice in the work queue' FROM work "
           "GROUP BY id HAVING count(*) > 1 LIMIT 100",
           "SELECT 'key ' || uuid || ' belongs to no namespace' FROM keys WHERE namespace NOT IN "
           "(SELECT name FROM namespaces) LIMIT 100",
           "SELECT 'action ' || path || ' cannot be read' FROM actions WHERE NOT json_valid(body) "
           "LIMIT 100",
           "SELECT 'entity ' || path || ' cannot be read' FROM entities WHERE NOT json_valid(body) "
           "LIMIT 100",
           // Encrypted ones have a form of their own.
           "SELECT 'the alarm of ' || trigger || ' cannot be read' FROM alarms WHERE NOT "
           "json_valid(body) AND body NOT GLOB 'aes-[12]* ?*' LIMIT 100",
       }) {
    Status status = find_rows(connection, rule, found);
    if (status.code() == StatusCode::kDataLoss) {
      found.push_back(status.message());
      break;
    }
    if (!status.ok()) return status;
  }
  return found;
}

}  // namespace berth::store
