// SPDX-License-Identifier: Apache-2.0
#include "protocol.hpp"

namespace berth::process {
namespace {

void encode_pairs(Writer& out, const Pairs& pairs) {
  out.u32(static_cast<uint32_t>(pairs.size()));
  for (const auto& [key, value] : pairs) {
    out.text(key);
    out.text(value);
  }
}

void decode_pairs(Reader& in, Pairs& pairs) {
  const uint32_t n = in.u32();
  pairs.clear();
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    std::string key = in.text();
    pairs.emplace_back(std::move(key), in.text());
  }
}

void encode_cursor(Writer& out, const LogCursor& c) {
  out.u64(c.offset);
  out.u32(c.skip);
  out.u8(c.oldest ? 1 : 0);
}

void decode_cursor(Reader& in, LogCursor& c) {
  c.offset = in.u64();
  c.skip = in.u32();
  c.oldest = in.u8() != 0;
}

void encode_info(Writer& out, const SandboxInfo& info) {
  out.u64(info.serial);
  out.text(info.id);
  out.text(info.name);
  out.text(info.socket_path);
  encode_pairs(out, info.labels);
  out.u8(static_cast<uint8_t>(info.state));
  out.i32(info.exit_code);
  out.u8(info.oom ? 1 : 0);
  out.text(info.group);
}

bool decode_nat(Reader& in, NatSettings& m) {
  if (!decode(in, m.subnet)) return false;
  for (auto* rules : {&m.allow, &m.deny}) {
    rules->clear();
    const uint32_t n = in.u32();
    for (uint32_t i = 0; i < n; ++i) {
      if (!decode(in, rules->emplace_back())) return false;
    }
  }
  m.dns.clear();
  const uint32_t n = in.u32();
  for (uint32_t i = 0; i < n && in.ok(); ++i) m.dns.push_back(in.u32());
  m.bandwidth = in.u64();
  m.enable_forwarding = in.u8() != 0;
  return in.ok();
}

bool done(const Reader& in) {
  return in.ok() && in.at_end();
}

}  // namespace

// The decoders of Hello and Shutdown accept a longer tail: they are what versions share.
void encode(Writer& out, const Hello& m) {
  out.u32(m.magic);
  out.u32(m.version);
}
bool decode(Reader& in, Hello& m) {
  m.magic = in.u32();
  m.version = in.u32();
  return in.ok();
}

void encode(Writer& out, const HelloReply& m) {
  out.u32(m.version);
  out.u32(m.pid);
  out.text(m.boot_id);
}
bool decode(Reader& in, HelloReply& m) {
  m.version = in.u32();
  m.pid = in.u32();
  m.boot_id = in.text();
  return in.ok();
}

void encode(Writer& out, const Shutdown& m) {
  out.u8(m.kill ? 1 : 0);
}
bool decode(Reader& in, Shutdown& m) {
  m.kill = in.u8() != 0;
  return in.ok();
}

void encode(Writer& out, const ZygoteSettings& m) {
  out.text(m.runtime);
  out.texts(m.argv);
  out.u32(m.prepared);
  out.u32(m.renew_after);
}

void encode(Writer& out, const NatSettings& m) {
  encode(out, m.subnet);
  for (const auto* rules : {&m.allow, &m.deny}) {
    out.u32(static_cast<uint32_t>(rules->size()));
    for (const auto& rule : *rules) encode(out, rule);
  }
  out.u32(static_cast<uint32_t>(m.dns.size()));
  for (const uint32_t server : m.dns) out.u32(server);
  out.u64(m.bandwidth);
  out.u8(m.enable_forwarding ? 1 : 0);
}

void encode(Writer& out, const Settings& m) {
  out.text(m.runtimes_directory);
  out.u8(static_cast<uint8_t>(m.network));
  encode(out, m.nat);
  out.u32(m.detach_ttl_ms);
  out.u64(m.writable_bytes);
  out.u64(m.writable_inodes);
  out.u64(m.log_bytes);
  out.u32(m.open_files);
  out.u32(m.default_pids);
  out.u32(m.prepared);
  out.u32(m.pooled_networks);
  out.u32(m.subordinate_start);
  out.u32(m.subordinate_count);
  out.u32(m.subordinate_size);
  out.u32(static_cast<uint32_t>(m.zygotes.size()));
  for (const auto& zygote : m.zygotes) encode(out, zygote);
}
bool decode(Reader& in, Settings& m) {
  m.runtimes_directory = in.text();
  const uint8_t network = in.u8();
  if (network > static_cast<uint8_t>(Network::kNat)) return false;
  m.network = static_cast<Network>(network);
  if (!decode_nat(in, m.nat)) return false;
  m.detach_ttl_ms = in.u32();
  m.writable_bytes = in.u64();
  m.writable_inodes = in.u64();
  m.log_bytes = in.u64();
  m.open_files = in.u32();
  m.default_pids = in.u32();
  m.prepared = in.u32();
  m.pooled_networks = in.u32();
  m.subordinate_start = in.u32();
  m.subordinate_count = in.u32();
  m.subordinate_size = in.u32();
  const uint32_t zygotes = in.u32();
  m.zygotes.clear();
  for (uint32_t i = 0; i < zygotes && in.ok(); ++i) {
    ZygoteSettings& zygote = m.zygotes.emplace_back();
    zygote.runtime = in.text();
    zygote.argv = in.texts();
    zygote.prepared = in.u32();
    zygote.renew_after = in.u32();
  }
  return done(in);
}

