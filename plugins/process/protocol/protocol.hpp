// SPDX-License-Identifier: Apache-2.0
// The versioned protocol between the process plugin and berth-sandboxer, over a unix socket of type
// SOCK_SEQPACKET: one message is one packet, descriptors ride along as SCM_RIGHTS.
//
// Every packet starts with a Header {u32 type, u64 id}. A request carries an id the client chose
// (never 0); the one reply to it carries the same id, a status and the result. Events have id 0.
// Hello and Shutdown and the header are frozen: any version can greet any other, be told to
// upgrade, and stop it. Everything else may change with kProtocolVersion.
//
// The structs are plain values; encode and decode are pure functions, safe on any thread. `decode`
// returns false on a malformed or over-long message and leaves the output unspecified.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "berth/sdk/status.hpp"
#include "ipv4.hpp"
#include "wire.hpp"

namespace berth::process {

inline constexpr uint32_t kProtocolMagic = 0x42535831;  // "BSX1"
// Covers also what goes on between the sandboxer and zygotes and their forks, which may come from
// another build: Fork and Forked (fork_request.hpp), ShellCommand and its letters (shell.hpp).
inline constexpr uint32_t kProtocolVersion = 3;
// Largest packet. A packet must fit a socket's send buffer, which Linux limits to 208 KiB by
// default.
inline constexpr size_t kMaxPacket = 160 * 1024;
// Room for log bytes in one reply, below kMaxPacket by what headers can take.
inline constexpr uint64_t kMaxLogBytes = 96 * 1024;
// And for so many chunks, each with a header of 13 bytes: short writes make short chunks.
inline constexpr size_t kMaxLogChunks = 4096;

using Pairs = std::vector<std::pair<std::string, std::string>>;

enum class MessageType : uint32_t {
  kHello = 1,
  kShutdown = 2,
  kConfigure = 3,
  kCreate = 4,
  kDestroy = 5,
  kPause = 6,
  kResume = 7,
  kList = 8,
  kReadLogs = 9,
  kCancel = 10,
  kStats = 11,
  kResize = 14,  // these two are UNIMPLEMENTED for an older sandboxer
  kUsage = 15,
  kReply = 100,
  kDied = 101,
};

struct Header {
  MessageType type = MessageType::kReply;
  uint64_t id = 0;
};

// First message of a client. Answered with HelloReply even when the versions differ.
struct Hello {
  uint32_t magic = kProtocolMagic;
  uint32_t version = kProtocolVersion;
};
struct HelloReply {
  uint32_t version = kProtocolVersion;
  uint32_t pid = 0;
  std::string boot_id;  // names this life of the sandboxer; part of every sandbox id
};

// Ends the sandboxer. With `kill` every sandbox is destroyed first; without it the reply is
// FAILED_PRECONDITION while there are sandboxes.
struct Shutdown {
  bool kill = false;
};

enum class Network : uint8_t { kNone = 0, kHost = 1, kNat = 2 };

// network = "nat".
struct NatSettings {
  Ipv4Range subnet;               // of the sandboxes; prefix 0: a free one is chosen
  std::vector<EgressRule> allow;  // the most specific rule decides, see sandboxer/nat_rules.hpp
  std::vector<EgressRule> deny;
  std::vector<uint32_t> dns;       // name servers; empty: the host's
  uint64_t bandwidth = 0;          // bytes a second, each way and sandbox; 0: no limit
  bool enable_forwarding = false;  // set net.ipv4.ip_forward where it is not

  bool operator==(const NatSettings&) const = default;
};

// A warm interpreter that sandboxes are forked from; see sandboxer/zygote.hpp. It is started when
// the first sandbox wants it.
struct ZygoteSettings {
  std::string runtime;            // its name, as CreateRequest::zygote gives it
  std::vector<std::string> argv;  // argv[0] is an absolute path inside the sandbox
  uint32_t prepared = 2;          // sandboxes forked ahead
  uint32_t renew_after = 1000;    // forks after which a fresh zygote takes its place

