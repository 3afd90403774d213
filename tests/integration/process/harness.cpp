// SPDX-License-Identifier: Apache-2.0
#include "harness.hpp"

#include <cerrno>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <signal.h>
#include <sstream>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

namespace berth::process::test {
namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

std::string build_directory() {
  const char* directory = std::getenv("BERTH_BUILD_DIR");
  return directory != nullptr ? directory : BERTH_BUILD_DIR;
}

std::string read_file(const std::string& path) {
  std::ifstream in(path);
  std::stringstream text;
  text << in.rdbuf();
  return text.str();
}

UniqueFd connect_to(const std::string& path, int type) {
  sockaddr_un address;
  socklen_t length;
  if (!unix_address(path, address, length)) return {};
  UniqueFd fd(::socket(AF_UNIX, type | SOCK_CLOEXEC, 0));
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), length) != 0) return {};
  return fd;
}

}  // namespace

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = Clock::now() + kPatience;
  while (Clock::now() < deadline) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return condition();
}

TempDirectory::TempDirectory() {
  std::string name = "/tmp/bpXXXXXX";
  if (::mkdtemp(name.data()) == nullptr) std::abort();
  ::chmod(name.c_str(), 0755);
  path_ = name;
}

TempDirectory::~TempDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void TempDirectory::give_to(uid_t uid, gid_t gid) const {
  EXPECT_EQ(::chown(path_.c_str(), uid, gid), 0);
  for (const auto& entry : fs::recursive_directory_iterator(path_)) {
    EXPECT_EQ(::chown(entry.path().c_str(), uid, gid), 0);
  }
}

Client::Client(const std::string& socket_path) : socket_(connect_to(socket_path, SOCK_SEQPACKET)) {}

void Client::send(const std::string& bytes, int fd) {
  for (;;) {
    const int error = send_packet(socket_.get(), bytes, fd);
    if (error != EAGAIN) return;
    pollfd p{socket_.get(), POLLOUT, 0};
    ::poll(&p, 1, 1000);
  }
}

bool Client::receive(std::chrono::milliseconds timeout) {
  pollfd p{socket_.get(), POLLIN, 0};
  if (closed_ || ::poll(&p, 1, static_cast<int>(timeout.count())) <= 0) return false;
  std::string bytes;
  std::vector<UniqueFd> fds;
  const Received received = receive_packet(socket_.get(), bytes, fds);
  if (received == Received::kNothing) return true;
  if (received != Received::kPacket) {
    closed_ = true;
    return false;
  }
  Reader reader(bytes);
  Header header;
  EXPECT_TRUE(decode_header(reader, header));
  if (header.type == MessageType::kDied) {
    Died died;
    EXPECT_TRUE(decode(reader, died));
    died_.push_back(died);
    return true;
  }
  Answer answer;
  EXPECT_TRUE(decode_status(reader, answer.status));
  // The result is what the status left: header and status are 20 bytes and the message.
  constexpr size_t kFixed = 4 + 8 + 4 + 4 + 4;
  answer.body = bytes.substr(kFixed + answer.status.message().size());
  answers_[header.id] = std::move(answer);
  return true;
}

Answer Client::wait(uint64_t id) {
  const auto deadline = Clock::now() + kPatience;
  while (answers_.find(id) == answers_.end()) {
    if (!receive(std::chrono::milliseconds(1000)) && (closed_ || Clock::now() > deadline)) {
      return {sdk::unavailable(closed_ ? "closed" : "no answer"), {}};
    }
  }
  auto node = answers_.extract(id);
  return std::move(node.mapped());
}

StatsReply Client::stats() {
  const uint64_t id = next_id_++;
  send(packet(MessageType::kStats, id));
  return wait(id).as<StatsReply>();
}