void encode(Writer& out, const Enforcement& m) {
  out.u8(m.pause ? 1 : 0);
  out.u8(m.memory ? 1 : 0);
  out.u8(m.cpu ? 1 : 0);
  out.u8(m.pids ? 1 : 0);
  out.u8(m.privileged ? 1 : 0);
  out.text(m.freezer);
  out.u8(m.freezer_v2 ? 1 : 0);
  out.text(m.detail);
}
bool decode(Reader& in, Enforcement& m) {
  m.pause = in.u8() != 0;
  m.memory = in.u8() != 0;
  m.cpu = in.u8() != 0;
  m.pids = in.u8() != 0;
  m.privileged = in.u8() != 0;
  m.freezer = in.text();
  m.freezer_v2 = in.u8() != 0;
  m.detail = in.text();
  return done(in);
}

void encode(Writer& out, const CreateRequest& m) {
  out.text(m.name);
  out.text(m.socket_path);
  out.texts(m.argv);
  out.texts(m.environment);
  encode_pairs(out, m.labels);
  out.u64(m.memory_bytes);
  out.u32(m.cpu_shares);
  out.u32(m.cpu_quota_millis);
  out.u32(m.pids);
  out.text(m.zygote);
}
bool decode(Reader& in, CreateRequest& m) {
  m.name = in.text();
  m.socket_path = in.text();
  m.argv = in.texts();
  m.environment = in.texts();
  decode_pairs(in, m.labels);
  m.memory_bytes = in.u64();
  m.cpu_shares = in.u32();
  m.cpu_quota_millis = in.u32();
  m.pids = in.u32();
  m.zygote = in.text();
  return done(in);
}

void encode(Writer& out, const CreateReply& m) {
  out.text(m.id);
  out.text(m.group);
}
bool decode(Reader& in, CreateReply& m) {
  m.id = in.text();
  m.group = in.text();
  return done(in);
}

void encode(Writer& out, const SandboxRequest& m) {
  out.text(m.id);
}
bool decode(Reader& in, SandboxRequest& m) {
  m.id = in.text();
  return done(in);
}

void encode(Writer& out, const ResizeRequest& m) {
  out.text(m.id);
  out.u64(m.memory_bytes);
  out.u32(m.cpu_shares);
  out.u32(m.cpu_quota_millis);
}
bool decode(Reader& in, ResizeRequest& m) {
  m.id = in.text();
  m.memory_bytes = in.u64();
  m.cpu_shares = in.u32();
  m.cpu_quota_millis = in.u32();
  return done(in);
}

void encode(Writer& out, const UsageReply& m) {
  out.i64(m.memory_bytes);
  out.i64(m.memory_limit_bytes);
  out.i64(m.cpu_ns);
  out.i64(m.pids);
}
bool decode(Reader& in, UsageReply& m) {
  m.memory_bytes = in.i64();
  m.memory_limit_bytes = in.i64();
  m.cpu_ns = in.i64();
  m.pids = in.i64();
  return done(in);
}

void encode(Writer& out, const ListRequest& m) {
  out.u64(m.after);
  out.u32(m.limit);
  out.u8(m.adopt ? 1 : 0);
}
bool decode(Reader& in, ListRequest& m) {
  m.after = in.u64();
  m.limit = in.u32();
  m.adopt = in.u8() != 0;
  return done(in);
}

void encode(Writer& out, const ListReply& m) {
  out.u32(static_cast<uint32_t>(m.sandboxes.size()));
  for (const auto& info : m.sandboxes) encode_info(out, info);
  out.u8(m.more ? 1 : 0);
}
bool decode(Reader& in, ListReply& m) {
  const uint32_t n = in.u32();
  m.sandboxes.clear();
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    SandboxInfo info;
    info.serial = in.u64();
    info.id = in.text();
    info.name = in.text();
    info.socket_path = in.text();
    decode_pairs(in, info.labels);
    info.state = static_cast<SandboxState>(in.u8());
    info.exit_code = in.i32();
    info.oom = in.u8() != 0;
    info.group = in.text();
    m.sandboxes.push_back(std::move(info));
  }
  m.more = in.u8() != 0;
  return done(in);
}

