// SPDX-License-Identifier: Apache-2.0
#include "unit/container/fakes.hpp"

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <fmt/format.h>
#include <set>

#include "base/ids.hpp"

namespace berth::test {
namespace {

using boost::asio::awaitable;
using Local = boost::asio::local::stream_protocol;
constexpr auto kQuietly = boost::asio::as_tuple(boost::asio::use_awaitable);

std::size_t content_length(std::string_view head) {
  for (const std::string_view name : {"Content-Length: ", "content-length: "}) {
    const std::size_t at = head.find(name);
    if (at != std::string_view::npos)
      return std::stoul(std::string(head.substr(at + name.size(), 20)));
  }
  return 0;
}

}  // namespace

struct FakeProxy::Impl : std::enable_shared_from_this<FakeProxy::Impl> {
  Impl(boost::asio::io_context& io, std::string path, Script the_script)
      : acceptor(io), socket_path(std::move(path)), script(std::move(the_script)) {
    acceptor.open();
    acceptor.bind(Local::endpoint(socket_path));
    acceptor.listen();
  }

  void stop() {
    boost::system::error_code ignored;
    acceptor.close(ignored);
    ::unlink(socket_path.c_str());
    for (Local::socket* socket : open) socket->close(ignored);
  }

  awaitable<void> accept() {
    const auto self = shared_from_this();
    for (;;) {
      auto [error, socket] = co_await acceptor.async_accept(kQuietly);
      if (error) co_return;
      auto executor = acceptor.get_executor();
      boost::asio::co_spawn(executor, serve(std::move(socket)), boost::asio::detached);
    }
  }

  awaitable<void> serve(Local::socket socket) {
    const auto self = shared_from_this();
    open.insert(&socket);
    boost::asio::streambuf buffer;
    for (;;) {
      auto [error, size] =
          co_await boost::asio::async_read_until(socket, buffer, "\r\n\r\n", kQuietly);
      if (error) break;
      const auto view = [&] {
        return std::string(boost::asio::buffers_begin(buffer.data()),
                           boost::asio::buffers_end(buffer.data()));
      };
      std::string head = view().substr(0, size);
      buffer.consume(size);
      const std::size_t length = content_length(head);
      if (buffer.size() < length) {
        auto [short_read, more] = co_await boost::asio::async_read(
            socket, buffer, boost::asio::transfer_exactly(length - buffer.size()), kQuietly);
        if (short_read) break;
      }
      const std::string body = view().substr(0, length);
      buffer.consume(length);
      const std::size_t space = head.find(' ');
      const std::string path = head.substr(space + 1, head.find(' ', space + 1) - space - 1);
      const Answer answer = script(path, body);
      if (answer.delay.count() > 0 || answer.hang) {
        boost::asio::steady_timer timer(socket.get_executor());
        timer.expires_after(answer.hang ? 1h : answer.delay);
        hanging.insert(&timer);
        co_await timer.async_wait(kQuietly);
        hanging.erase(&timer);
      }
      if (answer.hang || answer.hang_up || !socket.is_open()) break;
      const std::string reply = fmt::format(
          "HTTP/1.1 {} X\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{}",
          answer.status, answer.body.size(), answer.body);
      auto [write_error, written] =
          co_await boost::asio::async_write(socket, boost::asio::buffer(reply), kQuietly);
      if (answer.then_refuse) {
        boost::system::error_code ignored;
        acceptor.close(ignored);
        ::unlink(socket_path.c_str());
      }
      if (write_error || answer.then_close || answer.then_refuse) break;
    }
    open.erase(&socket);
  }

