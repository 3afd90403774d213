// SPDX-License-Identifier: Apache-2.0
#include "user_logs.hpp"

#include <cerrno>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "file_io.hpp"
#include "support/json_text.hpp"

namespace berth::file {

std::string UserLogs::format(const sdk::ActivationRefView& activation, sdk::LogLinesView lines) {
  using support::append_json_string;
  std::string whose = ",\"activationId\":";
  append_json_string(whose, activation.activation_id);
  whose += ",\"action\":";
  append_json_string(whose, activation.action);
  whose += ",\"namespace\":";
  append_json_string(whose, activation.namespace_name);
  whose += ",\"namespaceId\":";
  append_json_string(whose, activation.namespace_id);
  whose += "}\n";
  std::string out;
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const sdk::LogLineView line = lines[i];
    text.assign(line.text);
    text += '\n';
    out += "{\"log\":";
    append_json_string(out, text);
    out += line.stream == sdk::Stream::kStderr ? ",\"stream\":\"stderr\",\"time\":\""
                                               : ",\"stream\":\"stdout\",\"time\":\"";
    support::append_time(out, line.time_ns);
    out += '"';
    out += whose;
  }
  return out;
}

sdk::Status UserLogs::append(std::string_view lines, std::int64_t now_ms) {
  if (lines.empty()) return {};
  // A shipper may have taken the file away: then the next one is begun.
  struct stat facts {};
  const bool gone = fd_.valid() && (::fstat(fd_.get(), &facts) != 0 || facts.st_nlink == 0);
  if (!fd_ || gone || (size_ > 0 && size_ + lines.size() > kMaxFileBytes)) {
    path_ = directory_ / ("userlogs-" + std::to_string(now_ms) + ".log");
    fd_.reset(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!fd_ || ::fstat(fd_.get(), &facts) != 0) {
      const int error = errno;
      fd_.reset();
      return io_error("cannot create", path_, error);
    }
    // Whoever ships them reads them, whatever berthd's umask is.
    (void)::fchmod(fd_.get(), 0666);
    size_ = static_cast<std::uint64_t>(facts.st_size);
  }
  if (const int error = write_all(fd_.get(), lines); error != 0) {
    (void)!::ftruncate(fd_.get(), static_cast<off_t>(size_));
    return io_error("cannot write", path_, error);
  }
  size_ += lines.size();
  return {};
}

}  // namespace berth::file