void encode(Writer& out, const ReadLogsRequest& m) {
  out.text(m.id);
  encode_cursor(out, m.cursor);
  out.u64(m.max_bytes);
  out.u64(m.deadline_ns);
}
bool decode(Reader& in, ReadLogsRequest& m) {
  m.id = in.text();
  decode_cursor(in, m.cursor);
  m.max_bytes = in.u64();
  m.deadline_ns = in.u64();
  return done(in);
}

void encode(Writer& out, const ReadLogsReply& m) {
  out.u32(static_cast<uint32_t>(m.chunks.size()));
  for (const auto& chunk : m.chunks) {
    out.u8(chunk.stream);
    out.i64(chunk.time_ns);
    out.text(chunk.bytes);
  }
  encode_cursor(out, m.next);
  out.u8(m.ended ? 1 : 0);
}
bool decode(Reader& in, ReadLogsReply& m) {
  const uint32_t n = in.u32();
  m.chunks.clear();
  for (uint32_t i = 0; i < n && in.ok(); ++i) {
    LogChunk chunk;
    chunk.stream = in.u8();
    chunk.time_ns = in.i64();
    chunk.bytes = in.text();
    m.chunks.push_back(std::move(chunk));
  }
  decode_cursor(in, m.next);
  m.ended = in.u8() != 0;
  return done(in);
}

void encode(Writer& out, const CancelRequest& m) {
  out.u64(m.target);
}
bool decode(Reader& in, CancelRequest& m) {
  m.target = in.u64();
  return done(in);
}

void encode(Writer& out, const StatsReply& m) {
  out.u32(m.sandboxes);
  out.u32(m.prepared);
  out.u32(m.pooled_networks);
  out.u32(m.removing);
  out.u64(m.created);
  out.u64(m.created_cold);
  out.u64(m.log_bytes_dropped);
  out.u32(m.zygotes);
  out.u32(m.prepared_forks);
  out.u64(m.zygote_starts);
  out.u64(m.forked);
  out.u64(m.fork_fallbacks);
  out.u32(m.leaving_networks);
  out.u32(m.free_addresses);
  out.text(m.zygote_problem);
  encode(out, m.enforcement);
}
bool decode(Reader& in, StatsReply& m) {
  m.sandboxes = in.u32();
  m.prepared = in.u32();
  m.pooled_networks = in.u32();
  m.removing = in.u32();
  m.created = in.u64();
  m.created_cold = in.u64();
  m.log_bytes_dropped = in.u64();
  m.zygotes = in.u32();
  m.prepared_forks = in.u32();
  m.zygote_starts = in.u64();
  m.forked = in.u64();
  m.fork_fallbacks = in.u64();
  m.leaving_networks = in.u32();
  m.free_addresses = in.u32();
  m.zygote_problem = in.text();
  return decode(in, m.enforcement);
}

void encode(Writer& out, const Died& m) {
  out.text(m.id);
  out.i32(m.exit_code);
  out.u8(m.oom ? 1 : 0);
  out.text(m.reason);
}
bool decode(Reader& in, Died& m) {
  m.id = in.text();
  m.exit_code = in.i32();
  m.oom = in.u8() != 0;
  m.reason = in.text();
  return done(in);
}

size_t encoded_size(const SandboxInfo& info) {
  Writer out;
  encode_info(out, info);
  return out.size();
}

std::string packet(MessageType type, uint64_t id) {
  Writer out;
  out.u32(static_cast<uint32_t>(type));
  out.u64(id);
  return out.take();
}

std::string reply(uint64_t id, const sdk::Status& status) {
  Writer out;
  out.u32(static_cast<uint32_t>(MessageType::kReply));
  out.u64(id);
  out.i32(static_cast<int32_t>(status.code()));
  out.u32(status.flags());
  out.text(status.message());
  return out.take();
}

bool decode_header(Reader& in, Header& header) {
  header.type = static_cast<MessageType>(in.u32());
  header.id = in.u64();
  return in.ok();
}

bool decode_status(Reader& in, sdk::Status& status) {
  const int32_t code = in.i32();
  const uint32_t flags = in.u32();
  std::string message = in.text();
  if (!in.ok()) return false;
  status = sdk::Status(static_cast<sdk::StatusCode>(code), std::move(message), flags);
  return true;
}

}  // namespace berth::process