  Local::acceptor acceptor;
  std::string socket_path;
  Script script;
  std::set<Local::socket*> open;
  std::set<boost::asio::steady_timer*> hanging;
};

FakeProxy::FakeProxy(boost::asio::io_context& io, std::string socket_path, Script script)
    : impl_(std::make_shared<Impl>(io, std::move(socket_path), std::move(script))) {
  boost::asio::co_spawn(io, impl_->accept(), boost::asio::detached);
}

FakeProxy::~FakeProxy() {
  impl_->stop();
  for (auto* timer : impl_->hanging) timer->cancel();
}

void FakeProxy::stop_listening() {
  impl_->stop();
}

FakeFactory::FakeFactory(boost::asio::io_context& io)
    : io_(io), directory_(std::filesystem::temp_directory_path() / ("berth-" + random_hex(6))) {
  std::filesystem::create_directory(directory_);
  capacity_value.can_pause = true;
}

FakeFactory::~FakeFactory() {
  boxes.clear();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

awaitable<void> FakeFactory::wait_in(Gates& gates) {
  const auto gate = std::make_shared<boost::asio::steady_timer>(io_);
  gate->expires_after(1h);
  gates.push_back(gate);
  co_await gate->async_wait(kQuietly);
}

void FakeFactory::let(Gates& gates) {
  ASSERT_FALSE(gates.empty()) << "nothing waits there";
  gates.front()->cancel();
  gates.pop_front();
}

void FakeFactory::print(const std::string& id, plugin::Stream stream, std::string text,
                        bool partial) {
  const auto found = boxes.find(id);
  if (found == boxes.end()) return;
  plugin::LogRecord record;
  record.stream = stream;
  record.partial_line = partial;
  record.time_ns = system_clock().wall_now().time_since_epoch().count();
  record.bytes = found->second->printed->emplace_back(std::move(text));
  found->second->output.push_back(std::move(record));
}

void FakeFactory::print_sentinels(const std::string& id) {
  print(id, plugin::Stream::kStdout, "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX");
  print(id, plugin::Stream::kStderr, "XXX_THE_END_OF_A_WHISK_ACTIVATION_XXX");
}

void FakeFactory::die(const std::string& id, int exit_code, bool oom) {
  const auto found = boxes.find(id);
  if (found != boxes.end()) {
    found->second->ended = true;
    if (found->second->proxy) found->second->proxy->stop_listening();
  }
  if (on_died) on_died({id, exit_code, oom, "test"});
}

plugin::Awaitable<void> FakeFactory::start(DiedHandler handler, SteadyTime) {
  on_died = std::move(handler);
  co_return Result<void>();
}

plugin::Awaitable<plugin::ContainerInfo> FakeFactory::create(plugin::CreateRequest request,
                                                             SteadyTime) {
  created.push_back(request);
  auto box = std::make_unique<Box>();
  Box& made = *box;
  made.request = request;
  made.id = fmt::format("id-{}", next_++);
  boxes[made.id] = std::move(box);
  note_peak();
  if (hold_creates) co_await wait_in(creates_);
  if (!create_failures.empty()) {
    const Status failure = create_failures.front();
    create_failures.pop_front();
    if (!failure.ok()) {
      boxes.erase(made.id);
      co_return failure;
    }
  }
  plugin::ContainerInfo info;
  info.id = made.id;
  info.name = request.name;
  const std::string path = (directory_ / info.id).string();
  info.address = "unix:" + path;
  if (make_script) made.proxy = std::make_unique<FakeProxy>(io_, path, make_script(made));
  if (die_in_create) die(made.id);
  if (lie_about_address) info.address = *lie_about_address;
  if (lie_about_id) {
    boxes.erase(info.id);
    info.id = *lie_about_id;
  }
  co_return info;
}

plugin::Awaitable<void> FakeFactory::destroy(std::string id, SteadyTime) {
  if (hold_destroys) co_await wait_in(destroys_);
  if (!destroy_failures.empty()) {
    const Status failure = destroy_failures.front();
    destroy_failures.pop_front();
    if (!failure.ok()) co_return failure;
  }
  destroyed.push_back(id);
  if (boxes.erase(id) == 0) co_return sdk::not_found("no such container");
  co_return Result<void>();
}

plugin::Awaitable<void> FakeFactory::pause(std::string id, SteadyTime) {
  ++pauses;
  if (hold_pauses) co_await wait_in(pauses_);
  if (!pause_failure.ok()) co_return pause_failure;
  if (boxes.count(id) != 0) boxes[id]->paused = true;
  co_return Result<void>();
}

plugin::Awaitable<void> FakeFactory::resume(std::string id, SteadyTime) {
  ++resumes;
  if (hold_resumes) co_await wait_in(resumes_);
  if (!resume_failure.ok()) co_return resume_failure;
  if (boxes.count(id) != 0) boxes[id]->paused = false;
  co_return Result<void>();
}

void FakeFactory::note_peak() {
  std::uint64_t bytes = 0;
  for (const auto& [id, box] : boxes) bytes += box->request.memory_bytes;
  peak_bytes = std::max(peak_bytes, bytes);
}

plugin::Awaitable<void> FakeFactory::resize(std::string id, plugin::ResizeRequest request,
                                            SteadyTime) {
  ++resizes;
  if (hold_resizes) co_await wait_in(resizes_);
  if (!resize_failure.ok()) co_return resize_failure;
  const auto box = boxes.find(id);
  if (box == boxes.end()) co_return sdk::not_found("no such container");
  box->second->request.memory_bytes = request.memory_bytes;
  box->second->request.cpu_shares = request.cpu_shares;
  note_peak();
  co_return Result<void>();
}

plugin::Awaitable<std::vector<plugin::ContainerInfo>> FakeFactory::list(SteadyTime) {
  co_return leftovers;
}

plugin::Awaitable<plugin::LogBatch> FakeFactory::read_logs(std::string id, std::string cursor,
                                                           std::uint64_t max_bytes,
                                                           SteadyTime deadline) {
  ++reads;
  if (!read_failures.empty()) {
    const Status failure = read_failures.front();
    read_failures.pop_front();
    if (!failure.ok()) co_return failure;
  }
  std::size_t at = cursor.empty() ? 0 : std::stoul(cursor);
  plugin::LogBatch batch;
  boost::asio::steady_timer timer(io_);
  for (;;) {
    const auto found = boxes.find(id);
    if (found == boxes.end()) co_return sdk::not_found("no such container");
    const Box& box = *found->second;
    std::uint64_t bytes = 0;
    while (at < box.output.size() && bytes < max_bytes) {
      bytes += box.output[at].bytes.size();
      batch.records.push_back(box.output[at++]);
      batch.text = std::shared_ptr<const char[]>(box.printed, "");
    }
    batch.ended = box.ended && at == box.output.size();
    batch.next_cursor = std::to_string(at);
    if (!batch.records.empty() || batch.ended || std::chrono::steady_clock::now() >= deadline)
      break;
    timer.expires_after(2ms);
    co_await timer.async_wait(kQuietly);
  }
  co_return batch;
}

plugin::Awaitable<plugin::Capacity> FakeFactory::capacity(SteadyTime) {
  co_return capacity_value;
}
plugin::Awaitable<void> FakeFactory::drain(SteadyTime) {
  co_return Result<void>();
}
plugin::Awaitable<void> FakeFactory::stop(plugin::StopMode, SteadyTime) {
  co_return Result<void>();
}

void settle(boost::asio::io_context& io) {
  if (io.stopped()) io.restart();
  while (io.poll() > 0) {
  }
}

bool run_until(boost::asio::io_context& io, const std::function<bool()>& done) {
  const auto end = std::chrono::steady_clock::now() + 30s;
  while (!done()) {
    if (std::chrono::steady_clock::now() > end) return false;
    if (io.stopped()) io.restart();
    io.run_one_for(5ms);
  }
  return true;
}

entity::RuntimesManifest make_manifest(const std::string& stem_cells) {
  const auto manifest = entity::RuntimesManifest::parse(R"({"runtimes":{
    "python":[{"kind":"python:3","default":true,"image":{"prefix":"img","name":"python","tag":"1"},
               "stemCells":)" + stem_cells + R"(}],
    "nodejs":[{"kind":"nodejs:20","default":true,"image":{"prefix":"img","name":"nodejs","tag":"1"}}],
    "quiet":[{"kind":"quiet:1","default":true,"sentinelledLogs":false,
              "image":{"prefix":"img","name":"quiet","tag":"1"}}]},
    "blackboxes":[{"prefix":"known","name":"skeleton","tag":"1"}]})");
  EXPECT_TRUE(manifest) << (manifest ? "" : manifest.error().to_string());
  return *manifest;
}

entity::ActionPtr make_action(const std::string& name, std::int64_t memory_mb,
                              std::uint64_t revision, const std::string& kind,
                              std::int64_t concurrency) {
  auto action = std::make_shared<entity::Action>();
  action->namespace_name = "guest";
  action->name = name;
  action->revision = revision;
  action->exec.kind = kind;
  action->exec.code = "code of " + name;
  action->limits.memory_mb = memory_mb;
  action->limits.concurrency = concurrency;
  return action;
}

entity::Identity make_identity(const std::string& name) {
  entity::Identity identity;
  identity.subject = name;
  identity.namespace_name = name;
  identity.namespace_uuid = "uuid-of-" + name;
  identity.key = {"uuid-of-" + name, "secret"};
  return identity;
}

}  // namespace berth::test