  bool operator==(const ZygoteSettings&) const = default;
};

// What sandboxes are made of. Sent by each client once after Hello; one that differs from what is
// in force replaces it for sandboxes made from then on, living ones stay as they are.
struct Settings {
  std::string runtimes_directory;  // host path, appears read-only as /berth/runtimes
  Network network = Network::kNone;
  NatSettings nat;
  uint32_t detach_ttl_ms = 60'000;         // how long sandboxes outlive their client
  uint64_t writable_bytes = 512ull << 20;  // of the private writable layer (tmpfs)
  uint64_t writable_inodes = 65536;
  uint64_t log_bytes = 16ull << 20;  // kept output a sandbox, the oldest goes first
  uint32_t open_files = 1024;
  uint32_t default_pids = 1024;
  uint32_t prepared = 4;                    // sandboxes made ahead
  uint32_t pooled_networks = 16;            // network namespaces kept for reuse
  uint32_t subordinate_start = 1879048192;  // first host uid and gid of the range
  uint32_t subordinate_count = 268435456;
  uint32_t subordinate_size = 2048;  // ids a sandbox
  std::vector<ZygoteSettings> zygotes;

  bool operator==(const Settings&) const = default;
};

// What this host enforces, told in the reply to Configure and to Stats.
struct Enforcement {
  bool pause = false;
  bool memory = false;
  bool cpu = false;
  bool pids = false;
  bool privileged = false;  // runs as root with its own id range a sandbox
  // Where clients freeze and thaw for themselves, if they may: the directory of the groups.
  std::string freezer;
  bool freezer_v2 = false;
  std::string detail;  // for people: what is not enforced here, why, and the mend
};

// Comes with one descriptor: the listening socket the function inherits as BERTH_LISTEN_FD.
struct CreateRequest {
  std::string name;
  std::string socket_path;               // unlinked when the sandbox goes; may be empty
  std::vector<std::string> argv;         // argv[0] is an absolute path inside the sandbox
  std::vector<std::string> environment;  // KEY=VALUE
  Pairs labels;
  uint64_t memory_bytes = 0;      // 0: no limit
  uint32_t cpu_shares = 1024;     // as in berth_create_request
  uint32_t cpu_quota_millis = 0;  // 0: none
  uint32_t pids = 0;              // 0: Settings::default_pids
  // A zygote's runtime: the sandbox is forked from it where that works, and argv is then what a
  // sandbox that has to be started from nothing runs. Empty: always from nothing.
  std::string zygote;
};
struct CreateReply {
  std::string id;
  std::string group;  // its cgroup's name below Enforcement::freezer
};

// Destroy, Pause, Resume and Usage; and Frozen and Thawed, by which a client tells that it has
// written to the freezer itself.
struct SandboxRequest {
  std::string id;
};

// The limits of a living sandbox from now on, as in CreateRequest.
struct ResizeRequest {
  std::string id;
  uint64_t memory_bytes = 0;
  uint32_t cpu_shares = 1024;
  uint32_t cpu_quota_millis = 0;
};

// What a sandbox uses now. -1: not known here.
struct UsageReply {
  int64_t memory_bytes = -1;
  int64_t memory_limit_bytes = -1;
  int64_t cpu_ns = -1;
  int64_t pids = -1;
};

struct ListRequest {
  uint64_t after = 0;    // serial of the last one seen; 0: from the start
  uint32_t limit = 100;  // 1..
  bool adopt = true;     // the client takes over what no one, or a client now gone, held
};
enum class SandboxState : uint8_t { kRunning = 1, kPaused = 2, kDead = 3 };
struct SandboxInfo {
  uint64_t serial = 0;
  std::string id;
  std::string name;
  std::string socket_path;
  Pairs labels;
  SandboxState state = SandboxState::kRunning;
  int32_t exit_code = -1;
  bool oom = false;
  std::string group;
};
struct ListReply {
  std::vector<SandboxInfo> sandboxes;
  bool more = false;
};

// Where a reader is in a sandbox's output: a record and the bytes of it already read.
struct LogCursor {
  uint64_t offset = 0;
  uint32_t skip = 0;
  bool oldest = true;  // from the oldest kept; the other members are then ignored
};
struct ReadLogsRequest {
  std::string id;
  LogCursor cursor;
  uint64_t max_bytes = 65536;
  uint64_t deadline_ns = 0;  // CLOCK_MONOTONIC; 0: answer at once
};
// A chunk as it was read from the pipe: any bytes, any number of lines.
struct LogChunk {
  uint8_t stream = 1;  // 1 stdout, 2 stderr
  int64_t time_ns = 0;
  std::string bytes;
};
struct ReadLogsReply {
  std::vector<LogChunk> chunks;
  LogCursor next;
  bool ended = false;
};

// Answers the request `target` of the same client at once if it waits (ReadLogs).
struct CancelRequest {
  uint64_t target = 0;
};

struct StatsReply {
  uint32_t sandboxes = 0;
  uint32_t prepared = 0;  // ready, made ahead
  uint32_t pooled_networks = 0;
  uint32_t removing = 0;  // being cleaned up in the background
  uint64_t created = 0;
  uint64_t created_cold = 0;  // of them not from the prepared ones
  uint64_t log_bytes_dropped = 0;
  uint32_t zygotes = 0;           // warm and usable
  uint32_t prepared_forks = 0;    // ready, forked ahead
  uint64_t zygote_starts = 0;     // zygotes that became usable
  uint64_t forked = 0;            // of the created: from a zygote
  uint64_t fork_fallbacks = 0;    // of the created: from nothing though a zygote was asked for
  uint32_t leaving_networks = 0;  // being taken down
  uint32_t free_addresses = 0;    // of nat's subnet
  std::string zygote_problem;     // for people: why a zygote is not there; empty if all is well
  Enforcement enforcement;
};

struct Died {
  std::string id;
  int32_t exit_code = -1;  // 0..255; 128+N: signal N; -1: unknown
  bool oom = false;
  std::string reason;
};

// The fields after the header. Overloaded for every message above.
void encode(Writer& out, const Hello& m);
void encode(Writer& out, const HelloReply& m);
void encode(Writer& out, const Shutdown& m);
void encode(Writer& out, const ZygoteSettings& m);
void encode(Writer& out, const NatSettings& m);
void encode(Writer& out, const Settings& m);
void encode(Writer& out, const Enforcement& m);
void encode(Writer& out, const CreateRequest& m);
void encode(Writer& out, const CreateReply& m);
void encode(Writer& out, const SandboxRequest& m);
void encode(Writer& out, const ResizeRequest& m);
void encode(Writer& out, const UsageReply& m);
void encode(Writer& out, const ListRequest& m);
void encode(Writer& out, const ListReply& m);
void encode(Writer& out, const ReadLogsRequest& m);
void encode(Writer& out, const ReadLogsReply& m);
void encode(Writer& out, const CancelRequest& m);
void encode(Writer& out, const StatsReply& m);
void encode(Writer& out, const Died& m);
bool decode(Reader& in, Hello& m);
bool decode(Reader& in, HelloReply& m);
bool decode(Reader& in, Shutdown& m);
bool decode(Reader& in, Settings& m);
bool decode(Reader& in, Enforcement& m);
bool decode(Reader& in, CreateRequest& m);
bool decode(Reader& in, CreateReply& m);
bool decode(Reader& in, SandboxRequest& m);
bool decode(Reader& in, ResizeRequest& m);
bool decode(Reader& in, UsageReply& m);
bool decode(Reader& in, ListRequest& m);
bool decode(Reader& in, ListReply& m);
bool decode(Reader& in, ReadLogsRequest& m);
bool decode(Reader& in, ReadLogsReply& m);
bool decode(Reader& in, CancelRequest& m);
bool decode(Reader& in, StatsReply& m);
bool decode(Reader& in, Died& m);

// Bytes one SandboxInfo takes in a ListReply; lets the sender fill a packet and no more.
size_t encoded_size(const SandboxInfo& info);

// A whole packet: header and message.
template <typename Message>
std::string packet(MessageType type, uint64_t id, const Message& message) {
  Writer out;
  out.u32(static_cast<uint32_t>(type));
  out.u64(id);
  encode(out, message);
  return out.take();
}
// A packet with nothing after the header (Stats).
std::string packet(MessageType type, uint64_t id);

// A reply: header, status, and the result where there is one.
std::string reply(uint64_t id, const sdk::Status& status);
template <typename Message>
std::string reply(uint64_t id, const Message& result) {
  Writer out;
  out.u32(static_cast<uint32_t>(MessageType::kReply));
  out.u64(id);
  out.u32(0);
  out.u32(0);
  out.text({});
  encode(out, result);
  return out.take();
}

bool decode_header(Reader& in, Header& header);
// Reads the status of a reply; what follows it is the result.
bool decode_status(Reader& in, sdk::Status& status);

}  // namespace berth::process