std::unique_ptr<Died> Client::wait_died() {
  const auto deadline = Clock::now() + kPatience;
  while (died_.empty() && !closed_ && Clock::now() < deadline) {
    receive(std::chrono::milliseconds(1000));
  }
  if (died_.empty()) return nullptr;
  auto died = std::make_unique<Died>(died_.front());
  died_.pop_front();
  return died;
}

bool Client::wait_closed() {
  const auto deadline = Clock::now() + kPatience;
  while (!closed_ && Clock::now() < deadline) receive(std::chrono::milliseconds(100));
  return closed_;
}

Sandboxer::Sandboxer(uid_t uid) : uid_(uid) {
  for (const auto& d : {data(), runtime()}) {
    fs::create_directory(d);
    ::chmod(d.c_str(), 0700);
  }
  fs::create_directories(runtimes() + "/probe");
  fs::copy_file(build_directory() + "/tests/berth_process_probe", runtimes() + "/probe/probe");
  ::chmod(runtimes().c_str(), 0755);
  ::chmod((runtimes() + "/probe").c_str(), 0755);
  ::chmod((runtimes() + "/probe/probe").c_str(), 0755);
  if (uid_ != 0) directory_.give_to(uid_, uid_);
  settings.runtimes_directory = runtimes();
  settings.prepared = 1;
}

Sandboxer::~Sandboxer() {
  if (quiet) EXPECT_EQ(log(), "");
  if (!running()) return;
  if (uid_ != 0) EXPECT_EQ(::seteuid(uid_), 0);
  if (auto client = connect_plain()) client->call(MessageType::kShutdown, Shutdown{true});
  if (uid_ != 0) EXPECT_EQ(::seteuid(0), 0);
  EXPECT_TRUE(eventually([&] { return !running(); })) << "the sandboxer does not end";
}

int Sandboxer::try_start(std::string& message) {
  int fds[2];
  EXPECT_EQ(::pipe2(fds, O_CLOEXEC), 0);
  UniqueFd read_end(fds[0]), write_end(fds[1]);
  const std::string program = build_directory() + "/bin/berth-sandboxer";
  // A copy that another user can reach.
  const std::string reachable = directory_.path() + "/berth-sandboxer";
  fs::copy_file(program, reachable, fs::copy_options::skip_existing);
  ::chmod(reachable.c_str(), 0755);
  const pid_t pid = ::fork();
  if (pid == 0) {
    ::dup2(write_end.get(), 2);
    if (uid_ != 0 && (::setgid(uid_) != 0 || ::setuid(uid_) != 0)) ::_exit(99);
    ::execl(reachable.c_str(), "berth-sandboxer", "--data-dir", data().c_str(), "--runtime-dir",
            runtime().c_str(), "--instance", "test", nullptr);
    ::_exit(98);
  }
  write_end.reset();
  char chunk[512];
  ssize_t n;
  while ((n = ::read(read_end.get(), chunk, sizeof(chunk))) > 0) {
    message.append(chunk, static_cast<size_t>(n));
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void Sandboxer::start() {
  std::string message;
  ASSERT_EQ(try_start(message), 0) << message;
}

std::unique_ptr<Client> Sandboxer::connect_plain() {
  auto client = std::make_unique<Client>(socket_path());
  return client->connected() ? std::move(client) : nullptr;
}

std::unique_ptr<Client> Sandboxer::connect() {
  // As another user the test itself may not talk to it, so it becomes that user for the moment: the
  // credentials are those of the time of connect.
  if (uid_ != 0) EXPECT_EQ(::seteuid(uid_), 0);
  auto client = connect_plain();
  if (uid_ != 0) EXPECT_EQ(::seteuid(0), 0);
  if (client == nullptr) return nullptr;
  EXPECT_TRUE(client->call(MessageType::kHello, Hello{}).status.ok());
  const auto configured = client->call(MessageType::kConfigure, settings);
  EXPECT_TRUE(configured.status.ok()) << configured.status.to_string() << log();
  return client;
}

pid_t Sandboxer::pid() const {
  const std::string text = read_file(data() + "/sandboxer.lock");
  return text.empty() ? -1 : static_cast<pid_t>(std::stol(text));
}

bool Sandboxer::running() const {
  const pid_t p = pid();
  if (p <= 0 || ::kill(p, 0) != 0) return false;
  // Not a zombie that nobody has waited for.
  const std::string stat = read_file("/proc/" + std::to_string(p) + "/stat");
  const size_t paren = stat.rfind(')');
  return paren != std::string::npos && stat.size() > paren + 2 && stat[paren + 2] != 'Z';
}

std::string Sandboxer::log() const {
  return read_file(data() + "/sandboxer.log");
}

UniqueFd listen_at(const std::string& path) {
  sockaddr_un address;
  socklen_t length;
  EXPECT_TRUE(unix_address(path, address, length)) << path;
  UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  EXPECT_EQ(::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), length), 0) << path;
  EXPECT_EQ(::listen(fd.get(), 128), 0);
  return fd;
}

Probe create_probe(Client& client, Sandboxer& sandboxer, const std::string& name,
                   const std::function<void(CreateRequest&)>& adjust) {
  Probe probe;
  probe.socket_path = sandboxer.runtime() + "/" + name + ".s";
  const UniqueFd listen = listen_at(probe.socket_path);
  CreateRequest request;
  request.name = name;
  request.socket_path = probe.socket_path;
  request.argv = {"/berth/runtimes/probe/probe"};
  request.environment = {"BERTH_LISTEN_FD=3", "PATH=/usr/bin:/bin"};
  request.memory_bytes = 128 << 20;
  request.labels = {{"owner", name}};
  if (adjust) adjust(request);
  const Answer answer = client.call(MessageType::kCreate, request, listen.get());
  probe.status = answer.status;
  if (answer.status.ok()) probe.id = answer.as<CreateReply>().id;
  return probe;
}

std::string ask(const std::string& socket_path, const std::string& command, bool wait) {
  const UniqueFd fd = connect_to(socket_path, SOCK_STREAM);
  if (!fd.valid()) return "";
  const std::string request = "GET /" + command + " HTTP/1.1\r\n\r\n";
  if (::send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) < 0 || !wait) return "";
  std::string text;
  char chunk[65536];
  ssize_t n;
  while ((n = ::read(fd.get(), chunk, sizeof(chunk))) > 0)
    text.append(chunk, static_cast<size_t>(n));
  const size_t body = text.find("\r\n\r\n");
  return body == std::string::npos ? "" : text.substr(body + 4);
}

std::string value_of(const std::string& report, const std::string& key) {
  std::istringstream lines(report);
  std::string line;
  while (std::getline(lines, line)) {
    if (line.compare(0, key.size(), key) != 0 || line.size() <= key.size()) continue;
    if (line[key.size()] == '=') return line.substr(key.size() + 1);
    if (line[key.size()] == ':') {
      const size_t at = line.find_first_not_of(" \t", key.size() + 1);
      return at == std::string::npos ? "" : line.substr(at);
    }
  }
  return "(no " + key + ")";
}

Output read_output(Client& client, const std::string& id, LogCursor from) {
  Output output;
  output.next = from;
  for (;;) {
    const Answer answer =
        client.call(MessageType::kReadLogs, ReadLogsRequest{id, output.next, kMaxLogBytes, 0});
    EXPECT_TRUE(answer.status.ok()) << answer.status.to_string();
    if (!answer.status.ok()) return output;
    const auto reply = answer.as<ReadLogsReply>();
    for (const auto& chunk : reply.chunks)
      (chunk.stream == 1 ? output.out : output.err) += chunk.bytes;
    output.next = reply.next;
    output.ended = reply.ended;
    if (reply.chunks.empty() || reply.ended) return output;
  }
}

bool is_root() {
  return ::geteuid() == 0;
}

}  // namespace berth::process::test
